//! Classify and Regress over REST.

use http::StatusCode;
use taxiway_engine::{Result, Tensor};

use super::Refusal;
use super::answer::{Answer, JSON};
use super::path::Named;
use crate::admit::Deadline;
use crate::api::examples::{Classes, Method, Plan, regressions};
use crate::execute::{Run, execute};
use crate::json::{Document, write_classifications, write_regressions};
use crate::lease::Lease;
use crate::metrics::Tracked;
use crate::server::Core;

pub(super) async fn classify(
    core: &Core,
    named: &Named<'_>,
    body: &[u8],
    deadline: Deadline,
    tracked: &mut Tracked<'_>,
) -> Result<Answer, Refusal> {
    let ran = Ran::of(core, named, body, Method::Classify, deadline, tracked).await?;
    let classes = Classes::read(&ran.plan, &ran.tensors, ran.rows)?;
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
    ran.answered(|text| write_regressions(&values, text))
}

/// What the examples of a request gave.
struct Ran {
    lease: Lease,
    plan: Plan,
    tensors: Vec<Tensor>,
    rows: usize,
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
        let lease = core.table.load().lease(named.target())?;
        tracked.reached(&lease.metrics);
        let name = name.as_deref().unwrap_or_default();
        let plan = Plan::new(lease.engine.as_ref(), method, name, core.method_name_check)?;
        let rows = examples.len();
        let (signature, outputs) = (plan.signature.clone(), plan.outputs.clone());
        let run = Run { signature, inputs: plan.inputs(examples)?, outputs, deadline };
        lease.metrics.model_counts.examples(rows);
        let tensors = tracked.timed(execute(&core.pool, &lease, run)).await?;
        Ok(Ran { lease, plan, tensors, rows })
    }

    fn answered(&self, write: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<Answer, Refusal> {
        let mut body = Vec::new();
        write(&mut body)?;
        Ok(Answer { status: StatusCode::OK, content_type: JSON, version: Some(self.lease.header.clone()), body })
    }
}
