//! Threads that run slow models, and the bounded queue before them.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use taxiway_engine::{Error, ErrorKind, Result};

type Job = Box<dyn FnOnce() + Send>;

/// The pool. Dropping it lets the threads end once they have run what is queued.
pub(crate) struct Pool {
    queue: Arc<Queue>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    max_jobs: usize,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    idle: usize,
    closed: bool,
}

impl Pool {
    /// Starts `threads` threads called `name`, before which `max_queued` jobs may wait.
    ///
    /// # Errors
    /// `ResourceExhausted` when the system gives no thread.
    pub(crate) fn start(name: &str, threads: usize, max_queued: usize) -> Result<Pool> {
        let queue = Arc::new(Queue { state: Mutex::default(), changed: Condvar::new(), max_jobs: max_queued });
        let pool = Pool { queue: Arc::clone(&queue), threads: Mutex::default() };
        for number in 0..threads {
            let queue = Arc::clone(&queue);
            let thread = std::thread::Builder::new().name(format!("{name}-{number}"));
            let thread = thread.spawn(move || queue.work()).map_err(|error| {
                Error::new(ErrorKind::ResourceExhausted, format!("cannot start a compute thread: {error}"))
            })?;
            pool.threads().push(thread);
        }
        Ok(pool)
    }

    /// Queues a job.
    ///
    /// # Errors
    /// `Unavailable` when too many wait already, or the pool is closed: the request may be sent again, elsewhere.
    pub(crate) fn submit(&self, job: impl FnOnce() + Send + 'static) -> Result<()> {
        let mut state = self.queue.lock();
        if state.closed {
            return Err(Error::new(ErrorKind::Unavailable, "the server is stopping"));
        }
        // A job that an idle thread is about to take does not wait.
        if state.jobs.len() >= self.queue.max_jobs + state.idle {
            let waiting = self.queue.max_jobs;
            let message = format!("the server is busy: {waiting} requests wait for a compute thread; try again later");
            return Err(Error::new(ErrorKind::Unavailable, message));
        }
        state.jobs.push_back(Box::new(job));
        drop(state);
        self.queue.changed.notify_one();
        Ok(())
    }

    /// How many jobs wait.
    pub(crate) fn queued(&self) -> usize {
        self.queue.lock().jobs.len()
    }

    /// Takes no more jobs; the threads end once they have run what is queued.
    pub(crate) fn close(&self) {
        self.queue.lock().closed = true;
        self.queue.changed.notify_all();
    }

    /// Waits for the threads of a closed pool.
    pub(crate) fn join(&self) {
        let threads: Vec<_> = self.threads().drain(..).collect();
        for thread in threads {
            let ended = thread.join();
            debug_assert!(ended.is_ok(), "a compute thread panicked outside of a job");
        }
    }

    fn threads(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.close();
    }
}

impl Queue {
    fn work(&self) {
        while let Some(job) = self.next() {
            // Jobs catch the panics of engines themselves; whatever else panics must not cost a thread.
            let _ = catch_unwind(AssertUnwindSafe(job));
        }
    }

    fn next(&self) -> Option<Job> {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                return Some(job);
            }
            if state.closed {
                return None;
            }
            state.idle += 1;
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn the_queue_is_bounded_and_the_pool_survives_a_panic() {
        let pool = Pool::start("test", 1, 1).unwrap();
        pool.submit(|| panic!("a job's own fault")).unwrap();
        let (started, has_started) = mpsc::channel();
        let (gate, opened) = mpsc::channel::<()>();
        // The thread may still be about to run the first job, which then fills the queue.
        while pool.queued() > 0 {
            std::thread::yield_now();
        }
        pool.submit(move || {
            started.send(()).unwrap();
            opened.recv().unwrap_err();
        })
        .unwrap();
        has_started.recv().unwrap();
        pool.submit(|| ()).unwrap();
        let refused = pool.submit(|| ()).unwrap_err();
        assert_eq!((refused.kind, pool.queued()), (ErrorKind::Unavailable, 1));
        drop(gate);
        pool.close();
        pool.join();
        assert_eq!(pool.queued(), 0);
        assert_eq!(pool.submit(|| ()).unwrap_err().kind, ErrorKind::Unavailable);
    }
}
