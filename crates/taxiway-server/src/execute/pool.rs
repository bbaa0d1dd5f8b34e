//! Threads that run slow models, and the bounded queues before them.
//!
//! A version on trial, to which a rollout leads some of the traffic, may hang. It must not take the threads of the version
//! that it would replace: for each of its runs that goes on for too long another thread stands in, and while as many hang
//! as the pool has threads, no more of its runs begin. Until then its requests wait their turn like all others, so that
//! trial and control are served alike.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use taxiway_engine::{Error, ErrorKind, Result};

/// How long a run of a version on trial may hold a thread before another stands in.
const HANGS_AFTER: Duration = Duration::from_secs(1);

type Work = Box<dyn FnOnce() + Send>;

struct Job {
    work: Work,
    on_trial: bool,
}

/// The pool. Dropping it lets the threads end once they have run what is queued.
pub(crate) struct Pool {
    queue: Arc<Queue>,
    name: String,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    size: usize,
    max_jobs: usize,
    hangs_after: Duration,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    /// Those of versions on trial that were at the head while too many of theirs hung.
    held_back: VecDeque<Job>,
    /// When the runs of versions on trial began.
    trials: Vec<Instant>,
    threads: usize,
    idle: usize,
    closed: bool,
}

impl Pool {
    /// Starts `threads` threads called `name`, before which `max_queued` jobs may wait.
    ///
    /// # Errors
    /// `ResourceExhausted` when the system gives no thread.
    pub(crate) fn start(name: &str, threads: usize, max_queued: usize) -> Result<Pool> {
        Pool::start_with(name, threads, max_queued, HANGS_AFTER)
    }

    fn start_with(name: &str, threads: usize, max_jobs: usize, hangs_after: Duration) -> Result<Pool> {
        let state = Mutex::new(State { threads, ..State::default() });
        let queue = Arc::new(Queue { state, changed: Condvar::new(), size: threads, max_jobs, hangs_after });
        let pool = Pool { queue, name: name.to_owned(), threads: Mutex::default() };
        (0..threads).try_for_each(|_| pool.spawn())?;
        Ok(pool)
    }

    fn spawn(&self) -> Result<()> {
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        threads.retain(|thread| !thread.is_finished());
        let queue = Arc::clone(&self.queue);
        let thread = std::thread::Builder::new().name(format!("{}-{}", self.name, threads.len()));
        let thread = thread.spawn(move || queue.work()).map_err(|error| {
            Error::new(ErrorKind::ResourceExhausted, format!("cannot start a compute thread: {error}"))
        })?;
        threads.push(thread);
        Ok(())
    }

    /// Queues a job, which may be one of a version on trial.
    ///
    /// # Errors
    /// `Unavailable` when too many wait already, or the pool is closed: the request may be sent again, elsewhere.
    pub(crate) fn submit(&self, on_trial: bool, work: impl FnOnce() + Send + 'static) -> Result<()> {
        let mut state = self.queue.lock();
        if state.closed {
            return Err(Error::new(ErrorKind::Unavailable, "the server is stopping"));
        }
        // A job that an idle thread is about to take does not wait. What is held back takes nobody else's place.
        let waiting = if on_trial { state.jobs.len() + state.held_back.len() } else { state.jobs.len() };
        if waiting >= self.queue.max_jobs + state.idle {
            let waiting = self.queue.max_jobs;
            let message = format!("the server is busy: {waiting} requests wait for a compute thread; try again later");
            return Err(Error::new(ErrorKind::Unavailable, message));
        }
        state.jobs.push_back(Job { work: Box::new(work), on_trial });
        let stands_in = state.idle == 0 && state.threads < self.queue.size + self.queue.hanging(&state);
        state.threads += usize::from(stands_in);
        drop(state);
        self.queue.changed.notify_one();
        if stands_in && self.spawn().is_err() {
            // The system gives no thread now: the job waits for one of the others, and the next one asks again.
            self.queue.lock().threads -= 1;
        }
        Ok(())
    }

    /// How many jobs wait.
    pub(crate) fn queued(&self) -> usize {
        let state = self.queue.lock();
        state.jobs.len() + state.held_back.len()
    }

    /// Takes no more jobs; the threads end once they have run what is queued.
    pub(crate) fn close(&self) {
        self.queue.lock().closed = true;
        self.queue.changed.notify_all();
    }

    /// Waits for the threads of a closed pool.
    pub(crate) fn join(&self) {
        let threads: Vec<_> = self.threads.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect();
        for thread in threads {
            let ended = thread.join();
            debug_assert!(ended.is_ok(), "a compute thread panicked outside of a job");
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.close();
    }
}

impl Queue {
    fn work(&self) {
        while let Some((work, trial)) = self.next() {
            // Jobs catch the panics of engines themselves; whatever else panics must not cost a thread.
            let _ = catch_unwind(AssertUnwindSafe(work));
            if let Some(began) = trial {
                let mut state = self.lock();
                let place = state.trials.iter().position(|&other| other == began);
                place.map(|place| state.trials.swap_remove(place));
            }
        }
    }

