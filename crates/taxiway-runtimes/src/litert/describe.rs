//! The signatures of a `.tflite` file as signature definitions.
//!
//! What callers see comes from the first of these that there is:
//!
//! 1. the definitions in the file's metadata, as TensorFlow Serving's users put them there;
//! 2. the file's own list of signatures. It names its tensors and their types; the SavedModel beside it, when there is
//!    one, knows more: which extents are open, and the graph's tensor names. [`Naming::TensorFlowServing`] skips it;
//! 3. one signature, `serving_default`, of the names of the graph's own inputs and outputs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use prost::Message;
use taxiway_engine::proto::{
    MetaGraphDef, SignatureDef, TensorInfo, TensorShapeProto, tensor_info::Encoding, tensor_shape_proto::Dim,
};
use taxiway_engine::{DEFAULT_SIGNATURE, Error, ErrorKind, Result};

use super::flexmap;
use super::model::{FileSignature, FileTensor};

/// LiteRT's key for the graph of a file without signatures.
const NO_SIGNATURE: &str = "<placeholder signature>";

const PREDICT: &str = "tensorflow/serving/predict";

/// Whether the file's own list of signatures counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Naming {
    /// It does.
    Signatures,
    /// It does not, as with TensorFlow Serving's `--prefer_tflite_model`.
    TensorFlowServing,
}

/// A signature as callers see it, and where its tensors are in the file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Described {
    pub(crate) name: String,
    pub(crate) definition: SignatureDef,
    /// Which of the file's signatures runs it.
    pub(crate) index: usize,
    /// For each input, in the order of the aliases, its index in the file's signature; all of them, each once.
    pub(crate) inputs: Vec<usize>,
    /// For each output, in the order of the aliases, its index in the file's signature.
    pub(crate) outputs: Vec<usize>,
    /// Whether an input may have any extents, whatever the file says of them: TensorFlow Serving's way.
    pub(crate) resizes: bool,
}

/// The signatures of a file with this list and these bytes of metadata, in a directory that may have a SavedModel with
/// these tags.
///
/// # Errors
/// `DataLoss` for metadata that cannot be read, `FailedPrecondition` when they name a tensor that the graph does not
/// have, or leave out an input.
pub(crate) fn describe(
    file: &[FileSignature],
    metadata: Option<&[u8]>,
    naming: Naming,
    saved: impl FnOnce() -> BTreeMap<String, SignatureDef>,
) -> Result<Vec<Described>> {
    if let Some(metadata) = metadata {
        return from_metadata(file, metadata);
    }
    let unnamed = |signature: &FileSignature| signature.key == NO_SIGNATURE || signature.key.is_empty();
    match file.first() {
        Some(first) if naming == Naming::TensorFlowServing || unnamed(first) => Ok(vec![from_tensors(first)]),
        _ => {
            let saved = saved();
            Ok(file.iter().enumerate().map(|(index, own)| from_list(index, own, saved.get(&own.key))).collect())
        }
    }
}

/// The entry of a file's metadata that holds definitions: a map from names to serialised `SignatureDef`s.
pub(crate) const METADATA_KEY: &std::ffi::CStr = c"signature_defs_metadata";

fn from_metadata(file: &[FileSignature], metadata: &[u8]) -> Result<Vec<Described>> {
    let unreadable = |what: &str| Error::new(ErrorKind::DataLoss, format!("the file's signature definitions {what}"));
    let entries = flexmap::entries(metadata).ok_or_else(|| unreadable("are not a map of them"))?;
    let described = entries.into_iter().map(|(name, bytes)| {
        let definition = SignatureDef::decode(bytes::Bytes::copy_from_slice(bytes))
            .map_err(|error| unreadable(&format!("have one that cannot be read, \"{name}\": {error}")))?;
        place(name, definition, file)
    });
    described.collect()
}

