//! The signatures of a `.tflite` file as signature definitions.
//!
//! The file names its tensors and their types. The SavedModel beside it, when there is one, knows more: which extents
//! are open, and the graph's tensor names.

use std::collections::BTreeMap;
use std::path::Path;

use prost::Message;
use taxiway_engine::DEFAULT_SIGNATURE;
use taxiway_engine::proto::{
    MetaGraphDef, SignatureDef, TensorInfo, TensorShapeProto, tensor_info::Encoding, tensor_shape_proto::Dim,
};

use super::model::{FileSignature, FileTensor};

/// LiteRT's key for the graph of a file without signatures.
const NO_SIGNATURE: &str = "<placeholder signature>";

/// The name callers use for a signature of the file.
pub(crate) fn name(signature: &FileSignature) -> &str {
    if signature.key == NO_SIGNATURE || signature.key.is_empty() { DEFAULT_SIGNATURE } else { &signature.key }
}

/// The definition of a signature: the SavedModel's when it is of the same tensors, else made from the file.
pub(crate) fn definition(signature: &FileSignature, saved: Option<&SignatureDef>) -> SignatureDef {
    let saved =
        saved.filter(|saved| is_of(&saved.inputs, &signature.inputs) && is_of(&saved.outputs, &signature.outputs));
    let infos = |tensors: &[FileTensor], saved: Option<&BTreeMap<String, TensorInfo>>| {
        let info = |tensor: &FileTensor| (tensor.name.clone(), info(tensor, saved.and_then(|s| s.get(&tensor.name))));
        tensors.iter().map(info).collect()
    };
    SignatureDef {
        inputs: infos(&signature.inputs, saved.map(|saved| &saved.inputs)),
        outputs: infos(&signature.outputs, saved.map(|saved| &saved.outputs)),
        method_name: saved.map_or_else(|| "tensorflow/serving/predict".to_owned(), |saved| saved.method_name.clone()),
        defaults: saved.map(|saved| saved.defaults.clone()).unwrap_or_default(),
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
    let dim = tensor.extents.iter().enumerate().map(|(index, &extent)| match from_saved {
        // What the file fixes is fixed; what it leaves open, the SavedModel may know.
        Some(shape) if extent < 0 => Dim { size: shape.dim[index].size, name: String::new() },
        _ => Dim { size: extent, name: String::new() },
    });
    TensorInfo {
        encoding: saved.and_then(|info| info.encoding.clone()).or_else(|| Some(Encoding::Name(tensor.name.clone()))),
        dtype: tensor.dtype.number(),
        tensor_shape: Some(TensorShapeProto { dim: dim.collect(), unknown_rank: false }),
    }
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
mod tests {
    use super::*;
    use taxiway_engine::DType;
    use taxiway_engine::fake::definition as saved_definition;

    fn tensor(name: &str, dtype: DType, extents: &[i64]) -> FileTensor {
        FileTensor { name: name.to_owned(), dtype, element: 1, extents: extents.to_vec() }
    }

    fn extents(info: &TensorInfo) -> Vec<i64> {
        info.tensor_shape.as_ref().unwrap().dim.iter().map(|dim| dim.size).collect()
    }

    #[test]
    fn a_saved_model_of_the_same_tensors_fills_in_what_the_file_leaves_open() {
        let file = FileSignature {
            key: "serving_default".to_owned(),
            inputs: vec![tensor("x", DType::Float, &[-1, -1, 3])],
            outputs: vec![tensor("y", DType::Float, &[1, 2])],
        };
        let saved = saved_definition(&[("x", DType::Float, Some(&[-1, 7, 3]))], &[("y", DType::Float, Some(&[-1, 2]))]);
        let both = definition(&file, Some(&saved));
        assert_eq!(extents(&both.inputs["x"]), [-1, 7, 3]);
        assert_eq!(extents(&both.outputs["y"]), [1, 2]);
        assert_eq!(both.inputs["x"].encoding, Some(Encoding::Name("x:0".to_owned())));
    }

    #[test]
    fn a_quantised_file_keeps_its_own_types() {
        let file = FileSignature {
            key: NO_SIGNATURE.to_owned(),
            inputs: vec![tensor("x", DType::Int8, &[-1])],
            outputs: vec![],
        };
        let saved = saved_definition(&[("x", DType::Float, Some(&[-1]))], &[]);
        assert_eq!(definition(&file, Some(&saved)).inputs["x"].dtype, DType::Int8.number());
        assert_eq!(name(&file), DEFAULT_SIGNATURE);
    }
}
