//! Batches without a timer and without threads of their own, for signatures whose rows were shown not to look at each
//! other. Who brings the first request of a batch has it run; until it does, others join.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use taxiway_engine::{Call, Engine, Error, ErrorKind, Result, Scratch, Shape, Signature, Tensor};
use tokio::sync::oneshot;

use super::rows;
use super::run::{Observer, Ran};
use crate::admit::{Deadline, timed_out};
use crate::execute::{Outputs, Pace, Run, guarded};

/// A batch that is expected to take less runs on the thread that read its requests: more would keep it from reading.
const INLINE: Duration = Duration::from_micros(500);

/// That requests of a signature may share a run, and that it pays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pays {
    /// The most rows of one run.
    pub(crate) rows: usize,
    /// How long a run of so many took.
    pub(crate) time: Duration,
}

/// The open batches of one loaded version.
pub(crate) struct Gatherer {
    signatures: BTreeMap<String, (usize, Pace)>,
    open: Mutex<Open>,
    /// What rows are joined in.
    scratch: Scratch,
    observer: Observer,
}

#[derive(Default)]
struct Open {
    batches: Vec<Gathered>,
    opened: u64,
}

/// Requests that run together.
pub(crate) struct Gathered {
    id: u64,
    signature: Arc<Signature>,
    outputs: Outputs,
    waiters: Vec<Waiter>,
    rows: usize,
    most: usize,
}

struct Waiter {
    inputs: Vec<Tensor>,
    rows: usize,
    arrived: Instant,
    deadline: Deadline,
    reply: oneshot::Sender<Result<Vec<Tensor>>>,
}

impl Gatherer {
    /// Gathers for these signatures; `observer` is told of every batch.
    pub(crate) fn new(signatures: &BTreeMap<String, Pays>, observer: Observer) -> Gatherer {
        let of = |(name, pays): (&String, &Pays)| (name.clone(), (pays.rows, Pace::new(Some(pays.time))));
        Gatherer {
            signatures: signatures.iter().map(of).collect(),
            open: Mutex::default(),
            scratch: Scratch::default(),
            observer,
        }
    }

    /// How many rows a request brings; `None` when it is to run on its own, as it would without batching.
    pub(crate) fn rows_of(&self, signature: &Signature, inputs: &[Tensor]) -> Option<usize> {
        let (most, _) = self.signatures.get(&signature.name)?;
        rows::count(inputs).ok().filter(|rows| (1..=*most).contains(rows))
    }

    /// Whether a batch of this signature is short enough for the thread that reads.
    pub(crate) fn is_short(&self, signature: &Signature) -> bool {
        self.signatures.get(&signature.name).is_some_and(|(_, pace)| pace.is_under(INLINE))
    }

    /// How many requests wait in open batches.
    pub(crate) fn waiting(&self) -> usize {
        self.lock().batches.iter().map(|batch| batch.waiters.len()).sum()
    }

    /// Adds a request of so many rows to a batch that it fits. `Some` when it opened one: the caller sees to it that this
    /// one is taken and run.
    pub(crate) fn join(&self, run: Run, rows: usize, reply: oneshot::Sender<Result<Vec<Tensor>>>) -> Option<u64> {
        let Run { signature, inputs, outputs, deadline } = run;
        let most = self.signatures.get(&signature.name).map_or(rows, |(most, _)| *most);
        let waiter = Waiter { inputs, rows, arrived: Instant::now(), deadline, reply };
        let mut open = self.lock();
        let fits = |batch: &&mut Gathered| batch.takes(&signature, &outputs, &waiter);
        if let Some(batch) = open.batches.iter_mut().find(fits) {
            batch.rows += rows;
            batch.waiters.push(waiter);
            return None;
        }
        open.opened += 1;
        let id = open.opened;
        open.batches.push(Gathered { id, signature, outputs, waiters: vec![waiter], rows, most });
        Some(id)
    }

    /// The rows of an open batch, and whether it is full.
    pub(crate) fn look(&self, id: u64) -> (usize, bool) {
        let open = self.lock();
        let batch = open.batches.iter().find(|batch| batch.id == id);
        batch.map_or((0, true), |batch| (batch.rows, batch.rows >= batch.most))
    }