/// Finds the graph of a definition from the metadata.
fn place(name: &str, mut definition: SignatureDef, file: &[FileSignature]) -> Result<Described> {
    let mut reason = "the file has no graph".to_owned();
    for (index, signature) in file.iter().enumerate() {
        let found = positions(&definition.inputs, &signature.inputs)
            .and_then(|inputs| Ok((inputs, positions(&definition.outputs, &signature.outputs)?)));
        match found {
            Ok((inputs, _)) if inputs.iter().collect::<BTreeSet<_>>().len() != signature.inputs.len() => {
                reason = "it does not name each of the graph's inputs once".to_owned();
            }
            Ok((inputs, outputs)) => {
                complete(&mut definition.inputs, &inputs, &signature.inputs);
                complete(&mut definition.outputs, &outputs, &signature.outputs);
                return Ok(Described { name: name.to_owned(), definition, index, inputs, outputs, resizes: true });
            }
            Err(tensor) => reason = format!("the graph has no input or output \"{tensor}\""),
        }
    }
    Err(Error::new(
        ErrorKind::FailedPrecondition,
        format!("signature \"{name}\" in the file's metadata does not fit the graph: {reason}"),
    ))
}

/// Where each tensor is. Names match with and without the `:0` of a first output.
///
/// # Errors
/// The name of the first that is nowhere.
fn positions(infos: &BTreeMap<String, TensorInfo>, tensors: &[FileTensor]) -> Result<Vec<usize>, String> {
    let find = |info: &TensorInfo| {
        let Some(Encoding::Name(name)) = &info.encoding else { return Err(String::new()) };
        let exact = tensors.iter().position(|tensor| tensor.tensor == *name);
        exact.or_else(|| tensors.iter().position(|tensor| cut(&tensor.tensor) == cut(name))).ok_or_else(|| name.clone())
    };
    infos.values().map(find).collect()
}

/// What the definition says of types gives way to the file, which is what runs; what it says of shapes stays unless it
/// is of another rank.
fn complete(infos: &mut BTreeMap<String, TensorInfo>, positions: &[usize], tensors: &[FileTensor]) {
    for (info, &position) in infos.values_mut().zip(positions) {
        let tensor = &tensors[position];
        info.dtype = tensor.dtype.number();
        let fits = info.tensor_shape.as_ref().is_some_and(|s| !s.unknown_rank && s.dim.len() == tensor.extents.len());
        if !fits {
            info.tensor_shape = Some(shape(&tensor.extents));
        }
    }
}

/// `serving_default` with the graph's own names.
fn from_tensors(signature: &FileSignature) -> Described {
    let (inputs, input_positions) = named_by_tensor(&signature.inputs);
    let (outputs, output_positions) = named_by_tensor(&signature.outputs);
    let definition = SignatureDef { inputs, outputs, method_name: PREDICT.to_owned(), ..SignatureDef::default() };
    Described {
        name: DEFAULT_SIGNATURE.to_owned(),
        definition,
        index: 0,
        inputs: input_positions,
        outputs: output_positions,
        resizes: true,
    }
}

fn named_by_tensor(tensors: &[FileTensor]) -> (BTreeMap<String, TensorInfo>, Vec<usize>) {
    let short: BTreeSet<&str> = tensors.iter().map(|tensor| cut(&tensor.tensor)).collect();
    // Two tensors of one name but for the `:0` keep it.
    let alias = |tensor: &FileTensor| match short.len() == tensors.len() {
        true => cut(&tensor.tensor).to_owned(),
        false => tensor.tensor.clone(),
    };
    let named: BTreeMap<String, usize> = tensors.iter().map(alias).zip(0..).collect();
    let info = |position: usize| TensorInfo {
        encoding: Some(Encoding::Name(tensors[position].tensor.clone())),
        dtype: tensors[position].dtype.number(),
        tensor_shape: Some(shape(&tensors[position].extents)),
    };
    let positions = named.values().copied().collect();
    (named.into_iter().map(|(alias, position)| (alias, info(position))).collect(), positions)
}

/// A tensor's name without the `:0` of a first output.
fn cut(name: &str) -> &str {
    name.strip_suffix(":0").unwrap_or(name)
}

