//! Batching: rows of several requests run together.
//!
//! A queue holds the requests that may share a run: one loaded version, one signature, one set of outputs, and (unless
//! they are padded) one shape of row, so that an odd request never hurts another. While every thread is busy, requests
//! gather; a thread that is free takes what has gathered, or waits for more when the parameters ask for it.

mod gather;
pub(crate) mod params;
mod queue;
pub(crate) mod rows;
mod run;
mod task;
mod threads;

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use taxiway_engine::{Engine, Error, Result, Signature, Tensor};

pub(crate) use gather::{Gatherer, Pays};
pub use params::BatchParams;
pub use run::{Observer, Ran};
pub use task::Reply;
pub use threads::BatchThreads;

use run::Lane;
use task::Task;

/// How a version's requests are to be gathered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Batching {
    /// Each runs on its own.
    Off,
    /// As these parameters say.
    Asked(BatchParams),
    /// Where rows are shown not to look at each other, and a batch to pay.
    Auto,
}

/// What gathers a loaded version's requests.
pub(crate) enum Gathering {
    /// Nothing.
    Off,
    /// Queues with the parameters asked for.
    Asked(Batcher),
    /// Batches of those signatures for which they were found to pay.
    Found(Gatherer),
}

/// One request, as batching takes it.
pub struct Request {
    /// What it calls.
    pub signature: Arc<Signature>,
    /// One tensor for each input of the signature.
    pub inputs: Vec<Tensor>,
    /// The wanted outputs, as indices into the signature's.
    pub outputs: Vec<usize>,
    /// When its caller stops waiting.
    pub deadline: Option<Instant>,
}

/// Gathers the requests of one loaded version.
pub struct Batcher {
    id: u64,
    threads: Arc<BatchThreads>,
    engine: Arc<dyn Engine>,
    params: Arc<BatchParams>,
    observer: Observer,
}

impl Batcher {
    /// Gathers requests for `engine` on `threads`; `observer` is told of every batch.
    ///
    /// # Errors
    /// `InvalidArgument` when the parameters contradict each other.
    pub fn new(
        threads: Arc<BatchThreads>,
        engine: Arc<dyn Engine>,
        params: BatchParams,
        observer: Observer,
    ) -> Result<Batcher> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        params.validate()?;
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        Ok(Batcher { id, threads, engine, params: Arc::new(params), observer })
    }

    /// Queues a request; `reply` gets its outputs, or the refusal, once, on another thread or on this one.
    pub fn submit(&self, request: Request, reply: Reply) {
        let rows = match self.rows_of(&request) {
            Ok(rows) => rows,
            Err(error) => return reply(Err(error)),
        };
        let lane = Arc::new(Lane {
            engine: Arc::clone(&self.engine),
            signature: Arc::clone(&request.signature),
            outputs: request.outputs.clone(),
            params: Arc::clone(&self.params),
            observer: Arc::clone(&self.observer),
        });
        let key = (self.id, self.lane_name(&request).into());
        self.threads.push(key, &lane, Task::new(request.inputs, rows, Instant::now(), request.deadline, reply));
    }

    fn rows_of(&self, request: &Request) -> Result<usize> {
        let rows = rows::count(&request.inputs)?;
        if rows > self.params.max_batch_size {
            return Err(Error::invalid(format!(
                "Task size {rows} is larger than maximum input batch size {}",
                self.params.max_batch_size
            )));
        }
        Ok(rows)
    }

    /// What requests must agree in to run together.
    fn lane_name(&self, request: &Request) -> String {
        let mut name = format!("{}\u{0}{:?}", request.signature.name, request.outputs);
        for input in &request.inputs {
            let row = &input.shape()[1..];
            let written = match self.params.pad_variable_length_inputs {
                true => write!(name, " {}:{}", input.dtype().number(), row.len()),
                false => write!(name, " {}{row:?}", input.dtype().number()),
            };
            debug_assert!(written.is_ok(), "writing to a string cannot fail");
        }
        name
    }
}

impl Drop for Batcher {
    fn drop(&mut self) {
        self.threads.forget(self.id);
    }
}

#[cfg(test)]
mod tests;
