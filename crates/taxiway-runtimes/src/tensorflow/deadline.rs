//! Deadlines, and what they cost.
//!
//! TensorFlow watches a deadline only over runs in its pool, and a run there costs a hop to another thread and back,
//! as much as a small graph's whole run. So a run whose signature has been far quicker than its deadline runs on the
//! calling thread, unwatched, and the clock is read afterwards; any other runs in the pool and is stopped on time.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// How many times longer than the slowest recent run a deadline is to be before nobody watches it.
const MARGIN: u64 = 16;

/// How slow the recent runs of a signature were.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// 0: none has finished yet.
    slowest_ns: AtomicU64,
}

impl Pace {
    /// Whether a run is all but sure to end before this timeout.
    pub(crate) fn is_well_within(&self, timeout: Duration) -> bool {
        let slowest = self.slowest_ns.load(Relaxed);
        slowest != 0 && slowest.saturating_mul(MARGIN) < nanoseconds(timeout)
    }

    /// Notes how long a run took. The first run of a graph optimises it and may take a thousand times as long as the
    /// others, so slowness is forgotten, by an eighth with each run that was less than half as slow.
    pub(crate) fn note(&self, elapsed: Duration) {
        let (elapsed, slowest) = (nanoseconds(elapsed).max(1), self.slowest_ns.load(Relaxed));
        if elapsed > slowest {
            self.slowest_ns.store(elapsed, Relaxed);
        } else if elapsed < slowest / 2 {
            self.slowest_ns.store(slowest - slowest / 8, Relaxed);
        }
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_pace_is_never_well_within() {
        assert!(!Pace::default().is_well_within(Duration::from_secs(3600)));
    }

    #[test]
    fn a_slow_first_run_is_forgotten_and_a_slow_run_is_noticed() {
        let pace = Pace::default();
        pace.note(Duration::from_secs(1));
        assert!(!pace.is_well_within(Duration::from_secs(1)));
        for _ in 0..100 {
            pace.note(Duration::from_micros(50));
        }
        assert!(pace.is_well_within(Duration::from_millis(2)));
        pace.note(Duration::from_millis(1));
        assert!(!pace.is_well_within(Duration::from_millis(2)));
    }
}