/// A signature of the file's own list: the SavedModel's when it is of the same tensors, else made from the file.
fn from_list(index: usize, signature: &FileSignature, saved: Option<&SignatureDef>) -> Described {
    let saved =
        saved.filter(|saved| is_of(&saved.inputs, &signature.inputs) && is_of(&saved.outputs, &signature.outputs));
    let infos = |tensors: &[FileTensor], saved: Option<&BTreeMap<String, TensorInfo>>| {
        let info = |tensor: &FileTensor| (tensor.name.clone(), info(tensor, saved.and_then(|s| s.get(&tensor.name))));
        tensors.iter().map(info).collect()
    };
    let positions = |tensors: &[FileTensor]| {
        let named: BTreeMap<&str, usize> = tensors.iter().map(|tensor| tensor.name.as_str()).zip(0..).collect();
        named.into_values().collect()
    };
    let definition = SignatureDef {
        inputs: infos(&signature.inputs, saved.map(|saved| &saved.inputs)),
        outputs: infos(&signature.outputs, saved.map(|saved| &saved.outputs)),
        method_name: saved.map_or_else(|| PREDICT.to_owned(), |saved| saved.method_name.clone()),
        defaults: saved.map(|saved| saved.defaults.clone()).unwrap_or_default(),
    };
    Described {
        name: signature.key.clone(),
        definition,
        index,
        inputs: positions(&signature.inputs),
        outputs: positions(&signature.outputs),
        resizes: false,
    }
}

/// Whether the SavedModel's tensors are those of the file, by name and type. They are not when the file was quantised.
fn is_of(saved: &BTreeMap<String, TensorInfo>, tensors: &[FileTensor]) -> bool {
    saved.len() == tensors.len()
        && tensors.iter().all(|tensor| saved.get(&tensor.name).is_some_and(|info| info.dtype == tensor.dtype.number()))
}

fn info(tensor: &FileTensor, saved: Option<&TensorInfo>) -> TensorInfo {
    let from_saved = saved.and_then(|info| info.tensor_shape.as_ref()).filter(|shape| !shape.unknown_rank);
    let from_saved = from_saved.filter(|shape| shape.dim.len() == tensor.extents.len());
    let extent = |(index, &extent): (usize, &i64)| match from_saved {
        // What the file fixes is fixed; what it leaves open, the SavedModel may know.
        Some(shape) if extent < 0 => shape.dim[index].size,
        _ => extent,
    };
    let extents: Vec<i64> = tensor.extents.iter().enumerate().map(extent).collect();
    TensorInfo {
        encoding: saved.and_then(|info| info.encoding.clone()).or_else(|| Some(Encoding::Name(tensor.name.clone()))),
        dtype: tensor.dtype.number(),
        tensor_shape: Some(shape(&extents)),
    }
}

fn shape(extents: &[i64]) -> TensorShapeProto {
    let dim = extents.iter().map(|&size| Dim { size, name: String::new() }).collect();
    TensorShapeProto { dim, unknown_rank: false }
}

/// The parts of `saved_model.pb` that hold signatures.
#[derive(Clone, PartialEq, Message)]
struct SavedModel {
    #[prost(message, repeated, tag = "2")]
    meta_graphs: Vec<MetaGraphDef>,
}

/// The signatures of the graph with these tags in a directory's SavedModel; none when there is no such thing.
pub(crate) fn saved_signatures(directory: &Path, tags: &[String]) -> BTreeMap<String, SignatureDef> {
    let read = std::fs::read(directory.join("saved_model.pb")).ok().map(bytes::Bytes::from);
    let model = read.and_then(|bytes| SavedModel::decode(bytes).ok()).unwrap_or_default();
    let has_tags = |graph: &MetaGraphDef| {
        graph.meta_info_def.as_ref().is_some_and(|info| tags.iter().all(|tag| info.tags.contains(tag)))
    };
    model.meta_graphs.into_iter().find(has_tags).map(|graph| graph.signature_def).unwrap_or_default()
}

#[cfg(test)]
#[path = "describe_tests.rs"]
mod tests;
