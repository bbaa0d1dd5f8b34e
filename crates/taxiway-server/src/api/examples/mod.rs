//! Classify, Regress and MultiInference: the APIs that take `tf.Example`s.
//!
//! Each checks a signature before the run ([`Plan`]) and reads its outputs after it. The one input gets a vector of
//! serialised examples whatever type the signature declares, as in TensorFlow Serving.

mod classify;
mod multi;
mod regress;
#[cfg(test)]
mod tests;

use std::fmt::Write;
use std::sync::Arc;

use prost::Message;
use taxiway_engine::{DEFAULT_SIGNATURE, Engine, Error, Result, Signature, Strings, StringsBuilder, Tensor};

use crate::execute::Outputs;
use crate::proto::{Input, input};

pub(crate) use classify::Classes;
pub(crate) use multi::{Task, check_tasks};
pub(crate) use regress::regressions;

/// TensorFlow's name for signatures that classify.
pub(crate) const CLASSIFY: &str = "tensorflow/serving/classify";
/// TensorFlow's name for signatures that regress.
pub(crate) const REGRESS: &str = "tensorflow/serving/regress";

/// The name of the one input.
const INPUTS: &str = "inputs";

/// What is asked of examples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Classify,
    Regress,
}

/// A signature found fit for a method, and the outputs to run.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) method: Method,
    pub(crate) signature: Arc<Signature>,
    pub(crate) outputs: Outputs,
}

impl Plan {
    /// The plan for the signature a request names (empty: the default one). `strict` insists on its method name.
    ///
    /// # Errors
    /// `InvalidArgument` in TensorFlow Serving's words when there is none or it does not fit.
    pub(crate) fn new(engine: &dyn Engine, method: Method, name: &str, strict: bool) -> Result<Plan> {
        let name = if name.is_empty() { DEFAULT_SIGNATURE } else { name };
        let found = engine.signatures().get(name);
        let found = found.ok_or_else(|| Error::invalid(format!("No signature was found with the name: {name}")))?;
        let signature = Arc::clone(found.map_err(Clone::clone)?);
        let outputs = match method {
            Method::Classify => classify::outputs(&signature, strict)?,
            Method::Regress => regress::outputs(&signature, strict)?,
        };
        Ok(Plan { method, signature, outputs })
    }

    /// What the engine is run with.
    ///
    /// # Errors
    /// None that a list of strings can cause.
    pub(crate) fn inputs(&self, examples: Strings) -> Result<Vec<Tensor>> {
        Ok(vec![Tensor::from_strings([examples.len()], examples)?])
    }
}

/// The serialised examples of a request, each behind the context that they share.
///
/// # Errors
/// `InvalidArgument` when there is none.
pub(crate) fn serialised(input: Option<&Input>) -> Result<Strings> {
    let (context, examples) = match input.and_then(|input| input.kind.as_ref()) {
        Some(input::Kind::ExampleList(list)) => (None, &list.examples[..]),
        Some(input::Kind::ExampleListWithContext(list)) => (list.context.as_ref(), &list.examples[..]),
        None => (None, &[][..]),
    };
    if examples.is_empty() {
        return Err(Error::invalid("Input is empty."));
    }
    let context = context.map(Message::encode_to_vec).unwrap_or_default();
    let mut strings = StringsBuilder::default();
    for example in examples {
        // Two messages one after the other are one in which the later value of a feature wins.
        let written = strings.push_with(|out| {
            out.extend_from_slice(&context);
            example.encode(out)
        });
        written.map_err(|error| Error::internal(format!("an example could not be written: {error}")))?;
    }
    Ok(strings.finish())
}

/// Insists on a method name when asked to.
fn check_method(signature: &Signature, strict: bool, kind: &str, expected: &str) -> Result<()> {
    if strict && signature.method_name != expected {
        return Err(Error::invalid(format!(
            "Expected {kind} signature method_name to be {expected}. Was: {}",
            signature.method_name
        )));
    }
    Ok(())
}

/// A signature for messages: the names and types of what goes in and comes out.
fn show(signature: &Signature) -> String {
    let mut text = String::new();
    for (kind, ports) in [("inputs", &signature.inputs), ("outputs", &signature.outputs)] {
        for port in ports {
            let written = write!(text, "{kind} {{ key: \"{}\" dtype: {} }} ", port.name, port.dtype.proto_name());
            debug_assert!(written.is_ok(), "writing to a string cannot fail");
        }
    }
    text + &format!("method_name: \"{}\"", signature.method_name)
}

/// A shape as TensorFlow prints it.
fn show_shape(tensor: &Tensor) -> String {
    let extents: Vec<String> = tensor.shape().iter().map(usize::to_string).collect();
    format!("[{}]", extents.join(","))
}
