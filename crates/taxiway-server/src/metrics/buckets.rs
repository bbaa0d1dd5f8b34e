//! A histogram with exponential bounds, as TensorFlow Serving's metrics have them, without a lock.

use std::sync::atomic::{AtomicU64, Ordering};

/// The bounds of a histogram: `count` of them, the first `scale`, each `growth` times the one before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Exponential {
    pub(crate) scale: f64,
    pub(crate) growth: f64,
    pub(crate) count: usize,
}

/// Microseconds of requests, runs and warm-ups.
pub(crate) const LATENCY: Exponential = Exponential { scale: 10.0, growth: 1.8, count: 33 };
/// Examples of a request.
pub(crate) const EXAMPLES: Exponential = Exponential { scale: 1.0, growth: 2.0, count: 15 };
/// Rows of a batch.
pub(crate) const ROWS: Exponential = Exponential { scale: 1.0, growth: 2.0, count: 14 };
/// Microseconds in a queue.
pub(crate) const QUEUEING: Exponential = Exponential { scale: 100.0, growth: 1.2, count: 52 };

/// Counts of values by bucket.
pub(crate) struct Buckets {
    bounds: Vec<f64>,
    /// One for each bound, and one for what is beyond the last. Not cumulative.
    counts: Vec<AtomicU64>,
    sum: AtomicU64,
}

impl Buckets {
    /// Nothing counted yet.
    pub(crate) fn new(bounds: Exponential) -> Buckets {
        let grown = std::iter::successors(Some(bounds.scale), |bound| Some(bound * bounds.growth));
        let bounds: Vec<f64> = grown.take(bounds.count).collect();
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Buckets { bounds, counts, sum: AtomicU64::new(0) }
    }

    /// Counts a value. It falls below a bound that is larger: TensorFlow's buckets do not hold their upper bound.
    pub(crate) fn record(&self, value: u64) {
        let bucket = self.bounds.partition_point(|&bound| bound <= value as f64);
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// Each bound (`None`: no bound) with how many values were below it.
    pub(super) fn cumulative(&self) -> impl Iterator<Item = (Option<f64>, u64)> + '_ {
        let bounds = self.bounds.iter().copied().map(Some).chain([None]);
        bounds.zip(&self.counts).scan(0, |sum, (bound, count)| {
            *sum += count.load(Ordering::Relaxed);
            Some((bound, *sum))
        })
    }

    /// All values together.
    pub(super) fn sum(&self) -> u64 {
        self.sum.load(Ordering::Relaxed)
    }

    /// Whether nothing was counted.
    pub(super) fn is_empty(&self) -> bool {
        self.counts.iter().all(|count| count.load(Ordering::Relaxed) == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_fall_below_the_first_larger_bound() {
        let buckets = Buckets::new(ROWS);
        for value in [0, 1, 3, 10_000] {
            buckets.record(value);
        }
        let counts: Vec<_> = buckets.cumulative().collect();
        assert_eq!(counts[..3], [(Some(1.0), 1), (Some(2.0), 2), (Some(4.0), 3)]);
        assert_eq!(counts[13..], [(Some(8192.0), 3), (None, 4)]);
        assert_eq!(buckets.sum(), 10_004);
    }

    // tfs: metric-buckets
    #[test]
    fn bounds_grow_as_tensorflow_servings_do() {
        let last = |bounds| Buckets::new(bounds).bounds.last().copied().unwrap();
        assert_eq!(Buckets::new(LATENCY).bounds[..3], [10.0, 18.0, 32.4]);
        assert!((last(LATENCY) - 10.0 * 1.8f64.powi(32)).abs() < 1e-3);
        assert_eq!(last(EXAMPLES), 16384.0);
        assert!((last(QUEUEING) - 100.0 * 1.2f64.powi(51)).abs() < 1e-3);
    }
}
