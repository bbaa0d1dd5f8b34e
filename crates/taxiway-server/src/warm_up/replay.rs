//! Running one logged request. The model and the version it names are ignored, its signature is not.

use std::time::{Duration, Instant};

use taxiway_engine::{Call, Engine, Error, Result, Signature, Tensor};

use crate::api::examples::{Classes, Method, Plan, Task, regressions, serialised};
use crate::api::predict;
use crate::proto::prediction_log::LogType;
use crate::proto::{Input, ModelSpec, MultiInferenceRequest, PredictRequest};

/// Runs a request and says how long the engine took.
///
/// # Errors
/// Those that its sender would have got.
pub(super) fn replay(engine: &dyn Engine, log: &LogType, max_tensor_bytes: usize) -> Result<Duration> {
    // A log without its request is one of an empty request, which is refused in its own words.
    match log {
        LogType::PredictLog(log) => replay_predict(engine, &log.request.clone().unwrap_or_default(), max_tensor_bytes),
        LogType::ClassifyLog(log) => {
            let request = log.request.clone().unwrap_or_default();
            replay_examples(engine, Method::Classify, request.model_spec.as_ref(), request.input.as_ref())
        }
        LogType::RegressLog(log) => {
            let request = log.request.clone().unwrap_or_default();
            replay_examples(engine, Method::Regress, request.model_spec.as_ref(), request.input.as_ref())
        }
        LogType::MultiInferenceLog(log) => replay_tasks(engine, &log.request.clone().unwrap_or_default()),
    }
}

fn replay_predict(engine: &dyn Engine, request: &PredictRequest, max_tensor_bytes: usize) -> Result<Duration> {
    let signature = predict::signature(engine, signature_name(request.model_spec.as_ref()))?;
    let inputs = predict::named_inputs(signature, &request.inputs, max_tensor_bytes)?;
    let outputs = predict::filtered_outputs(signature, &request.output_filter)?;
    run(engine, signature, &inputs, &outputs).map(|(took, _)| took)
}

fn replay_examples(
    engine: &dyn Engine,
    method: Method,
    spec: Option<&ModelSpec>,
    input: Option<&Input>,
) -> Result<Duration> {
    let plan = Plan::new(engine, method, signature_name(spec), false)?;
    let (took, tensors, rows) = run_plan(engine, &plan, input)?;
    match method {
        Method::Classify => drop(Classes::read(&plan, &tensors, rows)?),
        Method::Regress => drop(regressions(&tensors, rows)?),
    }
    Ok(took)
}

fn replay_tasks(engine: &dyn Engine, request: &MultiInferenceRequest) -> Result<Duration> {
    if request.tasks.is_empty() {
        return Err(Error::invalid("Inference request must have at least one task."));
    }
    let mut all = Duration::ZERO;
    for task in &request.tasks {
        let task = Task::new(engine, task, false)?;
        let (took, tensors, rows) = run_plan(engine, &task.plan, request.input.as_ref())?;
        task.read(&tensors, rows)?;
        all += took;
    }
    Ok(all)
}

fn run_plan(engine: &dyn Engine, plan: &Plan, input: Option<&Input>) -> Result<(Duration, Vec<Tensor>, usize)> {
    let examples = serialised(input)?;
    let rows = examples.len();
    let (took, tensors) = run(engine, &plan.signature, &plan.inputs(examples)?, &plan.outputs)?;
    Ok((took, tensors, rows))
}

fn run(
    engine: &dyn Engine,
    signature: &Signature,
    inputs: &[Tensor],
    outputs: &[usize],
) -> Result<(Duration, Vec<Tensor>)> {
    let call = Call { signature, inputs, outputs, timeout: None };
    let began = Instant::now();
    let tensors = crate::execute::guarded(engine, &call)
        .map_err(|error| Error::new(error.kind, format!("a warm-up request failed: {}", error.message)))?;
    Ok((began.elapsed(), tensors))
}

fn signature_name(spec: Option<&ModelSpec>) -> &str {
    spec.map_or("", |spec| spec.signature_name.as_str())
}
