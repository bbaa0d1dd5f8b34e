//! Signatures: the named ways to call a graph.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::proto::{SignatureDef, TensorInfo, tensor_info::Encoding};
use crate::{DType, Error, ErrorKind, Result, Tensor};

/// The signature a request means when it names none.
pub const DEFAULT_SIGNATURE: &str = "serving_default";

/// One named way to call a graph.
#[derive(Debug, Clone, PartialEq)]
pub struct Signature {
    /// Its key in the SavedModel: `serving_default`.
    pub name: String,
    /// TensorFlow's method name: `tensorflow/serving/predict`.
    pub method_name: String,
    /// What it takes, ordered by alias. [`crate::Call::inputs`] follows this order.
    pub inputs: Vec<Port>,
    /// What it gives, ordered by alias. [`crate::Call::outputs`] are indices into it.
    pub outputs: Vec<Port>,
}

/// One input or output of a signature.
#[derive(Debug, Clone, PartialEq)]
pub struct Port {
    /// The name callers use (the alias).
    pub name: String,
    /// The tensor's name in the graph: `serving_default_x:0`.
    pub tensor: String,
    /// The element type.
    pub dtype: DType,
    /// What is known of the shape.
    pub shape: SpecShape,
    /// What stands in for an input that a caller leaves out.
    pub default: Option<Tensor>,
}

/// What a signature says of a shape: nothing (unknown rank), or each extent, `None` where any will do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecShape(pub Option<Vec<Option<usize>>>);

impl SpecShape {
    /// The rank; `None` when unknown.
    pub fn rank(&self) -> Option<usize> {
        self.0.as_ref().map(Vec::len)
    }

    /// Whether a tensor of this shape fits.
    pub fn accepts(&self, shape: &[usize]) -> bool {
        let Some(extents) = &self.0 else { return true };
        extents.len() == shape.len()
            && extents.iter().zip(shape).all(|(spec, &extent)| spec.is_none_or(|s| s == extent))
    }

    /// Whether every tensor that fits `other` fits this.
    pub fn covers(&self, other: &SpecShape) -> bool {
        match (&self.0, &other.0) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(own), Some(other)) => {
                own.len() == other.len() && own.iter().zip(other).all(|(own, other)| own.is_none() || own == other)
            }
        }
    }
}

impl Signature {
    /// Reads a definition.
    ///
    /// # Errors
    /// `Unimplemented` when a tensor is of a type, or an encoding (sparse, composite), that cannot cross the wire.
    pub fn from_proto(name: &str, definition: &SignatureDef) -> Result<Signature> {
        let mut inputs = ports(name, &definition.inputs)?;
        for port in &mut inputs {
            let default = definition.defaults.get(&port.name);
            port.default = default.map(|proto| Tensor::from_proto(proto, usize::MAX)).transpose()?;
        }
        Ok(Signature {
            name: name.to_owned(),
            method_name: definition.method_name.clone(),
            inputs,
            outputs: ports(name, &definition.outputs)?,
        })
    }

    /// Whether callers may ask it: TensorFlow keeps signatures of its own, which initialise and train.
    pub fn is_for_callers(&self) -> bool {
        !self.name.starts_with("__")
    }

    /// Why a call of this signature cannot be handed as it is to `other`, another engine's; `None` when it can: names
    /// and types are the same, and `other` takes no fewer shapes.
    pub fn unlike(&self, other: &Signature) -> Option<String> {
        let names = |ports: &[Port]| ports.iter().map(|port| (port.name.clone(), port.dtype)).collect::<Vec<_>>();
        if names(&self.inputs) != names(&other.inputs) {
            return Some("its inputs are others".to_owned());
        }
        if names(&self.outputs) != names(&other.outputs) {
            return Some("its outputs are others".to_owned());
        }
        let mut pairs = self.inputs.iter().zip(&other.inputs);
        let narrower = pairs.find(|(own, other)| !other.shape.covers(&own.shape));
        narrower.map(|(own, _)| format!("its input \"{}\" takes other shapes", own.name))
    }
}

fn ports(signature: &str, infos: &BTreeMap<String, TensorInfo>) -> Result<Vec<Port>> {
    infos.iter().map(|(name, info)| port(signature, name, info)).collect()
}

fn port(signature: &str, name: &str, info: &TensorInfo) -> Result<Port> {
    let refuse = |what: &str| {
        Error::new(
            ErrorKind::Unimplemented,
            format!(
                "signature \"{signature}\" cannot be called: tensor \"{name}\" {what}, which cannot cross the wire"
            ),
        )
    };
    let Some(Encoding::Name(tensor)) = &info.encoding else {
        return Err(refuse("is sparse or composite"));
    };
    let dtype = DType::from_number(value_type(info.dtype))
        .ok_or_else(|| refuse(&format!("has element type number {}", info.dtype)))?;
    Ok(Port { name: name.to_owned(), tensor: tensor.clone(), dtype, shape: spec_shape(info), default: None })
}

/// The type of the values of a tensor that is declared as a reference, as variables of TensorFlow 1 are: every type has a
/// reference type, whose number is 100 more. What is fed and fetched are values.
fn value_type(number: i32) -> i32 {
    match number {
        101..200 => number - 100,
        _ => number,
    }
}

