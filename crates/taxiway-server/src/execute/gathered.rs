//! Requests that share runs: where a batch was asked for, and where it was found to pay.

use std::sync::atomic::Ordering;

use taxiway_engine::{Error, ErrorKind, Result, Tensor};
use tokio::sync::oneshot;

use super::{Pool, Run};
use crate::admit::timed_out;
use crate::batch::{Batcher, Gatherer, Gathering, Request};
use crate::lease::Lease;

/// How often a batch is looked at that nothing joins. What is woken together with its leader runs after it: once is not
/// enough.
const LOOKS: usize = 2;

/// Runs a request together with others, as parameters say.
pub(super) async fn asked(batcher: &Batcher, run: Run) -> Result<Vec<Tensor>> {
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

/// Runs a request of so many rows together with those that are read in the same moment, and with those that come while
/// the compute threads are busy.
pub(super) async fn found(
    pool: &Pool,
    lease: &Lease,
    gatherer: &Gatherer,
    run: Run,
    rows: usize,
) -> Result<Vec<Tensor>> {
    let deadline = run.deadline;
    deadline.left()?;
    let is_short = gatherer.is_short(&run.signature);
    if !is_short && gatherer.waiting() >= pool.max_queued() {
        return Err(pool.is_busy());
    }
    let (reply, answer) = oneshot::channel();
    if let Some(batch) = gatherer.join(run, rows, reply) {
        let lease = lease.clone();
        if is_short {
            // A task of its own: the client that brought the first request may go away.
            tokio::spawn(lead(lease, batch));
        } else {
            let trial = lease.on_trial.load(Ordering::Relaxed).then_some(lease.id);
            let submitted = pool.submit(trial, move || work(&lease, batch));
            if let Err(error) = submitted
                && let Some(batch) = gatherer.take(batch)
            {
                batch.refuse(&error);
            }
        }
    }
    match deadline.bound(answer).await {
        Some(Ok(result)) => result,
        Some(Err(_)) => Err(Error::new(ErrorKind::Unavailable, "the server is stopping")),
        None => Err(timed_out()),
    }
}

/// Lets this thread read on until nothing more comes, and runs what has come. Each look lets everything run that is ready,
/// and asks the system once what has arrived: without company that is a microsecond or two.
async fn lead(lease: Lease, batch: u64) {
    let Gathering::Found(gatherer) = &lease.gathering else { return };
    let (mut seen, mut looks) = (0, 0);
    while looks < LOOKS {
        tokio::task::yield_now().await;
        let (rows, is_full) = gatherer.look(batch);
        if is_full {
            break;
        }
        looks = if rows > seen { 0 } else { looks + 1 };
        seen = rows;
    }
    work(&lease, batch);
}

fn work(lease: &Lease, batch: u64) {
    let Gathering::Found(gatherer) = &lease.gathering else { return };
    let took = gatherer.take(batch).and_then(|batch| gatherer.run(lease.engine.as_ref(), batch));
    if let Some(took) = took {
        lease.metrics.runs.record(took);
    }
}

#[cfg(test)]
mod tests;
