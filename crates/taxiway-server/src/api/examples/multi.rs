//! MultiInference: several classifications and regressions of the same examples by one version.

use taxiway_engine::{Engine, Error, ErrorKind, Result, Tensor};

use super::{CLASSIFY, Classes, Method, Plan, REGRESS, regressions};
use crate::proto::inference_result::Result as Outcome;
use crate::proto::{InferenceTask, ModelSpec, Regression, RegressionResult};

/// One task of a request, ready to run.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) plan: Plan,
}

/// What a task gave.
pub(crate) type Answer = Outcome;

/// Checks what tasks must have in common, before any version is looked for. Returns the spec that picks the version:
/// the first one's.
///
/// # Errors
/// `InvalidArgument` when there is no task, a name is missing, names differ, or a signature is asked for twice.
pub(crate) fn check_tasks(tasks: &[InferenceTask]) -> Result<&ModelSpec> {
    let specs = || tasks.iter().map(|task| task.model_spec.as_ref());
    let first = specs().next().ok_or_else(|| Error::invalid("Inference request must have at least one task."))?;
    let mut seen = Vec::with_capacity(tasks.len());
    for spec in specs() {
        let Some(spec) = spec.filter(|spec| !spec.name.is_empty()) else {
            return Err(Error::invalid("Found ModelSpec with an empty model name."));
        };
        if first.is_some_and(|first| first.name != spec.name) {
            return Err(Error::invalid("All ModelSpecs in a MultiInferenceRequest must access the same model name."));
        }
        if seen.contains(&&spec.signature_name) {
            return Err(Error::invalid(format!("Duplicate evaluation of signature: {}", spec.signature_name)));
        }
        seen.push(&spec.signature_name);
    }
    first.ok_or_else(|| Error::invalid("Found ModelSpec with an empty model name."))
}

impl Task {
    /// Plans one task.
    ///
    /// # Errors
    /// `InvalidArgument` when there is no such signature or it does not fit, `Unimplemented` for another method.
    pub(crate) fn new(engine: &dyn Engine, task: &InferenceTask, strict: bool) -> Result<Task> {
        let name = task.model_spec.as_ref().map_or("", |spec| spec.signature_name.as_str());
        let method = match task.method_name.as_str() {
            CLASSIFY => Method::Classify,
            REGRESS => Method::Regress,
            other => {
                let message = format!("Unsupported signature method_name: {other}");
                return Err(Error::new(ErrorKind::Unimplemented, message));
            }
        };
        let named = if name.is_empty() { taxiway_engine::DEFAULT_SIGNATURE } else { name };
        if engine.signatures().get(named).is_none() {
            return Err(Error::invalid(format!("Requested signature not found in model graph: {named}")));
        }
        Ok(Task { plan: Plan::new(engine, method, name, strict)? })
    }

    /// Reads what the run gave for `rows` examples.
    ///
    /// # Errors
    /// As for the method on its own.
    pub(crate) fn read(&self, tensors: &[Tensor], rows: usize) -> Result<Answer> {
        Ok(match self.plan.method {
            Method::Classify => Outcome::ClassificationResult(Classes::read(&self.plan, tensors, rows)?.to_proto()),
            Method::Regress => {
                let regressions = regressions(tensors, rows)?.into_iter().map(|value| Regression { value }).collect();
                Outcome::RegressionResult(RegressionResult { regressions })
            }
        })
    }
}
