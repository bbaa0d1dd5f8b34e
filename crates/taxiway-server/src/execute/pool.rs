//! Threads that run slow models, and the bounded queues before them.
//!
//! A version on trial, to which a rollout leads some of the traffic, may hang. It must not take the threads of the version
//! that it would replace: for each of its runs that goes on for too long another thread stands in, and while as many of
//! them hang as the pool has threads, no more begin. Until then its requests wait their turn like all others, so that
//! trial and control are served alike.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use taxiway_engine::{Error, ErrorKind, Result};

use crate::threads::join_within;

/// How long a run of a version on trial may hold a thread before another stands in.
const HANGS_AFTER: Duration = Duration::from_secs(1);

/// How long the watch waits at least between two looks.
const SHORTEST_WATCH: Duration = Duration::from_millis(1);

type Work = Box<dyn FnOnce() + Send>;

struct Job {
    work: Work,
    trial: Option<Version>,
}

/// A loaded version that is on trial, by its id.
type Version = u64;

/// A run of a version on trial, and when it began.
#[derive(Clone, Copy, PartialEq)]
struct Trial {
    version: Version,
    began: Instant,
}

/// The pool. Dropping it lets the threads end once they have run what is queued.
pub(crate) struct Pool {
    queue: Arc<Queue>,
}

struct Queue {
    name: String,
    handles: Mutex<Vec<JoinHandle<()>>>,
    state: Mutex<State>,
    changed: Condvar,
    /// Wakes who watches the trials.
    tried: Condvar,
    size: usize,
    max_jobs: usize,
    hangs_after: Duration,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    /// Those of versions on trial that were at the head while too many of theirs hung.
    held_back: VecDeque<Job>,
    trials: Vec<Trial>,
    watched: bool,
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
        let queue = Arc::new(Queue {
            name: name.to_owned(),
            handles: Mutex::default(),
            state: Mutex::new(State { threads, ..State::default() }),
            changed: Condvar::new(),
            tried: Condvar::new(),
            size: threads,
            max_jobs,
            hangs_after,
        });
        let pool = Pool { queue };
        (0..threads).try_for_each(|_| Queue::spawn(&pool.queue, Queue::work))?;
        Ok(pool)
    }

    /// Queues a job, which may be one of a version on `trial`.
    ///
    /// # Errors
    /// `Unavailable` when too many wait already, or the pool is closed: the request may be sent again, elsewhere.
    pub(crate) fn submit(&self, trial: Option<Version>, work: impl FnOnce() + Send + 'static) -> Result<()> {
        let mut state = self.queue.lock();
        if state.closed {
            return Err(Error::new(ErrorKind::Unavailable, "the server is stopping"));
        }
        // A job that an idle thread is about to take does not wait. What is held back takes nobody else's place.
        let waiting = state.jobs.len() + if trial.is_some() { state.held_back.len() } else { 0 };
        if waiting >= self.queue.max_jobs + state.idle {
            return Err(self.is_busy());
        }
        state.jobs.push_back(Job { work: Box::new(work), trial });
        let watch = trial.is_some() && !std::mem::replace(&mut state.watched, true);
        drop(state);
        self.queue.changed.notify_one();
        if watch && Queue::spawn(&self.queue, |queue| Queue::watch(&queue)).is_err() {
            // The system gives no thread now; the next job of a version on trial asks again.
            self.queue.lock().watched = false;
        }
        Ok(())
    }

    /// What a request is told that would be one too many to wait.
    pub(crate) fn is_busy(&self) -> Error {
        let waiting = self.queue.max_jobs;
        let message = format!("the server is busy: {waiting} requests wait for a compute thread; try again later");
        Error::new(ErrorKind::Unavailable, message)
    }

    /// How many may wait.
    pub(crate) fn max_queued(&self) -> usize {
        self.queue.max_jobs
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
        self.queue.tried.notify_all();
    }

    /// Waits for the threads of a closed pool, and returns whether they ended in time.
    pub(crate) fn join(&self, time: Duration) -> bool {
        let threads = std::mem::take(&mut *self.queue.handles.lock().unwrap_or_else(PoisonError::into_inner));
        join_within(threads, time)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.close();
    }
}

