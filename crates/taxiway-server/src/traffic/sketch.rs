//! Latencies by bucket: counts that are merged by adding them, and quantiles whose error is bounded.
//!
//! Below 64 µs each microsecond is a bucket of its own; from there on each doubling is cut into 32 buckets of one width.
//! A bucket's middle is therefore at most 1/64 (1.6 %) away from any time in it, and so is every quantile that is read
//! off. Times beyond the last bucket, more than 19 hours, count in it.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use serde_json::{Value, json};

const EXACT: u64 = 64;
const FIRST_OCTAVE: u32 = EXACT.ilog2();
const LAST_OCTAVE: u32 = 35;
const PER_OCTAVE: u64 = 32;
const BUCKETS: usize = (EXACT + (LAST_OCTAVE - FIRST_OCTAVE + 1) as u64 * PER_OCTAVE) as usize;

/// The quantiles that are told, by name.
const QUANTILES: [(&str, f64); 5] = [("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99), ("p999", 0.999)];

/// One part of the counts, which some threads add to.
pub(super) struct Sketch {
    counts: Box<[AtomicU64]>,
    sum_us: AtomicU64,
}

impl Default for Sketch {
    fn default() -> Sketch {
        Sketch { counts: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(), sum_us: AtomicU64::new(0) }
    }
}

impl Sketch {
    /// Counts a time.
    pub(super) fn record(&self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.counts[bucket(us)].fetch_add(1, Relaxed);
        self.sum_us.fetch_add(us, Relaxed);
    }
}

/// All parts together, at one moment.
pub(super) struct Merged {
    counts: Vec<u64>,
    sum_us: u64,
}

impl Merged {
    pub(super) fn of<'a>(parts: impl Iterator<Item = &'a Sketch>) -> Merged {
        let mut merged = Merged { counts: vec![0; BUCKETS], sum_us: 0 };
        for part in parts {
            for (sum, count) in merged.counts.iter_mut().zip(&part.counts) {
                *sum += count.load(Relaxed);
            }
            merged.sum_us += part.sum_us.load(Relaxed);
        }
        merged
    }

    /// `count`, `sum_us`, the quantiles in microseconds (null without a time), and the buckets that are not empty as
    /// `[first, last, count]`, both bounds in microseconds and in the bucket.
    pub(super) fn document(&self) -> Value {
        let count: u64 = self.counts.iter().sum();
        let quantiles: serde_json::Map<String, Value> =
            QUANTILES.iter().map(|&(name, q)| (name.to_owned(), self.quantile(q, count).into())).collect();
        let filled = self.counts.iter().enumerate().filter(|(_, count)| **count > 0);
        let buckets: Vec<Value> =
            filled.map(|(index, &count)| json!([first_of(index), last_of(index), count])).collect();
        json!({"count": count, "sum_us": self.sum_us, "quantiles_us": quantiles, "buckets": buckets})
    }

    /// The middle of the bucket that holds the time below which a part `q` of all times lies.
    fn quantile(&self, q: f64, count: u64) -> Option<f64> {
        let rank = ((q * count as f64).ceil() as u64).max(1);
        let mut at_most = 0;
        let index = self.counts.iter().position(|bucket| {
            at_most += bucket;
            at_most >= rank
        })?;
        Some((first_of(index) + last_of(index)) as f64 / 2.0)
    }
}

fn bucket(us: u64) -> usize {
    let octave = (us | 1).ilog2();
    if octave < FIRST_OCTAVE {
        return us as usize;
    }
    if octave > LAST_OCTAVE {
        return BUCKETS - 1;
    }
    let place = (us - (1 << octave)) / width(octave);
    (EXACT + u64::from(octave - FIRST_OCTAVE) * PER_OCTAVE + place) as usize
}

fn width(octave: u32) -> u64 {
    (1 << octave) / PER_OCTAVE
}

fn first_of(index: usize) -> u64 {
    let index = index as u64;
    let Some(beyond) = index.checked_sub(EXACT) else { return index };
    let octave = FIRST_OCTAVE + (beyond / PER_OCTAVE) as u32;
    (1 << octave) + beyond % PER_OCTAVE * width(octave)
}

fn last_of(index: usize) -> u64 {
    first_of(index + 1) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_lies_in_its_bucket_and_buckets_are_narrow() {
        for us in (0..5000).chain((12..36).flat_map(|octave| [(1 << octave) - 1, 1 << octave, (1 << octave) + 7])) {
            let index = bucket(us);
            let (first, last) = (first_of(index), last_of(index));
            assert!((first..=last).contains(&us), "{us} is not in {first}..={last}");
            let middle = (first + last) as f64 / 2.0;
            assert!((middle - us as f64).abs() <= us as f64 / 64.0, "{us} is shown as {middle}");
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn parts_merge_into_quantiles_within_their_error() {
        let parts: Vec<Sketch> = (0..4).map(|_| Sketch::default()).collect();
        for us in 1..=100_000u64 {
            parts[(us % 4) as usize].record(Duration::from_micros(us));
        }
        let document = Merged::of(parts.iter()).document();
        assert_eq!((&document["count"], &document["sum_us"]), (&json!(100_000), &json!(5_000_050_000u64)));
        for (name, exact) in [("p50", 50_000.0), ("p95", 95_000.0), ("p999", 99_900.0)] {
            let shown = document["quantiles_us"][name].as_f64().unwrap();
            assert!((shown - exact).abs() <= exact / 64.0, "{name} is {shown}");
        }
        let counted: u64 =
            document["buckets"].as_array().unwrap().iter().map(|bucket| bucket[2].as_u64().unwrap()).sum();
        assert_eq!(counted, 100_000);
        assert_eq!(Merged::of([].into_iter()).document()["quantiles_us"]["p50"], Value::Null);
    }
}
