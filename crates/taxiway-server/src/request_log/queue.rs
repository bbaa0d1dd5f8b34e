//! A bounded queue with one reader, whose writers never wait for room.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

#[derive(Debug)]
pub(super) struct Queue<T> {
    limit: usize,
    state: Mutex<State<T>>,
    changed: Condvar,
}

#[derive(Debug)]
struct State<T> {
    waiting: VecDeque<T>,
    /// Rooms promised to writers that are making their value.
    promised: usize,
    is_closed: bool,
}

impl<T> Queue<T> {
    pub(super) fn new(limit: usize) -> Queue<T> {
        let state = State { waiting: VecDeque::new(), promised: 0, is_closed: false };
        Queue { limit, state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Adds what `make` makes, when there is room; returns whether there was.
    pub(super) fn push_with(&self, make: impl FnOnce() -> T) -> bool {
        let mut state = self.lock();
        if state.is_closed || state.waiting.len() + state.promised >= self.limit {
            return false;
        }
        state.promised += 1;
        drop(state); // making it takes as long as copying a request, which others need not wait for
        let promise = Promise { queue: self };
        let value = make();
        self.lock().waiting.push_back(value);
        drop(promise);
        true
    }

    /// The next value, once there is one; `None` when the queue is closed and empty.
    pub(super) fn pop(&self) -> Option<T> {
        let mut state = self.lock();
        loop {
            if let Some(value) = state.waiting.pop_front() {
                return Some(value);
            }
            if state.is_closed && state.promised == 0 {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes no more values; those that wait are still read.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Room for one value, given back even when making the value panics.
struct Promise<'a, T> {
    queue: &'a Queue<T>,
}

impl<T> Drop for Promise<'_, T> {
    fn drop(&mut self) {
        self.queue.lock().promised -= 1;
        self.queue.changed.notify_all();
    }
}
