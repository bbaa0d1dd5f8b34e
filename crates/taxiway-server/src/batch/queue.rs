//! One queue of batches: which request joins which batch, and when a batch may run. Pure: time is handed in.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use taxiway_engine::{Error, ErrorKind, Result};

use super::params::BatchParams;

/// What waits in a queue: it has rows, and perhaps a time after which nobody wants the answer.
pub(super) trait Waiting {
    /// How many rows it brings.
    fn rows(&self) -> usize;
    /// When its caller stops waiting.
    fn deadline(&self) -> Option<Instant>;
}

/// Requests that run together.
#[derive(Debug)]
pub(super) struct Batch<T> {
    /// In the order of their arrival.
    pub(super) tasks: Vec<T>,
    /// The sum of their rows.
    pub(super) rows: usize,
    opened: Instant,
}

/// Batches in the order in which they will run. Only the last takes more requests.
#[derive(Debug)]
pub(super) struct Queue<T> {
    batches: VecDeque<Batch<T>>,
    rows_per_run: usize,
    max_enqueued_batches: usize,
    timeout: Duration,
}

impl<T: Waiting> Queue<T> {
    /// An empty queue.
    pub(super) fn new(params: &BatchParams) -> Queue<T> {
        Queue {
            batches: VecDeque::new(),
            rows_per_run: params.rows_per_run(),
            max_enqueued_batches: params.max_enqueued_batches,
            timeout: params.timeout(),
        }
    }

    /// How many rows the open batch still takes.
    pub(super) fn room(&self) -> usize {
        self.batches.back().map_or(0, |batch| self.rows_per_run.saturating_sub(batch.rows))
    }

    /// Adds requests, each of at most the rows of one run: all of them or, when one finds no place, none.
    ///
    /// # Errors
    /// `Unavailable`, with TensorFlow Serving's text, when more batches would wait than may. The requests come back.
    pub(super) fn push(&mut self, tasks: Vec<T>, now: Instant) -> Result<(), (Error, Vec<T>)> {
        let new_batches = self.batches_opened_by(&tasks);
        if new_batches > 0 && self.batches.len() + new_batches > self.max_enqueued_batches {
            let message = format!(
                "The batch scheduling queue to which this task was submitted is full; currently {} batches enqueued and \
                 max_enqueued_batches is {}",
                self.batches.len(),
                self.max_enqueued_batches
            );
            return Err((Error::new(ErrorKind::Unavailable, message), tasks));
        }
        for task in tasks {
            if self.batches.is_empty() || task.rows() > self.room() {
                self.batches.push_back(Batch { tasks: Vec::new(), rows: 0, opened: now });
            }
            if let Some(open) = self.batches.back_mut() {
                open.rows += task.rows();
                open.tasks.push(task);
            }
        }
        Ok(())
    }

    fn batches_opened_by(&self, tasks: &[T]) -> usize {
        let mut room = if self.batches.is_empty() { None } else { Some(self.room()) };
        let mut opened = 0;
        for task in tasks {
            let left = match room.filter(|&room| task.rows() <= room) {
                Some(room) => room,
                None => {
                    opened += 1;
                    self.rows_per_run
                }
            };
            room = Some(left.saturating_sub(task.rows()));
        }
        opened
    }

    /// Takes the first batch when it may run: it is full, is followed by another, or has waited long enough.
    pub(super) fn take(&mut self, now: Instant) -> Option<Batch<T>> {
        self.due().filter(|&due| due <= now)?;
        self.batches.pop_front()
    }

    /// When the first batch may run; `None` when there is none. A batch also runs once a caller in it would give up.
    pub(super) fn due(&self) -> Option<Instant> {
        let first = self.batches.front()?;
        if self.batches.len() > 1 || first.rows >= self.rows_per_run {
            return Some(first.opened);
        }
        let waited = first.opened + self.timeout;
        let given_up = first.tasks.iter().filter_map(Waiting::deadline).min();
        Some(given_up.map_or(waited, |deadline| deadline.min(waited)))
    }

