//! Running an engine: on this thread when that is quicker than going to another, else on the pool.

mod pace;
mod pool;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use smallvec::SmallVec;
use taxiway_engine::{Call, Engine, Error, Result, Signature, Tensor};
use tokio::sync::oneshot;

pub(crate) use pace::Pace;
pub(crate) use pool::Pool;

use crate::admit::{Deadline, timed_out};
use crate::batch::{Batcher, Request};
use crate::lease::Lease;
use crate::loaded::Loaded;

/// Indices of outputs in a signature.
pub(crate) type Outputs = SmallVec<[usize; 8]>;

/// One run, with everything it needs.
pub(crate) struct Run {
    pub(crate) signature: Arc<Signature>,
    /// One tensor for each input of the signature.
    pub(crate) inputs: Vec<Tensor>,
    /// The wanted outputs, without repeats.
    pub(crate) outputs: Outputs,
    pub(crate) deadline: Deadline,
}

/// Runs a signature and returns one tensor for each of `run.outputs`.
///
/// # Errors
/// The engine's own; `DeadlineExceeded` when the time is up, before the work began or while it went on elsewhere;
/// `Unavailable` when too many requests wait; `Internal` when the engine panicked.
pub(crate) async fn execute(pool: &Pool, lease: &Lease, run: Run) -> Result<Vec<Tensor>> {
    if let Some(batcher) = &lease.batcher {
        return gathered(batcher, run).await;
    }
    if lease.pace.is_quick() {
        return run_here(lease, &run);
    }
    let deadline = run.deadline;
    deadline.left()?;
    let (reply, answer) = oneshot::channel();
    let lease = lease.clone();
    pool.submit(move || {
        // Nobody waits any more: the client went away or its time was up.
        if reply.is_closed() {
            return;
        }
        let result = run_here(&lease, &run);
        drop((run, lease)); // before the answer, so that who has it finds the lease returned
        let _ = reply.send(result);
    })?;
    match deadline.bound(answer).await {
        Some(Ok(result)) => result,
        Some(Err(_)) => Err(Error::internal("a compute thread dropped the request")),
        None => Err(timed_out()),
    }
}

/// Runs a request together with others.
async fn gathered(batcher: &Batcher, run: Run) -> Result<Vec<Tensor>> {
    run.deadline.left()?;
    let (reply, answer) = oneshot::channel();
    let request = Request {
        signature: run.signature,
        inputs: run.inputs,
        outputs: run.outputs.into_vec(),
        deadline: run.deadline.at(),
    };
    // Nobody may wait any more when the answer comes: the client went away or its time was up.
    batcher.submit(request, Box::new(move |outputs| drop(reply.send(outputs))));
    match run.deadline.bound(answer).await {
        Some(Ok(result)) => result,
        Some(Err(_)) => Err(Error::internal("a batch thread dropped the request")),
        None => Err(timed_out()),
    }
}

/// Runs the engine on this thread, and learns how long that took.
pub(crate) fn run_here(loaded: &Loaded, run: &Run) -> Result<Vec<Tensor>> {
    let timeout = run.deadline.left()?;
    let call = Call { signature: &run.signature, inputs: &run.inputs, outputs: &run.outputs, timeout };
    let began = Instant::now();
    let tensors = guarded(loaded.engine.as_ref(), &call)?;
    let took = began.elapsed();
    // Only of runs that went well: a refusal is quick, which says nothing about the model.
    loaded.pace.learn(took);
    loaded.metrics.runs.record(took);
    Ok(tensors)
}

/// Runs an engine and makes an error of what would break its contract: a panic, or a wrong number of outputs.
pub(crate) fn guarded(engine: &dyn Engine, call: &Call<'_>) -> Result<Vec<Tensor>> {
    // An engine leaves nothing half done: its contract is that it stays usable after any error.
    let result = catch_unwind(AssertUnwindSafe(|| engine.run(call)));
    let (name, signature) = (engine.name(), &call.signature.name);
    match result {
        Ok(Ok(tensors)) if tensors.len() != call.outputs.len() => Err(Error::internal(format!(
            "the {name} engine gave {} outputs of signature \"{signature}\" instead of {}",
            tensors.len(),
            call.outputs.len()
        ))),
        Ok(result) => result,
        Err(panic) => Err(Error::internal(format!(
            "the {name} engine panicked while running signature \"{signature}\": {}",
            panic_text(panic.as_ref())
        ))),
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

#[cfg(test)]
mod tests;
