//! Predict: named tensors in, named tensors out.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;

use smallvec::SmallVec;
use taxiway_engine::proto::TensorProto;
use taxiway_engine::{DEFAULT_SIGNATURE, Engine, Error, ErrorKind, Port, Result, Signature, Tensor, WireForm};

use super::examples::{CLASSIFY, REGRESS};
use crate::execute::Outputs;
use crate::proto::{ModelSpec, PredictRequest};

/// The signature that a request over gRPC names; empty is the default one.
///
/// # Errors
/// `FailedPrecondition` when there is none, in TensorFlow Serving's words, which differ from those over REST.
pub(crate) fn signature<'a>(engine: &'a dyn Engine, name: &str) -> Result<&'a Arc<Signature>> {
    let name = or_default(name);
    find(engine, name).unwrap_or_else(|| {
        let message = format!("Serving signature key \"{name}\" not found.");
        Err(Error::new(ErrorKind::FailedPrecondition, message))
    })
}

/// The signature that a request over REST names; `None` or empty is the default one.
///
/// # Errors
/// `InvalidArgument` when there is none.
pub(crate) fn rest_signature<'a>(engine: &'a dyn Engine, name: Option<&str>) -> Result<&'a Arc<Signature>> {
    let name = or_default(name.unwrap_or_default());
    find(engine, name).unwrap_or_else(|| {
        Err(Error::invalid(format!("Serving signature name: \"{name}\" not found in signature def")))
    })
}

fn or_default(name: &str) -> &str {
    if name.is_empty() { DEFAULT_SIGNATURE } else { name }
}

fn find<'a>(engine: &'a dyn Engine, name: &str) -> Option<Result<&'a Arc<Signature>>> {
    let found = engine.signatures().get(name)?;
    Some(found.map_err(Clone::clone))
}

/// The method names a signature may have to be Predicted when names are insisted on.
const METHODS: [&str; 3] = [PREDICT, CLASSIFY, REGRESS];
/// TensorFlow's name for signatures that predict.
const PREDICT: &str = "tensorflow/serving/predict";

/// Insists on a method name when `strict`.
///
/// # Errors
/// `Internal`, as TensorFlow Serving has it, when the signature declares another.
pub(crate) fn check_method(signature: &Signature, strict: bool) -> Result<()> {
    if strict && !METHODS.contains(&signature.method_name.as_str()) {
        return Err(Error::internal(format!(
            "Expected prediction signature method_name to be one of {{{}}}. Was: {}",
            METHODS.join(", "),
            signature.method_name
        )));
    }
    Ok(())
}

/// The tensors of a request in the order of the signature's inputs, its defaults where the request has none.
///
/// # Errors
/// TensorFlow Serving's: `InvalidArgument` when names, types or the tensors themselves are wrong.
pub(crate) fn named_inputs(
    signature: &Signature,
    sent: &BTreeMap<String, TensorProto>,
    max_tensor_bytes: usize,
) -> Result<Vec<Tensor>> {
    // With a default anywhere fewer are looked for one by one, which has other texts.
    let may_be_fewer = signature.inputs.iter().any(|port| port.default.is_some());
    if sent.len() > signature.inputs.len() || (sent.len() < signature.inputs.len() && !may_be_fewer) {
        return Err(wrong_count(signature, sent));
    }
    let mut tensors = Vec::with_capacity(signature.inputs.len());
    for (index, port) in signature.inputs.iter().enumerate() {
        let tensor = match (sent.get(&port.name), &port.default) {
            (Some(proto), _) => Tensor::from_proto(proto, max_tensor_bytes)
                .map_err(|_| Error::invalid(format!("tensor parsing error: {}", port.name)))?,
            (None, Some(default)) => default.clone(),
            (None, None) => return Err(missing(signature, sent, port)),
        };
        if tensor.dtype() != port.dtype {
            let (expected, provided) = (port.dtype.name(), tensor.dtype().name());
            return Err(Error::invalid(format!("Expects arg[{index}] to be {expected} but {provided} is provided")));
        }
        tensors.push(tensor);
    }
    let used = || sent.keys().filter(|name| signature.inputs.iter().any(|port| port.name == **name));
    match used().count() == sent.len() {
        true => Ok(tensors),
        false => Err(Error::invalid(format!(
            "Inputs contains invalid name. Used request inputs: {}, request input: {}",
            list(used()),
            list(sent.keys())
        ))),
    }
}

/// The message of a request that came in another form, as logs have it.
pub(crate) fn request(model: &str, signature: &Signature, inputs: &[Tensor]) -> PredictRequest {
    let spec = ModelSpec { name: model.to_owned(), signature_name: signature.name.to_string(), ..ModelSpec::default() };
    let ports = signature.inputs.iter().zip(inputs);
    let inputs = ports.map(|(port, tensor)| (port.name.to_string(), tensor.to_proto(WireForm::Content))).collect();
    PredictRequest { model_spec: Some(spec), inputs, output_filter: Vec::new() }
}

fn wrong_count(signature: &Signature, sent: &BTreeMap<String, TensorProto>) -> Error {
    let wanted = || signature.inputs.iter().map(|port| &port.name);
    let extra = sent.keys().filter(|name| wanted().all(|wanted| wanted != *name));
    let missing = wanted().filter(|name| !sent.contains_key(*name));
    Error::invalid(format!(
        "input size does not match signature: {}!={} len({{{}}}) != len({{{}}}). Sent extra: {{{}}}. \
         Missing but required: {{{}}}.",
        sent.len(),
        signature.inputs.len(),
        list(sent.keys()),
        list(wanted()),
        list(extra),
        list(missing)
    ))
}

fn missing(signature: &Signature, sent: &BTreeMap<String, TensorProto>, port: &Port) -> Error {
    let (alias, tensor, names) = (&port.name, &port.tensor, list(sent.keys()));
    let defaults = list(signature.inputs.iter().filter(|port| port.default.is_some()).map(|port| &port.name));
    Error::invalid(format!(
        "Signature input alias: {alias}(feed name: {tensor}) not found in request and no default value provided. \
         Inputs expected to be in the request {{{names}}}, or default input alias set: {defaults}"
    ))
}

fn list(names: impl Iterator<Item = impl Display>) -> String {
    names.map(|name| name.to_string()).collect::<Vec<_>>().join(",")
}

/// Every output of a signature.
pub(crate) fn all_outputs(signature: &Signature) -> Outputs {
    (0..signature.outputs.len()).collect()
}

/// The outputs that a request asks for by name, all when it names none.
///
/// # Errors
/// `InvalidArgument` when a name is unknown or repeated.
pub(crate) fn filtered_outputs(signature: &Signature, names: &[String]) -> Result<Outputs> {
    if names.is_empty() {
        return Ok(all_outputs(signature));
    }
    let mut outputs = SmallVec::new();
    for name in names {
        let Some(index) = signature.outputs.iter().position(|port| port.name == *name) else {
            let known = list(signature.outputs.iter().map(|port| &port.name));
            return Err(Error::invalid(format!(
                "output tensor alias not found in signature: {name} Outputs expected to be in the set {{{known}}}."
            )));
        };
        if outputs.contains(&index) {
            return Err(Error::invalid(format!("duplicate output tensor alias: {name}")));
        }
        outputs.push(index);
    }
    Ok(outputs)
}
