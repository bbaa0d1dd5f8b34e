//! Status and metadata in protobuf's JSON, as TensorFlow Serving prints it: every field, its own name, numbers of 64
//! bits as strings, one space an indent.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use taxiway_engine::proto::{DataType, SignatureDef, TensorInfo, TensorProto, TensorShapeProto, tensor_info::Encoding};
use taxiway_engine::{ErrorKind, Result};

use crate::loaded::Loaded;
use crate::table::{State, VersionStatus};

/// Prints a message.
pub(crate) fn print(message: &impl Serialize) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(512);
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b" ");
    let printed = message.serialize(&mut serde_json::Serializer::with_formatter(&mut out, formatter));
    printed.map_err(|error| taxiway_engine::Error::internal(format!("an answer does not print: {error}")))?;
    out.push(b'\n');
    Ok(out)
}

#[derive(Serialize)]
struct StatusAnswer<'a> {
    model_version_status: Vec<StatusItem<'a>>,
}

#[derive(Serialize)]
struct StatusItem<'a> {
    version: Number,
    state: State,
    status: StatusProto<'a>,
}

#[derive(Serialize)]
struct StatusProto<'a> {
    error_code: &'static str,
    error_message: &'a str,
}

/// The answer to a question for status.
pub(crate) fn status(versions: &[&VersionStatus]) -> Result<Vec<u8>> {
    let items = versions.iter().map(|status| StatusItem {
        version: Number(status.version),
        state: status.state,
        status: StatusProto {
            error_code: ErrorKind::from_code(status.error_code).map_or("OK", ErrorKind::name),
            error_message: &status.error_message,
        },
    });
    print(&StatusAnswer { model_version_status: items.collect() })
}

#[derive(Serialize)]
struct MetadataAnswer<'a> {
    model_spec: ModelSpec<'a>,
    metadata: Metadata<'a>,
}

#[derive(Serialize)]
struct ModelSpec<'a> {
    name: &'a str,
    signature_name: &'static str,
    version: Number,
}

#[derive(Serialize)]
struct Metadata<'a> {
    signature_def: SignatureDefMap<'a>,
}

#[derive(Serialize)]
struct SignatureDefMap<'a> {
    signature_def: BTreeMap<&'a str, Definition<'a>>,
}

#[derive(Serialize)]
struct Definition<'a> {
    inputs: BTreeMap<&'a str, Info<'a>>,
    outputs: BTreeMap<&'a str, Info<'a>>,
    method_name: &'a str,
    defaults: BTreeMap<&'a str, Values>,
}

#[derive(Serialize)]
struct Info<'a> {
    dtype: String,
    tensor_shape: Shape,
    #[serde(flatten)]
    encoding: Option<Place<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Place<'a> {
    Name(&'a str),
    CooSparse { values_tensor_name: &'a str, indices_tensor_name: &'a str, dense_shape_tensor_name: &'a str },
}

#[derive(Serialize)]
struct Shape {
    dim: Vec<Dim>,
    unknown_rank: bool,
}

#[derive(Serialize)]
struct Dim {
    size: Number,
    name: String,
}

/// What is shown of a default: its type and shape. Its values are for the graph, and may be large.
#[derive(Serialize)]
struct Values {
    dtype: String,
    tensor_shape: Shape,
}

/// A number of 64 bits.
struct Number(i64);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// The answer to a question for metadata.
pub(crate) fn metadata(loaded: &Loaded) -> Result<Vec<u8>> {
    let definitions = loaded.engine.signatures().definitions();
    let signature_def = definitions.iter().map(|(name, definition)| (name.as_str(), describe(definition))).collect();
    print(&MetadataAnswer {
        model_spec: ModelSpec { name: &loaded.name, signature_name: "", version: Number(loaded.version) },
        metadata: Metadata { signature_def: SignatureDefMap { signature_def } },
    })
}

fn describe(definition: &SignatureDef) -> Definition<'_> {
    Definition {
        inputs: definition.inputs.iter().map(|(alias, tensor)| (alias.as_str(), info(tensor))).collect(),
        outputs: definition.outputs.iter().map(|(alias, tensor)| (alias.as_str(), info(tensor))).collect(),
        method_name: &definition.method_name,
        defaults: definition.defaults.iter().map(|(alias, tensor)| (alias.as_str(), values(tensor))).collect(),
    }
}

fn info(info: &TensorInfo) -> Info<'_> {
    let encoding = info.encoding.as_ref().map(|encoding| match encoding {
        Encoding::Name(name) => Place::Name(name),
        Encoding::CooSparse(sparse) => Place::CooSparse {
            values_tensor_name: &sparse.values_tensor_name,
            indices_tensor_name: &sparse.indices_tensor_name,
            dense_shape_tensor_name: &sparse.dense_shape_tensor_name,
        },
    });
    Info { dtype: dtype(info.dtype), tensor_shape: shape(info.tensor_shape.as_ref()), encoding }
}

fn values(tensor: &TensorProto) -> Values {
    Values { dtype: dtype(tensor.dtype), tensor_shape: shape(tensor.tensor_shape.as_ref()) }
}

fn dtype(number: i32) -> String {
    DataType::try_from(number).map_or_else(|_| number.to_string(), |dtype| dtype.as_str_name().to_owned())
}

fn shape(shape: Option<&TensorShapeProto>) -> Shape {
    let dims = shape.map(|shape| shape.dim.as_slice()).unwrap_or_default();
    Shape {
        dim: dims.iter().map(|dim| Dim { size: Number(dim.size), name: dim.name.clone() }).collect(),
        unknown_rank: shape.is_some_and(|shape| shape.unknown_rank),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // tfs: status-body
    #[test]
    fn status_is_printed_as_protobuf_does() {
        let status = |version, state, error_code, error_message: &str| VersionStatus {
            version,
            state,
            error_code,
            error_message: error_message.to_owned(),
        };
        let (new, old) = (status(2, State::Available, 0, ""), status(1, State::End, 5, "gone \"away\""));
        let printed = String::from_utf8(super::status(&[&new, &old]).unwrap()).unwrap();
        let expected = r#"{
 "model_version_status": [
  {
   "version": "2",
   "state": "AVAILABLE",
   "status": {
    "error_code": "OK",
    "error_message": ""
   }
  },
  {
   "version": "1",
   "state": "END",
   "status": {
    "error_code": "NOT_FOUND",
    "error_message": "gone \"away\""
   }
  }
 ]
}
"#;
        assert_eq!(printed, expected);
    }
}
