//! The last answers: what the hard brake looks at.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde_json::{Value, json};

/// How many answers are remembered.
const WINDOW: u32 = 20;

/// Enough bits for a number up to `WINDOW`.
const COUNT_BITS: u32 = 5;

/// The last answers, in the order in which they ended, and whether each was bad.
#[derive(Default)]
pub(super) struct Recent {
    /// From the lowest bit: one bit an answer, the newest first; then how many there are; above, all the bad ones ever.
    word: AtomicU64,
}

/// What stands in the word.
struct Read {
    window: u64,
    answers: u64,
    bad_ever: u64,
}

impl Read {
    fn of(word: u64) -> Read {
        let answers = word >> WINDOW & ((1 << COUNT_BITS) - 1);
        Read { window: word & ((1 << WINDOW) - 1), answers, bad_ever: word >> (WINDOW + COUNT_BITS) }
    }
}

impl Recent {
    pub(super) fn add(&self, bad: bool) {
        let push = |word: u64| {
            let Read { window, answers, bad_ever } = Read::of(word);
            let window = (window << 1 | u64::from(bad)) & ((1 << WINDOW) - 1);
            let answers = (answers + 1).min(u64::from(WINDOW));
            // 39 bits hold more than will ever end.
            Some((bad_ever + u64::from(bad)) << (WINDOW + COUNT_BITS) | answers << WINDOW | window)
        };
        let pushed = self.word.fetch_update(Relaxed, Relaxed, push);
        debug_assert!(pushed.is_ok(), "there is always a next word");
    }

    pub(super) fn document(&self) -> Value {
        let Read { window, answers, bad_ever } = Read::of(self.word.load(Relaxed));
        json!({"bad": window.count_ones(), "answers": answers, "bad_ever": bad_ever})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_twenty_are_remembered_and_how_many_were_bad_ever() {
        let recent = Recent::default();
        (0..15).for_each(|_| recent.add(true));
        assert_eq!(recent.document(), json!({"bad": 15, "answers": 15, "bad_ever": 15}));
        (0..13).for_each(|_| recent.add(false));
        assert_eq!(recent.document(), json!({"bad": 7, "answers": 20, "bad_ever": 15}));
        (0..40).for_each(|_| recent.add(true));
        assert_eq!(recent.document(), json!({"bad": 20, "answers": 20, "bad_ever": 55}));
    }
}
