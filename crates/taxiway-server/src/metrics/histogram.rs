//! A histogram of times, without a lock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the buckets, in microseconds: two or three a decade from below the quickest answer to a minute.
pub(super) const BOUNDS_US: [u64; 18] = [
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    5_000_000, 10_000_000, 60_000_000,
];

/// Counts of times by bucket.
#[derive(Default)]
pub(crate) struct Histogram {
    /// One for each bound, and one for what is beyond the last. Not cumulative.
    counts: [AtomicU64; BOUNDS_US.len() + 1],
    sum_us: AtomicU64,
}

impl Histogram {
    /// Counts a time.
    pub(crate) fn record(&self, time: Duration) {
        let us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS_US.iter().position(|&bound| us <= bound).unwrap_or(BOUNDS_US.len());
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(us, Ordering::Relaxed);
    }

    /// Each bound in microseconds (`None`: no bound) with how many times were at most that long.
    pub(super) fn cumulative(&self) -> impl Iterator<Item = (Option<u64>, u64)> + '_ {
        let bounds = BOUNDS_US.iter().copied().map(Some).chain([None]);
        bounds.zip(&self.counts).scan(0, |sum, (bound, count)| {
            *sum += count.load(Ordering::Relaxed);
            Some((bound, *sum))
        })
    }

    /// All times together, in microseconds.
    pub(super) fn sum_us(&self) -> u64 {
        self.sum_us.load(Ordering::Relaxed)
    }

    /// How many times were counted.
    pub(super) fn count(&self) -> u64 {
        self.counts.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }

    /// Whether nothing was counted.
    pub(super) fn is_empty(&self) -> bool {
        self.count() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_fall_into_the_first_bucket_that_holds_them() {
        let histogram = Histogram::default();
        for us in [1, 50, 51, 61_000_000] {
            histogram.record(Duration::from_micros(us));
        }
        let counts: Vec<_> = histogram.cumulative().collect();
        assert_eq!(counts[..3], [(Some(50), 2), (Some(100), 3), (Some(250), 3)]);
        assert_eq!(counts[counts.len() - 2..], [(Some(60_000_000), 3), (None, 4)]);
        assert_eq!(histogram.sum_us(), 61_000_102);
    }
}