impl Queue {
    fn spawn(queue: &Arc<Queue>, what: impl FnOnce(Arc<Queue>) + Send + 'static) -> Result<()> {
        let mut handles = queue.handles.lock().unwrap_or_else(PoisonError::into_inner);
        handles.retain(|thread| !thread.is_finished());
        let thread = std::thread::Builder::new().name(format!("{}-{}", queue.name, handles.len()));
        let own = Arc::clone(queue);
        let thread = thread.spawn(move || what(own)).map_err(|error| {
            Error::new(ErrorKind::ResourceExhausted, format!("cannot start a compute thread: {error}"))
        })?;
        handles.push(thread);
        Ok(())
    }

    fn work(queue: Arc<Queue>) {
        while let Some((work, trial)) = queue.next() {
            // Jobs catch the panics of engines themselves; whatever else panics must not cost a thread.
            let _ = catch_unwind(AssertUnwindSafe(work));
            if let Some(trial) = trial {
                let mut state = queue.lock();
                let place = state.trials.iter().position(|&other| other == trial);
                place.map(|place| state.trials.swap_remove(place));
            }
        }
    }

    /// Lets threads stand in for those whose runs hang, from the first run of a version on trial until the pool is closed.
    fn watch(queue: &Arc<Queue>) {
        let mut state = queue.lock();
        while !state.closed {
            state = if state.trials.is_empty() {
                queue.tried.wait(state).unwrap_or_else(PoisonError::into_inner)
            } else {
                let waited = queue.tried.wait_timeout(state, queue.hangs_after.max(SHORTEST_WATCH));
                waited.unwrap_or_else(PoisonError::into_inner).0
            };
            let wanted = queue.size + queue.hanging(&state);
            let more = wanted.saturating_sub(state.threads);
            if more > 0 && !state.closed {
                state.threads += more;
                drop(state);
                let missing = (0..more).filter(|_| Queue::spawn(queue, Queue::work).is_err()).count();
                state = queue.lock();
                state.threads -= missing;
            }
        }
    }

