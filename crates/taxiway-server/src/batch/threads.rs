//! The threads that run batches, shared by all models and fair between their queues.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use taxiway_engine::{Error, ErrorKind, Result};

use super::queue::{Batch, Queue};
use super::run::Lane;
use super::task::Task;
use crate::threads::{LAST_RUNS, join_within};

/// What requests must share to run together, within one loaded version.
pub(super) type Key = (u64, Arc<str>);

/// Threads that take batches from queues in turn.
pub struct BatchThreads {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    queues: BTreeMap<Key, (Arc<Lane>, Queue<Task>)>,
    /// The queue that was served last; the search goes on behind it.
    served: Option<Key>,
    stopped: bool,
}

impl BatchThreads {
    /// Starts `count` threads.
    ///
    /// # Errors
    /// `ResourceExhausted` when the machine gives no more threads.
    pub fn start(count: usize) -> Result<BatchThreads> {
        let shared = Arc::new(Shared { state: Mutex::default(), changed: Condvar::new() });
        let threads = (0..count.max(1))
            .map(|index| {
                let shared = Arc::clone(&shared);
                std::thread::Builder::new().name(format!("taxiway-batch-{index}")).spawn(move || shared.serve())
            })
            .collect::<std::io::Result<_>>()
            .map_err(|error| Error::new(ErrorKind::ResourceExhausted, format!("no threads for batching: {error}")))?;
        Ok(BatchThreads { shared, threads: Mutex::new(threads) })
    }

    /// Queues a request, cut into parts where that is wanted: all of it, or its caller gets the refusal.
    pub(super) fn push(&self, key: Key, lane: &Arc<Lane>, task: Task) {
        let now = task.arrived;
        let mut state = self.shared.lock();
        if state.stopped {
            drop(state);
            return task.answer(Err(Error::new(ErrorKind::Unavailable, "the server is stopping")));
        }
        let (_, queue) = state.queues.entry(key).or_insert_with(|| (Arc::clone(lane), Queue::new(&lane.params)));
        let refused = queue.push(lane.parts(task, queue.room()), now).err();
        drop(state);
        match refused {
            Some((error, tasks)) => tasks.into_iter().for_each(|task| task.answer(Err(error.clone()))),
            None => self.shared.changed.notify_one(),
        }
    }

    /// Forgets the queues of a loaded version; what waits in them is refused. A version is unloaded when no request
    /// holds it, so that nothing waits then.
    pub(super) fn forget(&self, version: u64) {
        let mut state = self.shared.lock();
        let keys: Vec<Key> = state.queues.keys().filter(|key| key.0 == version).cloned().collect();
        let gone: Vec<Task> = keys
            .iter()
            .filter_map(|key| state.queues.remove(key))
            .flat_map(|(_, mut q)| q.drain().collect::<Vec<_>>())
            .collect();
        drop(state);
        gone.into_iter()
            .for_each(|task| task.answer(Err(Error::new(ErrorKind::Unavailable, "the version was unloaded"))));
    }
}

impl Drop for BatchThreads {
    fn drop(&mut self) {
        self.shared.lock().stopped = true;
        self.shared.changed.notify_all();
        let threads = std::mem::take(self.threads.get_mut().unwrap_or_else(PoisonError::into_inner));
        join_within(threads, LAST_RUNS);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self) {
        let mut state = self.lock();
        loop {
            let now = Instant::now();
            if let Some((lane, batch)) = state.take(now) {
                drop(state);
                lane.run(batch, now);
                state = self.lock();
                continue;
            }
            if state.stopped && state.queues.is_empty() {
                return;
            }
            state = match state.next_due(now) {
                Some(wait) => {
                    self.changed.wait_timeout(state, wait).map_or_else(|e| e.into_inner().0, |(state, _)| state)
                }
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

impl State {
    /// The next batch that may run, from the first queue behind the one served last. A queue that is empty then goes.
    fn take(&mut self, now: Instant) -> Option<(Arc<Lane>, Batch<Task>)> {
        // A server that stops waits for no company.
        let now = if self.stopped { now + Duration::from_secs(3600) } else { now };
        let is_due = |(_, (_, queue)): &(&Key, &(_, Queue<Task>))| queue.due().is_some_and(|due| due <= now);
        let behind = (self.served.as_ref().map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        let found = self.queues.range(behind).find(is_due).or_else(|| self.queues.iter().find(is_due));
        let key = found?.0.clone();
        let (lane, queue) = self.queues.get_mut(&key)?;
        let (lane, batch) = (Arc::clone(lane), queue.take(now)?);
        if queue.is_empty() {
            self.queues.remove(&key);
        }
        self.served = Some(key);
        Some((lane, batch))
    }

    fn next_due(&self, now: Instant) -> Option<Duration> {
        let due = self.queues.values().filter_map(|(_, queue)| queue.due()).min()?;
        Some(due.saturating_duration_since(now))
    }
}