    /// Closes a batch, which its caller runs; `None` when it is closed already.
    pub(crate) fn take(&self, id: u64) -> Option<Gathered> {
        let mut open = self.lock();
        let place = open.batches.iter().position(|batch| batch.id == id)?;
        Some(open.batches.remove(place))
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a batch on this thread, answers everyone in it, and says how long the engine took when all went well.
    pub(crate) fn run(&self, engine: &dyn Engine, batch: Gathered) -> Option<Duration> {
        let Gathered { signature, outputs, waiters, .. } = batch;
        let waiters: Vec<Waiter> = waiters.into_iter().filter_map(Waiter::unless_gone).collect();
        let rows = waiters.iter().map(|waiter| waiter.rows).sum();
        if rows == 0 {
            return None;
        }
        let now = Instant::now();
        (self.observer)(&Ran {
            queued: waiters.iter().map(|waiter| now.saturating_duration_since(waiter.arrived)).collect(),
            input_rows: waiters.iter().map(|waiter| waiter.rows).collect(),
            run_rows: rows,
        });
        match self.together(engine, &signature, &outputs, &waiters, rows) {
            Ok((tensors, took)) => {
                give_back(waiters, &tensors);
                if let Some((_, pace)) = self.signatures.get(&signature.name) {
                    pace.learn(took);
                }
                Some(took)
            }
            // Nobody gets the error of another's row.
            Err(error) if waiters.len() > 1 && !is_of_time(&error) => {
                waiters.into_iter().for_each(|waiter| waiter.run_alone(engine, &signature, &outputs));
                None
            }
            Err(error) => {
                waiters.into_iter().for_each(|waiter| waiter.answer(Err(error.clone())));
                None
            }
        }
    }

    /// One run of all rows, and how long the engine took.
    fn together(
        &self,
        engine: &dyn Engine,
        signature: &Signature,
        outputs: &[usize],
        waiters: &[Waiter],
        rows: usize,
    ) -> Result<(Vec<Tensor>, Duration)> {
        let inputs = (0..signature.inputs.len()).map(|input| self.joined(waiters, input, rows));
        let inputs = inputs.collect::<Result<Vec<Tensor>>>()?;
        // A batch is worth running as long as anyone in it waits.
        let left = waiters.iter().map(|waiter| waiter.deadline.left());
        let timeout = left
            .map(|left| left.unwrap_or(Some(Duration::ZERO)))
            .try_fold(Duration::ZERO, |most, left| left.map(|left| most.max(left)));
        let began = Instant::now();
        let tensors = guarded(engine, &Call { signature, inputs: &inputs, outputs, timeout })?;
        let took = began.elapsed();
        if waiters.len() > 1 {
            rows::check_outputs(&tensors, rows)?;
        }
        Ok((tensors, took))
    }

    /// The rows of one input.
    fn joined(&self, waiters: &[Waiter], input: usize, rows: usize) -> Result<Tensor> {
        let parts = waiters.iter().map(|waiter| &waiter.inputs[input]);
        let first = &waiters[0].inputs[input];
        if waiters.len() == 1 || first.strings().is_some() {
            return rows::join(&parts.collect::<Vec<_>>(), 0);
        }
        let mut shape = Shape::from_slice(first.shape());
        shape[0] = rows;
        self.scratch.tensor(first.dtype(), &shape, parts.filter_map(|part| part.bytes().map(|bytes| &bytes[..])))
    }
}

impl Gathered {
    fn takes(&self, signature: &Arc<Signature>, outputs: &Outputs, waiter: &Waiter) -> bool {
        let Some(first) = self.waiters.first() else { return false };
        let is_alike =
            |(own, other): (&Tensor, &Tensor)| own.dtype() == other.dtype() && own.shape()[1..] == other.shape()[1..];
        self.rows + waiter.rows <= self.most
            && Arc::ptr_eq(&self.signature, signature)
            && self.outputs == *outputs
            && first.inputs.iter().zip(&waiter.inputs).all(is_alike)
    }

    /// Refuses everyone.
    pub(crate) fn refuse(self, error: &Error) {
        self.waiters.into_iter().for_each(|waiter| waiter.answer(Err(error.clone())));
    }
}

impl Waiter {
    fn answer(self, outputs: Result<Vec<Tensor>>) {
        let _ = self.reply.send(outputs); // nobody may wait any more
    }

    /// `None` when nobody waits any more: the client went away, or its time is up.
    fn unless_gone(self) -> Option<Waiter> {
        if self.reply.is_closed() {
            return None;
        }
        if self.deadline.left().is_err() {
            self.answer(Err(timed_out()));
            return None;
        }
        Some(self)
    }

    fn run_alone(self, engine: &dyn Engine, signature: &Signature, outputs: &[usize]) {
        let answer = self
            .deadline
            .left()
            .and_then(|timeout| guarded(engine, &Call { signature, inputs: &self.inputs, outputs, timeout }));
        self.answer(answer);
    }
}

fn give_back(mut waiters: Vec<Waiter>, tensors: &[Tensor]) {
    if waiters.len() == 1
        && let Some(only) = waiters.pop()
    {
        return only.answer(Ok(tensors.to_vec()));
    }
    let mut start = 0;
    for waiter in waiters {
        let rows = waiter.rows;
        waiter.answer(rows::slices(tensors, start, rows));
        start += rows;
    }
}

fn is_of_time(error: &Error) -> bool {
    matches!(error.kind, ErrorKind::DeadlineExceeded | ErrorKind::Cancelled)
}
