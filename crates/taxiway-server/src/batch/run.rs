//! Running a batch: join the rows, call the engine once, give each caller its own rows back.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use taxiway_engine::{Call, Engine, Error, Result, Signature, Tensor};

use super::params::BatchParams;
use super::queue::Batch;
use super::rows;
use super::task::Task;

/// What is told of each batch that ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// How long each request waited in its queue.
    pub queued: Vec<Duration>,
    /// The rows of each request.
    pub input_rows: Vec<usize>,
    /// The rows that ran, filling included.
    pub run_rows: usize,
}

/// Who is told of each batch that ran.
pub type Observer = Arc<dyn Fn(&Ran) + Send + Sync>;

/// What one queue runs: a signature of a loaded version, and some of its outputs.
pub(super) struct Lane {
    pub(super) engine: Arc<dyn Engine>,
    pub(super) signature: Arc<Signature>,
    pub(super) outputs: Vec<usize>,
    pub(super) params: Arc<BatchParams>,
    pub(super) observer: Observer,
}

impl Lane {
    /// The request as it enters the queue, whose open batch has room for `room` more rows.
    pub(super) fn parts(&self, task: Task, room: usize) -> Vec<Task> {
        match self.params.enable_large_batch_splitting {
            true => task.split(room, self.params.rows_per_run()),
            false => vec![task],
        }
    }

    /// Runs a batch and answers every caller in it.
    pub(super) fn run(&self, batch: Batch<Task>, now: Instant) {
        let tasks: Vec<Task> = batch.tasks.into_iter().filter_map(|task| task.unless_expired(now)).collect();
        if tasks.is_empty() {
            return;
        }
        // A batch is worth running as long as anyone in it waits.
        let deadline = tasks.iter().map(|task| task.deadline).try_fold(now, |latest, d| d.map(|d| d.max(latest)));
        let outputs = self.outputs_of(&tasks, now, deadline.map(|deadline| deadline - now));
        match outputs {
            Ok(outputs) => give_back(tasks, &outputs),
            Err(error) => tasks.into_iter().for_each(|task| task.answer(Err(error.clone()))),
        }
    }

    fn outputs_of(&self, tasks: &[Task], now: Instant, timeout: Option<Duration>) -> Result<Vec<Tensor>> {
        let run_rows = self.params.padded(tasks.iter().map(|task| task.rows).sum());
        let inputs = (0..self.signature.inputs.len())
            .map(|input| self.joined(&tasks.iter().map(|task| &task.inputs[input]).collect::<Vec<_>>(), run_rows))
            .collect::<Result<Vec<Tensor>>>()?;
        (self.observer)(&Ran {
            queued: tasks.iter().map(|task| now.saturating_duration_since(task.arrived)).collect(),
            input_rows: tasks.iter().map(|task| task.rows).collect(),
            run_rows,
        });
        let ran_rows = rows::count(&inputs)?;
        let call = Call { signature: &self.signature, inputs: &inputs, outputs: &self.outputs, timeout };
        let outputs = catch_unwind(AssertUnwindSafe(|| self.engine.run(&call)))
            .unwrap_or_else(|_| Err(Error::internal("the engine panicked while it ran a batch")))?;
        rows::check_outputs(&outputs, ran_rows)?;
        Ok(outputs)
    }

    /// The rows of one input, padded to one shape where the parameters say so.
    fn joined(&self, parts: &[&Tensor], run_rows: usize) -> Result<Tensor> {
        let rank = parts.first().map_or(0, |part| part.shape().len());
        if !self.params.pad_variable_length_inputs
            || parts.iter().all(|part| part.shape()[1..] == parts[0].shape()[1..])
        {
            return rows::join(parts, run_rows);
        }
        let extents: Vec<usize> =
            (1..rank).map(|axis| parts.iter().map(|part| part.shape()[axis]).max().unwrap_or(0)).collect();
        let padded = parts.iter().map(|part| rows::pad(part, &extents)).collect::<Result<Vec<Tensor>>>()?;
        rows::join(&padded.iter().collect::<Vec<_>>(), run_rows)
    }
}

fn give_back(tasks: Vec<Task>, outputs: &[Tensor]) {
    let mut start = 0;
    for task in tasks {
        let rows = task.rows;
        task.answer(rows::slices(outputs, start, rows));
        start += rows;
    }
}
