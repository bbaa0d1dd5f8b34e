//! Classify: for each example its classes, each a label or a score or both.

use smallvec::SmallVec;
use taxiway_engine::{DType, Error, Result, Signature, Strings, Tensor};

use super::{CLASSIFY, INPUTS, Plan, check_method, show, show_shape};
use crate::execute::Outputs;
use crate::proto::{Class, ClassificationResult, Classifications};

const CLASSES: &str = "classes";
const SCORES: &str = "scores";

/// The outputs of a signature that classifies.
pub(super) fn outputs(signature: &Signature, strict: bool) -> Result<Outputs> {
    check_method(signature, strict, "classification", CLASSIFY)?;
    if signature.inputs.len() != 1 {
        return Err(Error::invalid("Expected one input Tensor."));
    }
    if !(1..=2).contains(&signature.outputs.len()) {
        return Err(Error::invalid(format!("Expected one or two output Tensors, found {}", signature.outputs.len())));
    }
    if signature.inputs[0].name != INPUTS {
        return Err(Error::invalid(format!("No classification inputs found in SignatureDef: {}", show(signature))));
    }
    let position = |name| signature.outputs.iter().position(|port| port.name == name);
    let outputs: Outputs = [position(CLASSES), position(SCORES)].into_iter().flatten().collect();
    if outputs.is_empty() {
        return Err(Error::invalid(format!(
            "Expected classification signature outputs to contain at least one of \"classes\" or \"scores\". \
             Signature was: {}",
            show(signature)
        )));
    }
    Ok(outputs)
}

/// The classes of every example of a request.
#[derive(Debug, PartialEq)]
pub(crate) struct Classes {
    rows: usize,
    width: usize,
    labels: Option<Strings>,
    scores: Option<Vec<f32>>,
}

impl Classes {
    /// Reads what a run of `plan` gave for `rows` examples.
    ///
    /// # Errors
    /// `InvalidArgument` in TensorFlow Serving's words when types or shapes are not those of classes.
    pub(crate) fn read(plan: &Plan, tensors: &[Tensor], rows: usize) -> Result<Classes> {
        let named = |name: &str| {
            let place = plan.outputs.iter().position(|&output| plan.signature.outputs[output].name == name);
            place.and_then(|place| tensors.get(place))
        };
        let (labels, scores) = (named(CLASSES), named(SCORES));
        let widths: SmallVec<[usize; 2]> = [(labels, CLASSES, DType::String), (scores, SCORES, DType::Float)]
            .into_iter()
            .filter_map(|(tensor, name, dtype)| tensor.map(|tensor| width(tensor, name, dtype, rows)))
            .collect::<Result<_>>()?;
        if let [a, b] = widths[..]
            && a != b
        {
            let message = format!("Tensors class and score should match in dim_size(1). Got {a} vs. {b}");
            return Err(Error::invalid(message));
        }
        Ok(Classes {
            rows,
            width: widths.first().copied().unwrap_or(0),
            labels: labels.and_then(Tensor::strings).cloned(),
            scores: scores.and_then(Tensor::values::<f32>).map(std::borrow::Cow::into_owned),
        })
    }

    /// For each example its classes: label (empty when there are none) and score (0 likewise).
    pub(crate) fn examples(&self) -> impl Iterator<Item = impl Iterator<Item = (&[u8], f32)>> {
        (0..self.rows).map(move |row| {
            (row * self.width..(row + 1) * self.width).map(|place| {
                let label = self.labels.as_ref().map_or(&[][..], |labels| labels.get(place));
                (label, self.scores.as_ref().map_or(0.0, |scores| scores[place]))
            })
        })
    }

    /// The message of an answer. Labels that are not UTF-8 have the wrong bytes replaced.
    pub(crate) fn to_proto(&self) -> ClassificationResult {
        let class = |(label, score)| Class { label: String::from_utf8_lossy(label).into_owned(), score };
        let classifications =
            self.examples().map(|classes| Classifications { classes: classes.map(class).collect() }).collect();
        ClassificationResult { classifications }
    }
}

/// The number of classes in an output, once its type and shape are right.
fn width(tensor: &Tensor, name: &str, dtype: DType, rows: usize) -> Result<usize> {
    let &[batch, width] = tensor.shape() else {
        let shape = show_shape(tensor);
        return Err(Error::invalid(format!("Expected Tensor shape: [batch_size num_classes] but got {shape}")));
    };
    if tensor.dtype() != dtype {
        let (expected, got) = (dtype.proto_name(), tensor.dtype().proto_name());
        return Err(Error::invalid(format!("Expected {name} Tensor of {expected}. Got: {got}")));
    }
    if batch != rows {
        return Err(Error::invalid(format!("Expected {name} output batch size of {rows}. Got: {batch}")));
    }
    Ok(width)
}
