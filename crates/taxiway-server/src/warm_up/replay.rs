//! Running one logged request. The model and the version it names are ignored, its signature is not.

use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use taxiway_engine::{Call, Engine, Error, Result, Signature, Tensor};

use crate::api::examples::{Classes, Method, Plan, Task, regressions, serialised};
use crate::api::predict;
use crate::batch::{Batcher, Request};
use crate::execute::{guarded, guarded_together};
use crate::proto::prediction_log::LogType;
use crate::proto::{Input, ModelSpec, MultiInferenceRequest, PredictRequest};

/// What a request is run on, as it will be when the version serves: an engine, or batches for one.
#[derive(Clone, Copy)]
pub(super) struct Runner<'a> {
    pub(super) engine: &'a dyn Engine,
    pub(super) batcher: Option<&'a Batcher>,
}

impl Runner<'_> {
    fn run(&self, signature: &Arc<Signature>, inputs: Vec<Tensor>, outputs: &[usize]) -> Result<Vec<Tensor>> {
        let Some(batcher) = self.batcher else {
            return guarded(self.engine, &Call { signature, inputs: &inputs, outputs, timeout: None });
        };
        let (send, answer) = mpsc::sync_channel(1);
        let request = Request { signature: Arc::clone(signature), inputs, outputs: outputs.to_vec(), deadline: None };
        batcher.submit(request, Box::new(move |outputs| drop(send.send(outputs))));
        answer.recv().unwrap_or_else(|_| Err(Error::internal("a batch thread dropped the request")))
    }

    fn run_plans(&self, plans: &[&Plan], inputs: Vec<Tensor>) -> Result<Vec<Vec<Tensor>>> {
        if self.batcher.is_some() {
            return plans.iter().map(|plan| self.run(&plan.signature, inputs.clone(), &plan.outputs)).collect();
        }
        let calls: Vec<Call<'_>> = plans
            .iter()
            .map(|plan| Call { signature: &plan.signature, inputs: &inputs, outputs: &plan.outputs, timeout: None })
            .collect();
        guarded_together(self.engine, &calls)
    }
}

/// Runs a request and says how long that took, from its tensors to its answer's.
///
/// # Errors
/// Those that its sender would have got.
pub(super) fn replay(runner: Runner<'_>, log: &LogType, max_tensor_bytes: usize) -> Result<Duration> {
    // A log without its request is one of an empty request, which is refused in its own words.
    match log {
        LogType::PredictLog(log) => replay_predict(runner, &log.request.clone().unwrap_or_default(), max_tensor_bytes),
        LogType::ClassifyLog(log) => {
            let request = log.request.clone().unwrap_or_default();
            replay_examples(runner, Method::Classify, request.model_spec.as_ref(), request.input.as_ref())
        }
        LogType::RegressLog(log) => {
            let request = log.request.clone().unwrap_or_default();
            replay_examples(runner, Method::Regress, request.model_spec.as_ref(), request.input.as_ref())
        }
        LogType::MultiInferenceLog(log) => replay_tasks(runner, &log.request.clone().unwrap_or_default()),
    }
}

fn replay_predict(runner: Runner<'_>, request: &PredictRequest, max_tensor_bytes: usize) -> Result<Duration> {
    let signature = predict::signature(runner.engine, signature_name(request.model_spec.as_ref()))?;
    let inputs = predict::named_inputs(signature, &request.inputs, max_tensor_bytes)?;
    let outputs = predict::filtered_outputs(signature, &request.output_filter)?;
    timed(|| runner.run(signature, inputs, &outputs)).map(|(took, _)| took)
}

fn replay_examples(
    runner: Runner<'_>,
    method: Method,
    spec: Option<&ModelSpec>,
    input: Option<&Input>,
) -> Result<Duration> {
    let plan = Plan::new(runner.engine, method, signature_name(spec), false)?;
    let examples = serialised(input)?;
    let rows = examples.len();
    let inputs = plan.inputs(examples)?;
    let (took, tensors) = timed(|| runner.run(&plan.signature, inputs, &plan.outputs))?;
    match method {
        Method::Classify => drop(Classes::read(&plan, &tensors, rows)?),
        Method::Regress => drop(regressions(&tensors, rows)?),
    }
    Ok(took)
}

fn replay_tasks(runner: Runner<'_>, request: &MultiInferenceRequest) -> Result<Duration> {
    let tasks =
        request.tasks.iter().map(|task| Task::new(runner.engine, task, false)).collect::<Result<Vec<Task>>>()?;
    let Some(first) = tasks.first() else {
        return Err(Error::invalid("Inference request must have at least one task."));
    };
    let examples = serialised(request.input.as_ref())?;
    let rows = examples.len();
    let inputs = first.plan.inputs(examples)?;
    let plans: Vec<&Plan> = tasks.iter().map(|task| &task.plan).collect();
    let (took, answers) = timed(|| runner.run_plans(&plans, inputs))?;
    tasks.iter().zip(&answers).try_for_each(|(task, tensors)| task.read(tensors, rows).map(drop))?;
    Ok(took)
}

fn timed<T>(run: impl FnOnce() -> Result<T>) -> Result<(Duration, T)> {
    let began = Instant::now();
    let answer =
        run().map_err(|error| Error::new(error.kind, format!("a warm-up request failed: {}", error.message)))?;
    Ok((began.elapsed(), answer))
}

fn signature_name(spec: Option<&ModelSpec>) -> &str {
    spec.map_or("", |spec| spec.signature_name.as_str())
}