    /// The next job, and when it began if it is one of a version on trial. None when this thread is to end: the pool is
    /// closed, or the run that it stood in for is over.
    fn next(&self) -> Option<(Work, Option<Instant>)> {
        let mut state = self.lock();
        loop {
            if state.threads > self.size && state.threads > self.size + self.hanging(&state) {
                break;
            }
            if let Some(Job { work, on_trial }) = self.take(&mut state) {
                let began = on_trial.then(Instant::now);
                state.trials.extend(began);
                return Some((work, began));
            }
            if state.closed {
                break;
            }
            state.idle += 1;
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
        state.threads -= 1;
        drop(state);
        // Whoever was told of a job that this thread no longer takes.
        self.changed.notify_one();
        None
    }

    fn take(&self, state: &mut State) -> Option<Job> {
        let all_hang = !state.closed && self.hanging(state) >= self.size;
        if !all_hang && let Some(job) = state.held_back.pop_front() {
            return Some(job);
        }
        while let Some(job) = state.jobs.pop_front() {
            if !(all_hang && job.on_trial) {
                return Some(job);
            }
            state.held_back.push_back(job);
        }
        None
    }

    /// How many runs of versions on trial have gone on for too long.
    fn hanging(&self, state: &State) -> usize {
        state.trials.iter().filter(|began| began.elapsed() >= self.hangs_after).count()
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
        pool.submit(false, || panic!("a job's own fault")).unwrap();
        let (started, has_started) = mpsc::channel();
        let (gate, opened) = mpsc::channel::<()>();
        // The thread may still be about to run the first job, which then fills the queue.
        while pool.queued() > 0 {
            std::thread::yield_now();
        }
        pool.submit(false, move || {
            started.send(()).unwrap();
            opened.recv().unwrap_err();
        })
        .unwrap();
        has_started.recv().unwrap();
        pool.submit(false, || ()).unwrap();
        let refused = pool.submit(false, || ()).unwrap_err();
        assert_eq!((refused.kind, pool.queued()), (ErrorKind::Unavailable, 1));
        drop(gate);
        pool.close();
        pool.join();
        assert_eq!(pool.queued(), 0);
        assert_eq!(pool.submit(false, || ()).unwrap_err().kind, ErrorKind::Unavailable);
    }

    /// A job that tells that it began, and ends when the gate is dropped.
    fn held(pool: &Pool, on_trial: bool) -> (mpsc::Receiver<()>, mpsc::Sender<()>) {
        let (started, has_started) = mpsc::channel();
        let (gate, opened) = mpsc::channel::<()>();
        let job = move || {
            started.send(()).unwrap();
            opened.recv().unwrap_err();
        };
        pool.submit(on_trial, job).unwrap();
        (has_started, gate)
    }

    #[test]
    fn runs_of_a_version_on_trial_that_hang_leave_the_others_their_threads() {
        let pool = Pool::start_with("test", 2, 3, Duration::ZERO).unwrap();
        // As many as there are threads hang, one of which stood in meanwhile.
        let hung: Vec<_> = (0..2).map(|_| held(&pool, true)).collect();
        hung.iter().for_each(|(started, _)| started.recv().unwrap());

        let waits = held(&pool, true);
        let (answered, answer) = mpsc::channel();
        pool.submit(false, move || answered.send(()).unwrap()).unwrap();
        answer.recv().unwrap();
        assert!(waits.0.try_recv().is_err(), "a third run of the version on trial began");
        assert_eq!(pool.queued(), 1);

        drop(hung);
        waits.0.recv().unwrap();
        drop(waits);
        let (last, is_last) = mpsc::channel();
        pool.submit(false, move || last.send(()).unwrap()).unwrap();
        is_last.recv().unwrap();
        while pool.queue.lock().threads > 2 {
            std::thread::yield_now();
        }
        pool.close();
        pool.join();
        assert_eq!((pool.queued(), pool.queue.lock().threads), (0, 0));
    }

    #[test]
    fn runs_on_trial_that_do_not_hang_are_like_all_others() {
        let pool = Pool::start("test", 2, 3).unwrap();
        let running: Vec<_> = (0..2).map(|_| held(&pool, true)).collect();
        running.iter().for_each(|(started, _)| started.recv().unwrap());
        let next = held(&pool, false);
        assert_eq!((pool.queued(), pool.queue.lock().threads), (1, 2));
        drop(running);
        next.0.recv().unwrap();
    }
}