    /// Takes everything that waits, as when the model is unloaded.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = T> {
        std::mem::take(&mut self.batches).into_iter().flat_map(|batch| batch.tasks)
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::super::params::tests::params;
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, Clone, Copy, PartialEq)]
    struct Rows(usize, Option<Instant>);

    impl Waiting for Rows {
        fn rows(&self) -> usize {
            self.0
        }
        fn deadline(&self) -> Option<Instant> {
            self.1
        }
    }

    fn waits(micros: u64, max_batch_size: usize, max_enqueued_batches: usize) -> BatchParams {
        BatchParams { batch_timeout_micros: micros, max_enqueued_batches, ..params(max_batch_size) }
    }

    #[test]
    fn without_a_timeout_a_free_thread_takes_what_has_gathered() {
        let now = Instant::now();
        let mut queue = Queue::new(&params(8));
        assert!(queue.take(now).is_none());
        queue.push(vec![Rows(2, None)], now).unwrap();
        queue.push(vec![Rows(3, None)], now).unwrap();
        assert_eq!(queue.take(now).unwrap().rows, 5);
        assert!(queue.is_empty());
    }

    // tfs: batch-timeout
    #[test]
    fn with_one_a_batch_waits_until_it_is_full_or_old() {
        let now = Instant::now();
        let later = now + Duration::from_micros(50);
        let mut queue = Queue::new(&waits(50, 4, 10));
        queue.push(vec![Rows(1, None)], now).unwrap();
        assert!(queue.take(now).is_none());
        assert_eq!(queue.due(), Some(later));
        assert_eq!(queue.take(later).unwrap().rows, 1);
        queue.push(vec![Rows(4, None)], now).unwrap();
        assert_eq!(queue.take(now).unwrap().rows, 4);
    }

    #[test]
    fn a_batch_does_not_outwait_its_callers() {
        let now = Instant::now();
        let soon = now + Duration::from_micros(5);
        let mut queue = Queue::new(&waits(1_000_000, 4, 10));
        queue.push(vec![Rows(1, Some(soon))], now).unwrap();
        assert_eq!(queue.due(), Some(soon));
    }

    // tfs: batch-enqueued
    #[test]
    fn a_full_queue_refuses_and_keeps_what_it_has() {
        let now = Instant::now();
        let mut queue = Queue::new(&waits(1_000_000, 2, 1));
        queue.push(vec![Rows(2, None)], now).unwrap();
        let (error, back) = queue.push(vec![Rows(1, None)], now).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unavailable);
        assert!(error.message.ends_with("currently 1 batches enqueued and max_enqueued_batches is 1"), "{error}");
        assert_eq!(back, [Rows(1, None)]);
        assert_eq!(queue.batches.len(), 1);
    }

    #[test]
    fn parts_of_one_request_enter_together_or_not_at_all() {
        let now = Instant::now();
        let mut queue = Queue::new(&waits(1_000_000, 2, 2));
        queue.push(vec![Rows(1, None)], now).unwrap();
        assert!(queue.push(vec![Rows(1, None), Rows(2, None), Rows(2, None)], now).is_err());
        assert_eq!((queue.batches.len(), queue.room()), (1, 1));
        queue.push(vec![Rows(1, None), Rows(2, None)], now).unwrap();
        assert_eq!(queue.batches.len(), 2);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_reordered_or_too_large(sizes in proptest::collection::vec(0usize..5, 0..40)) {
            let now = Instant::now();
            let mut queue = Queue::new(&waits(0, 4, 1000));
            for &rows in &sizes {
                queue.push(vec![Rows(rows, None)], now).unwrap();
            }
            let mut seen = Vec::new();
            while let Some(batch) = queue.take(now) {
                prop_assert!(batch.rows <= 4);
                prop_assert_eq!(batch.rows, batch.tasks.iter().map(|task| task.0).sum::<usize>());
                seen.extend(batch.tasks.iter().map(|task| task.0));
            }
            prop_assert_eq!(seen, sizes);
        }
    }
}
