//! Running an engine: on this thread when that is quicker than going to another, else on the pool.

mod gathered;
mod pace;
mod pool;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use smallvec::SmallVec;
use taxiway_engine::{Call, Engine, Error, Result, Signature, Tensor};
use tokio::sync::oneshot;

pub(crate) use pace::Pace;
pub(crate) use pool::Pool;

use crate::admit::{Deadline, timed_out};
use crate::batch::Gathering;
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
    match &lease.gathering {
        Gathering::Asked(batcher) => return gathered::asked(batcher, run).await,
        Gathering::Found(gatherer) => {
            if let Some(rows) = gatherer.rows_of(&run.signature, &run.inputs) {
                return gathered::found(pool, lease, gatherer, run, rows).await;
            }
        }
        Gathering::Off => {}
    }
    let deadline = run.deadline;
    threaded(pool, lease, deadline, move |loaded| run_here(loaded, &run)).await
}

/// Several signatures that share their inputs.
pub(crate) struct Together {
    /// Each signature with its wanted outputs.
    pub(crate) calls: Vec<(Arc<Signature>, Outputs)>,
    /// One tensor for each input, the same of every signature.
    pub(crate) inputs: Vec<Tensor>,
    pub(crate) deadline: Deadline,
}

/// Runs several signatures, in one run of the graph where the engine can. Where batches are asked for they run one after
/// the other, each together with other requests for it.
///
/// # Errors
/// Those of [`execute`].
pub(crate) async fn execute_together(pool: &Pool, lease: &Lease, together: Together) -> Result<Vec<Vec<Tensor>>> {
    let Together { calls, inputs, deadline } = together;
    if !matches!(lease.gathering, Gathering::Asked(_)) {
        return threaded(pool, lease, deadline, move |loaded| together_here(loaded, &calls, &inputs, deadline)).await;
    }
    let mut answers = Vec::with_capacity(calls.len());
    for (signature, outputs) in calls {
        answers.push(execute(pool, lease, Run { signature, inputs: inputs.clone(), outputs, deadline }).await?);
    }
    Ok(answers)
}

/// Does `work` on this thread when the version is quick, else on the pool.
async fn threaded<T: Send + 'static>(
    pool: &Pool,
    lease: &Lease,
    deadline: Deadline,
    work: impl FnOnce(&Loaded) -> Result<T> + Send + 'static,
) -> Result<T> {
    if lease.pace.is_quick() {
        return work(lease);
    }
    deadline.left()?;
    let (reply, answer) = oneshot::channel();
    let trial = lease.on_trial.load(Ordering::Relaxed).then_some(lease.id);
    let lease = lease.clone();
    pool.submit(trial, move || {
        // Nobody waits any more: the client went away or its time was up.
        if reply.is_closed() {
            return;
        }
        let result = work(&lease);
        drop(lease); // before the answer, so that who has it finds the lease returned
        let _ = reply.send(result);
    })?;
    match deadline.bound(answer).await {
        Some(Ok(result)) => result,
        Some(Err(_)) => Err(Error::internal("a compute thread dropped the request")),
        None => Err(timed_out()),
    }
}

/// Runs the engine on this thread, and learns how long that took.
pub(crate) fn run_here(loaded: &Loaded, run: &Run) -> Result<Vec<Tensor>> {
    let timeout = run.deadline.left()?;
    let call = Call { signature: &run.signature, inputs: &run.inputs, outputs: &run.outputs, timeout };
    learning(loaded, || guarded(loaded.engine.as_ref(), &call))
}

fn together_here(
    loaded: &Loaded,
    calls: &[(Arc<Signature>, Outputs)],
    inputs: &[Tensor],
    deadline: Deadline,
) -> Result<Vec<Vec<Tensor>>> {
    let timeout = deadline.left()?;
    let calls: SmallVec<[Call<'_>; 4]> =
        calls.iter().map(|(signature, outputs)| Call { signature, inputs, outputs, timeout }).collect();
    learning(loaded, || guarded_together(loaded.engine.as_ref(), &calls))
}

/// Runs, and learns how long that took.
fn learning<T>(loaded: &Loaded, run: impl FnOnce() -> Result<T>) -> Result<T> {
    let began = Instant::now();
    let tensors = run()?;
    let took = began.elapsed();
    // Only of runs that went well: a refusal is quick, which says nothing about the model.
    loaded.pace.learn(took);
    loaded.metrics.runs.record(took);
    Ok(tensors)
}

/// Runs an engine and makes an error of what would break its contract: a panic, or a wrong number of outputs.
pub(crate) fn guarded(engine: &dyn Engine, call: &Call<'_>) -> Result<Vec<Tensor>> {
    let tensors = caught(engine, call, || engine.run(call))?;
    check_count(engine, call, &tensors)?;
    Ok(tensors)
}

/// The same of several calls.
pub(crate) fn guarded_together(engine: &dyn Engine, calls: &[Call<'_>]) -> Result<Vec<Vec<Tensor>>> {
    let Some(first) = calls.first() else { return Ok(Vec::new()) };
    let answers = caught(engine, first, || engine.run_together(calls))?;
    if answers.len() != calls.len() {
        let (name, given, asked) = (engine.name(), answers.len(), calls.len());
        return Err(Error::internal(format!("the {name} engine answered {given} calls instead of {asked}")));
    }
    calls.iter().zip(&answers).try_for_each(|(call, tensors)| check_count(engine, call, tensors))?;
    Ok(answers)
}

fn caught<T>(engine: &dyn Engine, call: &Call<'_>, run: impl FnOnce() -> Result<T>) -> Result<T> {
    // An engine leaves nothing half done: its contract is that it stays usable after any error.
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        Err(Error::internal(format!(
            "the {} engine panicked while running signature \"{}\": {}",
            engine.name(),
            call.signature.name,
            panic_text(panic.as_ref())
        )))
    })
}

fn check_count(engine: &dyn Engine, call: &Call<'_>, tensors: &[Tensor]) -> Result<()> {
    let (given, asked) = (tensors.len(), call.outputs.len());
    if given != asked {
        let (name, signature) = (engine.name(), &call.signature.name);
        return Err(Error::internal(format!(
            "the {name} engine gave {given} outputs of signature \"{signature}\" instead of {asked}"
        )));
    }
    Ok(())
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

#[cfg(test)]
mod tests;