    /// The next job, and its trial if it is one of a version on trial. None when this thread is to end: the pool is
    /// closed, or the run that it stood in for is over.
    fn next(&self) -> Option<(Work, Option<Trial>)> {
        let mut state = self.lock();
        loop {
            if state.threads > self.size && state.threads > self.size + self.hanging(&state) {
                break;
            }
            if let Some(Job { work, trial }) = self.take(&mut state) {
                let trial = trial.map(|version| Trial { version, began: Instant::now() });
                state.trials.extend(trial);
                if trial.is_some() && state.trials.len() == 1 {
                    self.tried.notify_one();
                }
                return Some((work, trial));
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
        let may = |state: &State, job: &Job| {
            state.closed || job.trial.is_none_or(|version| self.hanging_of(state, version) < self.size)
        };
        if let Some(place) = state.held_back.iter().position(|job| may(state, job)) {
            return state.held_back.remove(place);
        }
        while let Some(job) = state.jobs.pop_front() {
            if may(state, &job) {
                return Some(job);
            }
            state.held_back.push_back(job);
        }
        None
    }

    /// How many runs of versions on trial have gone on for too long.
    fn hanging(&self, state: &State) -> usize {
        state.trials.iter().filter(|trial| trial.began.elapsed() >= self.hangs_after).count()
    }

    fn hanging_of(&self, state: &State, version: Version) -> usize {
        let own = state.trials.iter().filter(|trial| trial.version == version);
        own.filter(|trial| trial.began.elapsed() >= self.hangs_after).count()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn the_queue_is_bounded_and_the_pool_survives_a_panic() {
        let pool = Pool::start("test", 1, 1).unwrap();
        pool.submit(None, || panic!("a job's own fault")).unwrap();
        let (started, has_started) = mpsc::channel();
        let (gate, opened) = mpsc::channel::<()>();
        // The thread may still be about to run the first job, which then fills the queue.
        while pool.queued() > 0 {
            std::thread::yield_now();
        }
        pool.submit(None, move || {
            started.send(()).unwrap();
            opened.recv().unwrap_err();
        })
        .unwrap();
        has_started.recv().unwrap();
        pool.submit(None, || ()).unwrap();
        let refused = pool.submit(None, || ()).unwrap_err();
        assert_eq!((refused.kind, pool.queued()), (ErrorKind::Unavailable, 1));
        drop(gate);
        pool.close();
        assert!(pool.join(LONG));
        assert_eq!(pool.queued(), 0);
        assert_eq!(pool.submit(None, || ()).unwrap_err().kind, ErrorKind::Unavailable);
    }

    /// A job that tells that it began, and ends when the gate is dropped.
    fn held(pool: &Pool, trial: Option<Version>) -> (mpsc::Receiver<()>, mpsc::Sender<()>) {
        let (started, has_started) = mpsc::channel();
        let (gate, opened) = mpsc::channel::<()>();
        let job = move || {
            started.send(()).unwrap();
            opened.recv().unwrap_err();
        };
        pool.submit(trial, job).unwrap();
        (has_started, gate)
    }

    #[test]
    fn runs_of_a_version_on_trial_that_hang_leave_the_others_their_threads() {
        let pool = Pool::start_with("test", 2, 3, Duration::ZERO).unwrap();
        // As many as there are threads hang, one of which stood in meanwhile.
        let hung: Vec<_> = (0..2).map(|_| held(&pool, Some(2))).collect();
        hung.iter().for_each(|(started, _)| started.recv().unwrap());

        let waits = held(&pool, Some(2));
        let (answered, answer) = mpsc::channel();
        pool.submit(None, move || answered.send(()).unwrap()).unwrap();
        answer.recv().unwrap();
        assert!(waits.0.try_recv().is_err(), "a third run of the version on trial began");
        assert_eq!(pool.queued(), 1);
        let another = held(&pool, Some(3));
        another.0.recv().unwrap();
        drop(another);

        drop(hung);
        waits.0.recv().unwrap();
        drop(waits);
        let (last, is_last) = mpsc::channel();
        pool.submit(None, move || last.send(()).unwrap()).unwrap();
        is_last.recv().unwrap();
        while pool.queue.lock().threads > 2 {
            std::thread::yield_now();
        }
        pool.close();
        assert!(pool.join(LONG));
        assert_eq!((pool.queued(), pool.queue.lock().threads), (0, 0));
    }

    #[test]
    fn whoever_waits_is_served_though_nobody_comes_after_and_the_queue_is_full() {
        let pool = Pool::start_with("test", 1, 2, Duration::from_millis(20)).unwrap();
        let hung = held(&pool, Some(2));
        hung.0.recv().unwrap();
        let (answered, answer) = mpsc::channel();
        for _ in 0..2 {
            let answered = answered.clone();
            pool.submit(None, move || answered.send(()).unwrap()).unwrap();
        }
        (0..2).for_each(|_| answer.recv().unwrap());
    }

    #[test]
    fn runs_on_trial_that_do_not_hang_are_like_all_others() {
        // For an hour none hangs, however long the machine takes.
        let pool = Pool::start_with("test", 2, 3, Duration::from_secs(3600)).unwrap();
        let running: Vec<_> = (0..2).map(|_| held(&pool, Some(2))).collect();
        running.iter().for_each(|(started, _)| started.recv().unwrap());
        let next = held(&pool, None);
        assert_eq!((pool.queued(), pool.queue.lock().threads), (1, 2));
        drop(running);
        next.0.recv().unwrap();
    }
}
