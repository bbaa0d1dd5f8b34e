//! Times in nanoseconds, counted in buckets of less than one percent.

use std::time::Duration;

/// Bits of a value that are kept: below 2⁸ each value has its own bucket, above each power of two has 128.
const BITS: u32 = 8;
const EXACT: usize = 1 << BITS;
const STEPS: usize = 1 << (BITS - 1);
/// 2⁴³ ns are more than two hours; what takes longer counts as that.
const LARGEST: u64 = (1 << 43) - 1;
const BUCKETS: usize = EXACT + (43 - BITS as usize) * STEPS;

pub(crate) struct Histogram(Vec<u64>);

impl Histogram {
    pub(crate) fn new() -> Histogram {
        Histogram(vec![0; BUCKETS])
    }

    pub(crate) fn add(&mut self, time: Duration) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(LARGEST).min(LARGEST);
        self.0[bucket(nanoseconds)] += 1;
    }

    pub(crate) fn merge(&mut self, other: &Histogram) {
        for (own, more) in self.0.iter_mut().zip(&other.0) {
            *own += more;
        }
    }

    /// Each bucket that is not empty: its middle in nanoseconds and its count, ascending.
    pub(crate) fn counts(&self) -> Vec<(u64, u64)> {
        self.0.iter().enumerate().filter(|(_, count)| **count > 0).map(|(at, count)| (middle(at), *count)).collect()
    }
}

fn bucket(value: u64) -> usize {
    if value < EXACT as u64 {
        return value as usize;
    }
    let shift = value.ilog2() - (BITS - 1);
    EXACT + (shift as usize - 1) * STEPS + ((value >> shift) as usize - STEPS)
}

fn middle(at: usize) -> u64 {
    if at < EXACT {
        return at as u64;
    }
    let (shift, step) = ((at - EXACT) / STEPS + 1, (at - EXACT) % STEPS);
    (((STEPS + step) as u64) << shift) + (1 << (shift - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_told_within_a_percent() {
        for exponent in 0..43 {
            for value in [1_u64 << exponent, (1 << exponent) + (1 << exponent) / 3, (2 << exponent) - 1] {
                let told = middle(bucket(value.min(LARGEST)));
                assert!(told.abs_diff(value) * 100 <= value, "{value} is told as {told}");
            }
        }
    }

    #[test]
    fn what_is_larger_is_never_in_an_earlier_bucket() {
        let values: Vec<u64> = (0..100_000).chain((0..43).map(|exponent| 1 << exponent)).collect();
        let mut sorted = values;
        sorted.sort_unstable();
        assert!(sorted.windows(2).all(|pair| bucket(pair[0]) <= bucket(pair[1])));
        assert_eq!(bucket(LARGEST), BUCKETS - 1);
    }

    #[test]
    fn counts_of_two_add_up() {
        let (mut one, mut other) = (Histogram::new(), Histogram::new());
        one.add(Duration::from_nanos(7));
        other.add(Duration::from_nanos(7));
        other.add(Duration::from_secs(1 << 20));
        one.merge(&other);
        let counts = one.counts();
        assert_eq!(counts[0], (7, 2));
        assert_eq!(counts.iter().map(|(_, count)| count).sum::<u64>(), 3);
    }
}
