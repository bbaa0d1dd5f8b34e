//! Instances of one model: as many as there are cores, made when they are first needed.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use taxiway_engine::{Error, ErrorKind, Result};

use super::instance::Instance;
use super::model::Model;

/// Instances of one model. Each weighs as much as the weights do in the form that its kernels like.
pub(crate) struct Pool {
    model: Arc<Model>,
    signatures: usize,
    threads: u32,
    limit: usize,
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Default)]
struct State {
    idle: Vec<Instance>,
    /// Idle, lent, and being made.
    total: usize,
}

impl Pool {
    /// A pool with one instance in it.
    ///
    /// # Errors
    /// LiteRT's own, when the model cannot be prepared.
    pub(crate) fn new(model: Arc<Model>, signatures: usize, threads: u32) -> Result<Pool> {
        let limit = std::thread::available_parallelism().map_or(1, usize::from);
        let first = Instance::new(Arc::clone(&model), signatures, threads)?;
        let state = Mutex::new(State { idle: vec![first], total: 1 });
        Ok(Pool { model, signatures, threads, limit, state, freed: Condvar::new() })
    }

    /// Lends an instance to `run`, once one is idle, and takes it back unless `run` fails: an instance is not used
    /// after an error.
    ///
    /// # Errors
    /// `DeadlineExceeded` when none is idle within `timeout`; else what `run` returns.
    pub(crate) fn lend<T>(&self, timeout: Option<Duration>, run: impl FnOnce(&mut Instance) -> Result<T>) -> Result<T> {
        let mut lent = Lent { instance: self.take(timeout)?, pool: self };
        let instance = match lent.instance.take() {
            Some(instance) => instance,
            None => Instance::new(Arc::clone(&self.model), self.signatures, self.threads)?,
        };
        let result = run(lent.instance.insert(instance));
        if result.is_err() {
            lent.instance = None;
        }
        result
    }

    /// An idle instance, or the right to make one.
    fn take(&self, timeout: Option<Duration>) -> Result<Option<Instance>> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut state = self.lock();
        loop {
            if let Some(instance) = state.idle.pop() {
                return Ok(Some(instance));
            }
            if state.total < self.limit {
                state.total += 1;
                return Ok(None);
            }
            let Some(deadline) = deadline else {
                state = self.freed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Error::new(ErrorKind::DeadlineExceeded, "no instance of the model was free in time"));
            }
            state = self.freed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An instance out of the pool; `None` is one that is being made, or that failed.
struct Lent<'a> {
    pool: &'a Pool,
    instance: Option<Instance>,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let mut state = self.pool.lock();
        match self.instance.take() {
            Some(instance) => state.idle.push(instance),
            None => state.total -= 1,
        }
        drop(state);
        self.pool.freed.notify_one();
    }
}