fn spec_shape(info: &TensorInfo) -> SpecShape {
    match &info.tensor_shape {
        Some(shape) if !shape.unknown_rank => {
            SpecShape(Some(shape.dim.iter().map(|dim| usize::try_from(dim.size).ok()).collect()))
        }
        _ => SpecShape(None),
    }
}

/// All signatures of a loaded version: their definitions, as metadata shows them, and those that can be called.
#[derive(Debug, Clone, Default)]
pub struct Signatures {
    definitions: BTreeMap<String, SignatureDef>,
    callable: BTreeMap<String, Result<Arc<Signature>>>,
}

impl Signatures {
    /// Reads every definition. One that cannot be called stays listed, and says why when it is asked for.
    pub fn new(definitions: BTreeMap<String, SignatureDef>) -> Signatures {
        let callable = definitions
            .iter()
            .map(|(name, definition)| (name.clone(), Signature::from_proto(name, definition).map(Arc::new)))
            .collect();
        Signatures { definitions, callable }
    }

    /// The definitions by name.
    pub fn definitions(&self) -> &BTreeMap<String, SignatureDef> {
        &self.definitions
    }

    /// The signatures that can be called, ordered by name.
    pub fn callable(&self) -> impl Iterator<Item = &Arc<Signature>> {
        self.callable.values().filter_map(|signature| signature.as_ref().ok())
    }

    /// The signature of this name, `None` when there is none.
    ///
    /// # Errors
    /// Inside the option: why a signature that exists cannot be called.
    pub fn get(&self, name: &str) -> Option<Result<&Arc<Signature>, &Error>> {
        self.callable.get(name).map(Result::as_ref)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::{TensorShapeProto, tensor_shape_proto::Dim};

    #[test]
    fn a_signature_stands_in_for_another_when_it_takes_all_that_the_other_takes() {
        let of = |input: &str, dtype: i32, dims: &[i64]| {
            let inputs = [(input.to_owned(), info(dtype, dims))].into();
            let outputs = [("y".to_owned(), info(1, &[-1]))].into();
            Signature::from_proto("s", &SignatureDef { inputs, outputs, ..SignatureDef::default() }).unwrap()
        };
        let own = of("x", 1, &[-1, 3]);
        assert_eq!(own.unlike(&of("x", 1, &[-1, 3])), None);
        assert_eq!(of("x", 1, &[4, 3]).unlike(&own), None);
        let mut any = own.clone();
        any.inputs[0].shape = SpecShape(None);
        assert_eq!(own.unlike(&any), None);
        assert!(any.unlike(&own).is_some());
        for other in [of("z", 1, &[-1, 3]), of("x", 3, &[-1, 3])] {
            assert_eq!(own.unlike(&other).unwrap(), "its inputs are others");
        }
        for other in [of("x", 1, &[1, 3]), of("x", 1, &[-1])] {
            assert_eq!(own.unlike(&other).unwrap(), "its input \"x\" takes other shapes");
        }
        let mut more = own.clone();
        more.outputs.clear();
        assert_eq!(own.unlike(&more).unwrap(), "its outputs are others");
    }

    fn info(dtype: i32, dims: &[i64]) -> TensorInfo {
        let dim = dims.iter().map(|&size| Dim { size, name: String::new() }).collect();
        TensorInfo {
            encoding: Some(Encoding::Name("x:0".into())),
            dtype,
            tensor_shape: Some(TensorShapeProto { dim, unknown_rank: false }),
        }
    }

    fn definition(inputs: &[(&str, TensorInfo)]) -> SignatureDef {
        let inputs = inputs.iter().map(|(name, info)| ((*name).to_owned(), info.clone())).collect();
        SignatureDef { inputs, ..SignatureDef::default() }
    }

    #[test]
    fn inputs_are_ordered_by_alias() {
        let definition = definition(&[("b", info(1, &[-1, 2])), ("a", info(9, &[]))]);
        let signature = Signature::from_proto("f", &definition).unwrap();
        assert_eq!(signature.inputs.iter().map(|port| port.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(signature.inputs[1].shape, SpecShape(Some(vec![None, Some(2)])));
        assert!(signature.inputs[1].shape.accepts(&[7, 2]));
        assert!(!signature.inputs[1].shape.accepts(&[7, 3]));
        assert!(!signature.inputs[0].shape.accepts(&[1]));
    }

    #[test]
    fn a_reference_is_called_by_its_values() {
        let signature = Signature::from_proto("f", &definition(&[("x", info(101, &[]))])).unwrap();
        assert_eq!(signature.inputs[0].dtype, DType::Float);
        let resource = Signature::from_proto("f", &definition(&[("x", info(120, &[]))])).unwrap_err();
        assert!(resource.message.contains("element type number 120"), "{resource}");
    }

    #[test]
    fn one_signature_that_cannot_be_called_does_not_hide_the_others() {
        let definitions =
            [("good", definition(&[("x", info(1, &[]))])), ("resource", definition(&[("x", info(20, &[]))]))];
        let signatures = Signatures::new(definitions.map(|(name, definition)| (name.to_owned(), definition)).into());
        assert_eq!(signatures.definitions().len(), 2);
        assert!(signatures.get("good").unwrap().is_ok());
        assert_eq!(signatures.get("resource").unwrap().unwrap_err().kind, ErrorKind::Unimplemented);
        assert!(signatures.get("absent").is_none());
    }
}
