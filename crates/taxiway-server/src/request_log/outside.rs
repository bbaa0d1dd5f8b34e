//! What the log takes from outside: the time, and chance.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::SystemTime;

/// Clock and dice, so that tests bring their own.
pub(super) struct Outside {
    pub(super) now: Box<dyn Fn() -> SystemTime + Send + Sync>,
    /// Evenly between 0 and 1, never 1.
    pub(super) random: Box<dyn Fn() -> f64 + Send + Sync>,
}

impl Outside {
    pub(super) fn real() -> Outside {
        let state = AtomicU64::new(RandomState::new().hash_one("request log"));
        Outside { now: Box::new(SystemTime::now), random: Box::new(move || split_mix(&state)) }
    }
}

impl fmt::Debug for Outside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Outside")
    }
}

/// The next number of SplitMix64 (Steele, Lea, Flood 2014), whose state is a counter: threads share it without a lock.
fn split_mix(state: &AtomicU64) -> f64 {
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut z = state.fetch_add(STEP, Relaxed).wrapping_add(STEP);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)) as f64 / (u64::MAX as f64 + 1.0) * (1.0 - f64::EPSILON)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_is_even_and_below_one() {
        let state = AtomicU64::new(7);
        let drawn: Vec<f64> = (0..10_000).map(|_| split_mix(&state)).collect();
        assert!(drawn.iter().all(|number| (0.0..1.0).contains(number)));
        let below = drawn.iter().filter(|number| **number < 0.25).count();
        assert!((2_300..2_700).contains(&below), "{below}");
    }
}
