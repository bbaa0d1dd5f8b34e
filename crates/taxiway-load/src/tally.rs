//! What one window came to.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::histogram::Histogram;

/// Parts of a window that are counted by themselves, so that an uneven one can be told.
pub(crate) const SLICES: usize = 10;

/// The counts of one thread, or of all.
pub(crate) struct Tally {
    latencies: Histogram,
    lateness: Histogram,
    answers: u64,
    answer_bytes: u64,
    slices: [u64; SLICES],
    errors: BTreeMap<String, (u64, String)>,
}

/// An answer.
pub(crate) struct Answered {
    pub(crate) latency: Duration,
    pub(crate) bytes: usize,
    /// In which part of the window it came; `None` after its end.
    pub(crate) slice: Option<usize>,
    /// How long after its moment it was sent, where a connection had been free.
    pub(crate) late: Option<Duration>,
}

impl Tally {
    pub(crate) fn new() -> Tally {
        Tally {
            latencies: Histogram::new(),
            lateness: Histogram::new(),
            answers: 0,
            answer_bytes: 0,
            slices: [0; SLICES],
            errors: BTreeMap::new(),
        }
    }

    pub(crate) fn answered(&mut self, one: &Answered) {
        self.answers += 1;
        self.answer_bytes += one.bytes as u64;
        self.latencies.add(one.latency);
        if let Some(slice) = one.slice {
            self.slices[slice.min(SLICES - 1)] += 1;
        }
        if let Some(late) = one.late {
            self.lateness.add(late);
        }
    }

    /// A request that was refused or broke; of each code one message is kept.
    pub(crate) fn failed(&mut self, code: &str, message: String) {
        match self.errors.get_mut(code) {
            Some((count, _)) => *count += 1,
            None => {
                self.errors.insert(code.to_owned(), (1, message));
            }
        }
    }

    pub(crate) fn merge(&mut self, other: &Tally) {
        self.latencies.merge(&other.latencies);
        self.lateness.merge(&other.lateness);
        self.answers += other.answers;
        self.answer_bytes += other.answer_bytes;
        for (own, more) in self.slices.iter_mut().zip(&other.slices) {
            *own += more;
        }
        for (code, (count, message)) in &other.errors {
            self.errors.entry(code.clone()).or_insert_with(|| (0, message.clone())).0 += count;
        }
    }

    /// The document of a window: latencies and lateness in nanoseconds, `[value, count]`.
    pub(crate) fn document(&self) -> Value {
        let errors: Vec<_> = self
            .errors
            .iter()
            .map(|(code, (count, message))| json!({"code": code, "count": count, "message": message}))
            .collect();
        json!({
            "answers": self.answers,
            "answer_bytes": self.answer_bytes,
            "in_time": self.slices.iter().sum::<u64>(),
            "slices": self.slices,
            "latencies": self.latencies.counts(),
            "lateness": self.lateness.counts(),
            "errors": errors,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_after_the_window_have_a_latency_and_no_part_in_its_throughput() {
        let mut tally = Tally::new();
        for slice in [Some(0), Some(9), Some(10), None] {
            tally.answered(&Answered { latency: Duration::from_nanos(5), bytes: 3, slice, late: None });
        }
        let document = tally.document();
        assert_eq!((&document["answers"], &document["in_time"]), (&json!(4), &json!(3)));
        assert_eq!(document["latencies"], json!([[5, 4]]));
        assert_eq!(document["answer_bytes"], json!(12));
    }

    #[test]
    fn errors_of_two_threads_add_up_by_code() {
        let (mut one, mut other) = (Tally::new(), Tally::new());
        one.failed("HTTP 503", "busy".into());
        other.failed("HTTP 503", "busy again".into());
        other.failed("TIMEOUT", String::new());
        one.merge(&other);
        let told = json!([
            {"code": "HTTP 503", "count": 2, "message": "busy"},
            {"code": "TIMEOUT", "count": 1, "message": ""},
        ]);
        assert_eq!(one.document()["errors"], told);
    }
}
