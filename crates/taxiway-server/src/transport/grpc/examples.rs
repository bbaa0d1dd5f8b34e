//! Classify, Regress and MultiInference over gRPC.

use taxiway_engine::Result;

use super::message;
use super::methods::{leased, named};
use super::reply::Reply;
use crate::admit::Deadline;
use crate::api::examples::{Classes, Method, Plan, Task, check_tasks, regressions, serialised};
use crate::execute::{Run, Together, execute_together};
use crate::lease::Lease;
use crate::metrics::Tracked;
use crate::proto::{
    ClassificationRequest, ClassificationResponse, InferenceResult, Input, ModelSpec, MultiInferenceRequest,
    MultiInferenceResponse, PredictionLog, Regression, RegressionRequest, RegressionResponse, RegressionResult,
};
use crate::render::grpc::model_spec;
use crate::request_log::record;
use crate::server::Core;
use crate::traffic::{self, unit};

pub(super) async fn classify(
    core: &Core,
    request: ClassificationRequest,
    deadline: Deadline,
    tracked: &mut Tracked<'_>,
) -> Result<Reply> {
    let asked = (request.model_spec.as_ref(), request.input.as_ref());
    let ran = Ran::of(core, Method::Classify, asked, deadline, tracked).await?;
    let answer = ClassificationResponse {
        result: Some(Classes::read(&ran.plan, &ran.tensors, ran.rows)?.to_proto()),
        model_spec: Some(model_spec(&ran.lease, &ran.plan.signature.name)),
    };
    reply(&ran.lease, tracked, answer, |answer| record::classify(request, answer))
}

pub(super) async fn regress(
    core: &Core,
    request: RegressionRequest,
    deadline: Deadline,
    tracked: &mut Tracked<'_>,
) -> Result<Reply> {
    let asked = (request.model_spec.as_ref(), request.input.as_ref());
    let ran = Ran::of(core, Method::Regress, asked, deadline, tracked).await?;
    let regressions = regressions(&ran.tensors, ran.rows)?.into_iter().map(|value| Regression { value }).collect();
    let answer = RegressionResponse {
        result: Some(RegressionResult { regressions }),
        model_spec: Some(model_spec(&ran.lease, &ran.plan.signature.name)),
    };
    reply(&ran.lease, tracked, answer, |answer| record::regress(request, answer))
}

/// What the examples of a request gave.
struct Ran {
    lease: Lease,
    plan: Plan,
    tensors: Vec<taxiway_engine::Tensor>,
    rows: usize,
}

impl Ran {
    async fn of(
        core: &Core,
        method: Method,
        (spec, input): (Option<&ModelSpec>, Option<&Input>),
        deadline: Deadline,
        tracked: &mut Tracked<'_>,
    ) -> Result<Ran> {
        let spec = named(spec)?;
        let lease = leased(core, spec, tracked, |_, field| key_of(input, field))?;
        let plan = Plan::new(lease.engine.as_ref(), method, &spec.signature_name, core.method_name_check)?;
        let examples = serialised(input)?;
        let rows = examples.len();
        lease.metrics.model_counts.examples(rows);
        let (signature, outputs) = (plan.signature.clone(), plan.outputs.clone());
        let run = Run { signature, inputs: plan.inputs(examples)?, outputs, deadline };
        let tensors = traffic::run(core, &lease, run, tracked).await?;
        Ok(Ran { lease, plan, tensors, rows })
    }
}

/// Every task on one version: they share the parsed input, and the run where the engine can do that.
pub(super) async fn multi_inference(
    core: &Core,
    request: MultiInferenceRequest,
    deadline: Deadline,
    tracked: &mut Tracked<'_>,
) -> Result<Reply> {
    let spec = check_tasks(&request.tasks)?;
    let lease = leased(core, spec, tracked, |_, field| key_of(request.input.as_ref(), field))?;
    let strict = core.method_name_check;
    let tasks: Vec<Task> =
        request.tasks.iter().map(|task| Task::new(lease.engine.as_ref(), task, strict)).collect::<Result<_>>()?;
    let examples = serialised(request.input.as_ref())?;
    let rows = examples.len();
    let calls = tasks.iter().map(|task| (task.plan.signature.clone(), task.plan.outputs.clone())).collect();
    // As many tasks as there are, they take the same one input.
    let inputs = tasks.first().map(|task| task.plan.inputs(examples)).transpose()?.unwrap_or_default();
    let answers = execute_together(&core.pool, &lease, Together { calls, inputs, deadline }).await?;
    traffic::answered(core, answers.concat(), tracked);
    lease.metrics.model_counts.examples_of_many(rows);
    let mut results = Vec::with_capacity(tasks.len());
    for (task, tensors) in tasks.iter().zip(&answers) {
        results.push(InferenceResult {
            model_spec: Some(model_spec(&lease, &task.plan.signature.name)),
            result: Some(task.read(tensors, rows)?),
        });
    }
    reply(&lease, tracked, MultiInferenceResponse { results }, |answer| record::multi_inference(request, answer))
}

/// A feature of the first example, where it is what requests are led by.
fn key_of(input: Option<&Input>, field: &str) -> Option<unit::Key> {
    unit::of_examples(&serialised(input).ok()?, field)
}

/// The answer as it goes out; `record` makes of it what is logged.
fn reply<A: prost::Message>(
    lease: &Lease,
    tracked: &Tracked<'_>,
    answer: A,
    record: impl FnOnce(A) -> PredictionLog,
) -> Result<Reply> {
    let frame = message::wrap(&answer)?;
    if let Some(sampled) = lease.sampled(tracked.caller()) {
        sampled.log(|| record(answer));
    }
    Ok(Reply { frame })
}
