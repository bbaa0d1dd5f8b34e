//! When requests fall due.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

/// Requests evenly spaced, or each as soon as a connection is free.
pub(crate) struct Pace {
    rate: Option<f64>,
    next: AtomicUsize,
    due: Semaphore,
    released: AtomicU64,
}

/// A request's turn.
pub(crate) struct Turn {
    /// Its number, from 0.
    pub(crate) number: usize,
    /// When it was meant to be sent; its latency counts from here.
    pub(crate) moment: Instant,
    /// Whether a connection was waiting for it.
    pub(crate) awaited: bool,
}

impl Pace {
    pub(crate) fn new(rate: Option<f64>) -> Pace {
        Pace { rate, next: AtomicUsize::new(0), due: Semaphore::new(0), released: AtomicU64::new(0) }
    }

    /// The next turn; `None` when none is left before `end`.
    pub(crate) async fn turn(&self, begin: Instant, end: Instant) -> Option<Turn> {
        let Some(rate) = self.rate else {
            let moment = Instant::now();
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            return (moment < end).then_some(Turn { number, moment, awaited: false });
        };
        let awaited = match self.due.try_acquire() {
            Ok(permit) => {
                permit.forget();
                false
            }
            // Closed at the end of the window.
            Err(_) => {
                self.due.acquire().await.ok()?.forget();
                true
            }
        };
        if Instant::now() >= end {
            return None;
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        Some(Turn { number, moment: begin + after(number as u64, rate), awaited })
    }

    /// Lets requests fall due until `end`, or until the sender of `stopped` is dropped. Blocks: it has its own thread,
    /// because an asynchronous timer knows milliseconds only.
    pub(crate) fn keep(&self, begin: Instant, end: Instant, stopped: &Receiver<()>) {
        let Some(rate) = self.rate else { return };
        let mut released = 0;
        loop {
            let now = Instant::now().min(end);
            let due = ((now.saturating_duration_since(begin).as_secs_f64() * rate).floor() as u64 + 1).max(released);
            // What falls due at the very end belongs to the next window.
            let due = if begin + after(due - 1, rate) >= end { due - 1 } else { due }.max(released);
            self.due.add_permits((due - released) as usize);
            released = due;
            self.released.store(released, Ordering::Relaxed);
            let next = (begin + after(released, rate)).min(end);
            match stopped.recv_timeout(next.saturating_duration_since(Instant::now())) {
                Err(RecvTimeoutError::Timeout) if Instant::now() < end => {}
                _ => break,
            }
        }
        self.due.close();
    }

    /// Requests that fell due and were never sent.
    pub(crate) fn unsent(&self) -> u64 {
        self.released.load(Ordering::Relaxed).saturating_sub(self.next.load(Ordering::Relaxed) as u64)
    }
}

fn after(number: u64, rate: f64) -> Duration {
    Duration::from_secs_f64(number as f64 / rate)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    fn now<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
    }

    #[test]
    fn in_a_closed_loop_a_turn_comes_at_once_until_the_end() {
        let pace = Pace::new(None);
        let begin = Instant::now();
        assert_eq!(now(pace.turn(begin, begin + Duration::from_secs(60))).map(|turn| turn.number), Some(0));
        assert!(now(pace.turn(begin, begin)).is_none());
    }

    #[test]
    fn at_a_rate_exactly_what_falls_due_is_let_go() {
        let pace = Pace::new(Some(1000.0));
        let begin = Instant::now();
        let end = begin + Duration::from_millis(50);
        let (_stop, stopped) = channel();
        pace.keep(begin, end, &stopped);
        assert!(Instant::now() >= end);
        assert_eq!((pace.due.available_permits(), pace.unsent()), (50, 50));
    }

    #[test]
    fn the_moments_are_evenly_spaced_however_late_a_turn_is_taken() {
        let pace = Pace::new(Some(10.0));
        let begin = Instant::now();
        pace.due.add_permits(3);
        let turns: Vec<_> = (0..3).filter_map(|_| now(pace.turn(begin, begin + Duration::from_secs(60)))).collect();
        let moments: Vec<_> = turns.iter().map(|turn| (turn.moment - begin).as_millis()).collect();
        assert_eq!(moments, [0, 100, 200]);
        assert!(turns.iter().all(|turn| !turn.awaited));
    }

    #[test]
    fn a_stopped_pace_lets_nothing_more_go() {
        let pace = Pace::new(Some(1.0));
        let (stop, stopped) = channel::<()>();
        drop(stop);
        pace.keep(Instant::now(), Instant::now() + Duration::from_secs(3600), &stopped);
        assert!(pace.due.is_closed());
    }
}
