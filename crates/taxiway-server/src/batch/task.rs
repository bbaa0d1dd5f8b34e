//! One caller's rows in a queue, and the way its answer goes back, whole or from several runs.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use taxiway_engine::{Error, ErrorKind, Result, Tensor};

use super::queue::Waiting;
use super::rows;

/// Takes the outputs of a request, once.
pub type Reply = Box<dyn FnOnce(Result<Vec<Tensor>>) + Send>;

/// Rows that wait to be run.
pub(super) struct Task {
    /// One tensor for each input of the signature, all with `rows` rows.
    pub(super) inputs: Vec<Tensor>,
    /// How many rows.
    pub(super) rows: usize,
    /// When they came.
    pub(super) arrived: Instant,
    /// When their caller stops waiting.
    pub(super) deadline: Option<Instant>,
    reply: Reply,
}

impl Waiting for Task {
    fn rows(&self) -> usize {
        self.rows
    }

    fn deadline(&self) -> Option<Instant> {
        self.deadline
    }
}

impl Task {
    /// Rows that came at `arrived`.
    pub(super) fn new(
        inputs: Vec<Tensor>,
        rows: usize,
        arrived: Instant,
        deadline: Option<Instant>,
        reply: Reply,
    ) -> Task {
        Task { inputs, rows, arrived, deadline, reply }
    }

    /// Sends the answer.
    pub(super) fn answer(self, outputs: Result<Vec<Tensor>>) {
        (self.reply)(outputs);
    }

    /// Refuses the request when its caller has stopped waiting; gives it back when not.
    pub(super) fn unless_expired(self, now: Instant) -> Option<Task> {
        if self.deadline.is_none_or(|deadline| deadline > now) {
            return Some(self);
        }
        let message = "Run() timeout exceeded while waiting in batching queue";
        self.answer(Err(Error::new(ErrorKind::ResourceExhausted, message)));
        None
    }

    /// Cuts the request into a part of at most `first` rows (0: none) and parts of at most `most` rows. The caller is
    /// answered when every part is, with the parts joined in order, or with the first error.
    pub(super) fn split(self, first: usize, most: usize) -> Vec<Task> {
        let cuts = cuts(self.rows, first, most);
        if cuts.len() <= 1 {
            return vec![self];
        }
        let cut = |&(start, rows): &(usize, usize)| rows::slices(&self.inputs, start, rows);
        let inputs: Vec<Vec<Tensor>> = match cuts.iter().map(cut).collect::<Result<_>>() {
            Ok(inputs) => inputs,
            Err(error) => {
                self.answer(Err(error));
                return Vec::new();
            }
        };
        let join = Arc::new(Mutex::new(Join { parts: vec![None; cuts.len()], reply: Some(self.reply) }));
        cuts.into_iter()
            .zip(inputs)
            .enumerate()
            .map(|(index, ((_, rows), inputs))| {
                let join = Arc::clone(&join);
                let reply: Reply = Box::new(move |outputs| Join::put(&join, index, outputs));
                Task::new(inputs, rows, self.arrived, self.deadline, reply)
            })
            .collect()
    }
}

/// Where `rows` rows are cut: (start, rows) of each part.
fn cuts(rows: usize, first: usize, most: usize) -> Vec<(usize, usize)> {
    let mut cuts = Vec::new();
    let mut start = 0;
    while start < rows {
        let room = if start == 0 && first > 0 { first.min(most) } else { most };
        let part = room.max(1).min(rows - start);
        cuts.push((start, part));
        start += part;
    }
    cuts
}

/// The parts of one answer, collected.
struct Join {
    parts: Vec<Option<Vec<Tensor>>>,
    reply: Option<Reply>,
}

impl Join {
    fn put(join: &Mutex<Join>, index: usize, outputs: Result<Vec<Tensor>>) {
        let mut held = join.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = match outputs {
            Err(error) => Some(Err(error)),
            Ok(outputs) => {
                held.parts[index] = Some(outputs);
                held.parts.iter().all(Option::is_some).then(|| held.joined())
            }
        };
        let Some(answer) = answer else { return };
        let reply = held.reply.take(); // a second error finds the caller answered
        drop(held);
        if let Some(reply) = reply {
            reply(answer);
        }
    }

    fn joined(&mut self) -> Result<Vec<Tensor>> {
        let parts: Vec<Vec<Tensor>> = self.parts.iter_mut().filter_map(Option::take).collect();
        let outputs = parts.first().map_or(0, Vec::len);
        (0..outputs).map(|output| rows::join(&parts.iter().map(|part| &part[output]).collect::<Vec<_>>(), 0)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    fn task(rows: usize) -> (Task, mpsc::Receiver<Result<Vec<Tensor>>>) {
        let values: Vec<f32> = (0..rows).map(|row| row as f32).collect();
        let (send, receive) = mpsc::channel();
        let reply: Reply = Box::new(move |outputs| send.send(outputs).unwrap());
        (Task::new(vec![Tensor::from_values([rows], &values).unwrap()], rows, Instant::now(), None, reply), receive)
    }

    #[test]
    fn parts_come_back_as_one_answer_in_order() {
        let (whole, receive) = task(7);
        let expected = whole.inputs.clone();
        let parts = whole.split(1, 4);
        assert_eq!(parts.iter().map(|part| part.rows).collect::<Vec<_>>(), [1, 4, 2]);
        for part in parts.into_iter().rev() {
            assert!(receive.try_recv().is_err());
            let outputs = part.inputs.clone();
            part.answer(Ok(outputs));
        }
        assert_eq!(receive.try_recv().unwrap(), Ok(expected));
    }

    #[test]
    fn the_first_error_answers_once() {
        let (whole, receive) = task(4);
        for part in whole.split(0, 2) {
            part.answer(Err(Error::invalid("no")));
        }
        assert_eq!(receive.try_recv().unwrap(), Err(Error::invalid("no")));
        assert!(receive.try_recv().is_err());
    }

    // tfs: batch-expired err-queue-timeout
    #[test]
    fn a_request_whose_caller_has_gone_is_refused() {
        let (mut late, receive) = task(1);
        let now = Instant::now();
        late.deadline = Some(now);
        assert!(late.unless_expired(now).is_none());
        assert_eq!(receive.try_recv().unwrap().unwrap_err().kind, ErrorKind::ResourceExhausted);
        assert!(task(1).0.unless_expired(now).is_some());
    }
}
