//! Regress: one number for each example.

use taxiway_engine::{DType, Error, Result, Signature, Tensor};

use super::{INPUTS, REGRESS, check_method, show, show_shape};
use crate::execute::Outputs;

const OUTPUTS: &str = "outputs";

/// The output of a signature that regresses.
pub(super) fn outputs(signature: &Signature, strict: bool) -> Result<Outputs> {
    check_method(signature, strict, "regression", REGRESS)?;
    if signature.inputs.len() != 1 {
        return Err(Error::invalid("Expected one input Tensor."));
    }
    if signature.outputs.len() != 1 {
        return Err(Error::invalid("Expected one output Tensor."));
    }
    for (ports, name, kind) in [(&signature.inputs, INPUTS, "inputs"), (&signature.outputs, OUTPUTS, "outputs")] {
        if ports[0].name != name {
            return Err(Error::invalid(format!("No regression {kind} found in SignatureDef: {}", show(signature))));
        }
    }
    Ok([0].into_iter().collect())
}

/// The number for each of `rows` examples.
///
/// # Errors
/// `InvalidArgument` in TensorFlow Serving's words when type or shape are not those of one number a row.
pub(crate) fn regressions(tensors: &[Tensor], rows: usize) -> Result<Vec<f32>> {
    let output = tensors.first().ok_or_else(|| Error::internal("a regression without an output"))?;
    let batch = match *output.shape() {
        [batch] | [batch, 1] => batch,
        _ => {
            return Err(Error::invalid(format!(
                "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got {}",
                show_shape(output)
            )));
        }
    };
    if batch != rows {
        let message = format!("Input batch size did not match output batch size: {rows} vs. {batch}");
        return Err(Error::invalid(message));
    }
    let values = output.values::<f32>().ok_or_else(|| {
        let (expected, got) = (DType::Float.proto_name(), output.dtype().proto_name());
        Error::invalid(format!("Expected output Tensor of {expected}.  Got: {got}"))
    })?;
    Ok(values.into_owned())
}
