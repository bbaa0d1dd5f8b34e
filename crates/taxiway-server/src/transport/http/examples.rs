//! Classify and Regress over REST.

use http::StatusCode;
use taxiway_engine::{Result, Strings, Tensor};

use super::Refusal;
use super::answer::{Answer, JSON};
use super::path::Named;
use crate::admit::Deadline;
use crate::api::examples::{Classes, Method, Plan, regressions};
use crate::execute::Run;
use crate::json::{Document, write_classifications, write_regressions};
use crate::lease::Lease;
use crate::metrics::Tracked;
use crate::proto::{
    ClassificationRequest, ClassificationResponse, Input, ModelSpec, PredictionLog, Regression, RegressionRequest,
    RegressionResponse, RegressionResult,
};
use crate::render::grpc::model_spec;
use crate::request_log::record;
use crate::server::Core;
use crate::traffic::{self, unit};

pub(super) async fn classify(
    core: &Core,
    named: &Named<'_>,
    body: &[u8],
    deadline: Deadline,
    tracked: &mut Tracked<'_>,
) -> Result<Answer, Refusal> {
    let ran = Ran::of(core, named, body, Method::Classify, deadline, tracked).await?;
    let classes = Classes::read(&ran.plan, &ran.tensors, ran.rows)?;
    ran.log(tracked, |(spec, input)| {
        let request = ClassificationRequest { model_spec: Some(spec), input: Some(input) };
        let answer = ClassificationResponse { result: Some(classes.to_proto()), model_spec: Some(ran.spec()) };
        record::classify(request, answer)
    });
    ran.answered(|text| write_classifications(classes.examples(), text))
}

pub(super) async fn regress(
    core: &Core,
    named: &Named<'_>,
    body: &[u8],
    deadline: Deadline,
    tracked: &mut Tracked<'_>,
) -> Result<Answer, Refusal> {
    let ran = Ran::of(core, named, body, Method::Regress, deadline, tracked).await?;
    let values = regressions(&ran.tensors, ran.rows)?;
    ran.log(tracked, |(spec, input)| {
        let request = RegressionRequest { model_spec: Some(spec), input: Some(input) };
        let regressions = values.iter().map(|&value| Regression { value }).collect();
        let result = Some(RegressionResult { regressions });
        record::regress(request, RegressionResponse { result, model_spec: Some(ran.spec()) })
    });
    ran.answered(|text| write_regressions(&values, text))
}

/// What the examples of a request gave.
struct Ran {
    lease: Lease,
    plan: Plan,
    tensors: Vec<Tensor>,
    rows: usize,
    examples: Strings,
}

impl Ran {
    async fn of(
        core: &Core,
        named: &Named<'_>,
        body: &[u8],
        method: Method,
        deadline: Deadline,
        tracked: &mut Tracked<'_>,
    ) -> Result<Ran, Refusal> {
        let document = Document::parse(body)?;
        let name = document.signature_name()?;
        let examples = document.examples()?;
        let key = |_: &Lease, field: &str| unit::of_examples(&examples, field);
        let lease = core.table.load().find(named.target())?.led(tracked.caller()).go(tracked, key);
        tracked.reached(&lease.metrics, &lease.header);
        let name = name.as_deref().unwrap_or_default();
        let plan = Plan::new(lease.engine.as_ref(), method, name, core.method_name_check)?;
        let rows = examples.len();
        let (signature, outputs) = (plan.signature.clone(), plan.outputs.clone());
        let run = Run { signature, inputs: plan.inputs(examples.clone())?, outputs, deadline };
        lease.metrics.model_counts.examples(rows);
        let tensors = traffic::run(core, &lease, run, tracked).await?;
        Ok(Ran { lease, plan, tensors, rows, examples })
    }

    /// The version and the signature that answered.
    fn spec(&self) -> ModelSpec {
        model_spec(&self.lease, &self.plan.signature.name)
    }

    /// Logs what `make` makes of the request, when it is to be logged.
    fn log(&self, tracked: &Tracked<'_>, make: impl FnOnce((ModelSpec, Input)) -> PredictionLog) {
        if let Some(sampled) = self.lease.sampled(tracked.caller()) {
            sampled.log(|| make(record::asked(&self.lease.name, &self.plan.signature.name, &self.examples)));
        }
    }

    fn answered(&self, write: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<Answer, Refusal> {
        let mut body = Vec::new();
        write(&mut body)?;
        Ok(Answer { status: StatusCode::OK, content_type: JSON, body })
    }
}
