//! How long a version's runs take, as far as is known.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A run quicker than this costs less than handing it to another thread and back on a busy machine.
const HOP_NS: u64 = 100_000;

/// Nothing was measured yet.
const UNKNOWN: u64 = u64::MAX;

/// The first run of a version that was not warmed up is over. It prepared what later ones use, and says nothing of them.
const BEGUN: u64 = u64::MAX - 1;

/// The weight of what is known against one more run; also how many times as long as usual a run can count.
const WEIGHT: u64 = 16;

/// A moving mean of a version's run times, begun with what warm-up measured. One run at most doubles it: an engine has
/// several instances, whose first runs are slow each, and a version just loaded must not stay behind an equal one that is
/// warm for a hundred requests.
///
/// Two threads may overwrite each other's reading; the mean then misses one, which does not matter.
#[derive(Debug)]
pub(crate) struct Pace(AtomicU64);

impl Pace {
    /// A pace that begins with this run time; `None` when none is known.
    pub(crate) fn new(run_time: Option<Duration>) -> Pace {
        Pace(AtomicU64::new(run_time.map_or(UNKNOWN, nanoseconds)))
    }

    /// Whether a run takes less than a hop to another thread. What is not known to be quick is not.
    pub(crate) fn is_quick(&self) -> bool {
        self.0.load(Ordering::Relaxed) < HOP_NS
    }

    /// Whether a run takes less than `time`, as far as is known.
    pub(crate) fn is_under(&self, time: Duration) -> bool {
        self.0.load(Ordering::Relaxed) < nanoseconds(time)
    }

    /// Learns from a run.
    pub(crate) fn learn(&self, run_time: Duration) {
        let (mean, now) = (self.0.load(Ordering::Relaxed), nanoseconds(run_time));
        let learned = match mean {
            UNKNOWN => BEGUN,
            BEGUN => now,
            mean => mean - mean / WEIGHT + now.min(mean.max(1).saturating_mul(WEIGHT)) / WEIGHT,
        };
        self.0.store(learned, Ordering::Relaxed);
    }
}

fn nanoseconds(time: Duration) -> u64 {
    // Half the range, so that a sum of two never overflows.
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX).min(u64::MAX / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_not_quick() {
        let pace = Pace::new(None);
        for _ in 0..2 {
            assert!(!pace.is_quick());
            pace.learn(Duration::from_micros(10));
        }
        assert!(pace.is_quick());
    }

    #[test]
    fn a_version_is_as_quick_as_an_equal_one_once_each_of_its_instances_has_run() {
        let pace = Pace::new(None);
        let (cold, warm) = (Duration::from_millis(50), Duration::from_micros(10));
        for run in [cold, warm, cold, warm, cold] {
            pace.learn(run);
        }
        assert!(pace.is_quick());
        // What is slow all the time is known to be so soon.
        (0..4).for_each(|_| pace.learn(cold));
        assert!(!pace.is_quick());
    }

    #[test]
    fn one_slow_run_does_not_move_it_and_many_do() {
        let pace = Pace::new(Some(Duration::from_micros(10)));
        pace.learn(Duration::from_millis(1));
        assert!(pace.is_quick());
        for _ in 0..8 {
            pace.learn(Duration::from_millis(1));
        }
        assert!(!pace.is_quick());
        for _ in 0..80 {
            pace.learn(Duration::from_micros(10));
        }
        assert!(pace.is_quick());
    }
}
