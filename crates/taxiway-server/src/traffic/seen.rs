//! Which units were seen before, in bounded memory.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

const WORDS: usize = 1 << 16;

/// One bit for a unit, at a place its hash gives. Two units may share a bit; the second is then taken for seen. That
/// happens as often in one arm as in another, so it makes the counts of units smaller and not their ratios wrong.
/// It takes its memory with the first unit.
#[derive(Default)]
pub(super) struct Seen(OnceLock<Box<[AtomicU64]>>);

impl Seen {
    /// Remembers a unit by its hash, among those of one number; whether it is there for the first time.
    pub(super) fn add(&self, hash: u64, among: u64) -> bool {
        let words = self.0.get_or_init(|| (0..WORDS).map(|_| AtomicU64::new(0)).collect());
        // The high bits decide about the arm, so within one arm they are much alike; the low ones are not.
        let mixed = (hash ^ among.wrapping_mul(0x9E37_79B9_7F4A_7C15)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
        let place = (mixed >> 42) as usize; // 22 bits
        let (word, bit) = (&words[place >> 6], 1 << (place & 63));
        // Looking first keeps the line shared while nothing is new.
        word.load(Relaxed) & bit == 0 && word.fetch_or(bit, Relaxed) & bit == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traffic::hash::xxh64;

    #[test]
    fn a_unit_is_new_once_among_each_and_few_are_lost() {
        let seen = Seen::default();
        // Of one arm: all in the first hundredth of the hashes.
        let hashes: Vec<u64> = (0u64..20_000).map(|unit| xxh64(&unit.to_le_bytes()) / 100).collect();
        let new = |among| hashes.iter().filter(|&&hash| seen.add(hash, among)).count();
        assert!(new(0) > 19_800);
        assert_eq!(new(0), 0);
        assert!(new(1) > 19_600);
    }
}
