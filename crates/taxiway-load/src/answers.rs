//! Whether a request is always answered alike: each answer is held against the first one, byte by byte.

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock, PoisonError};

use bytes::Bytes;

/// Answers of one request that are kept because they differ from the first; more are counted and not kept.
const MAX_KEPT: usize = 8;
/// The most that all of them may hold.
const MAX_KEPT_BYTES: usize = 64 << 20;

/// A request that was not always answered by the same bytes.
#[derive(Debug, PartialEq, Eq)]
pub struct Different {
    /// Which request, from 0.
    pub request: usize,
    /// Its first answer.
    pub first: Bytes,
    /// Others, and how often each came.
    pub others: Vec<(Bytes, u64)>,
    /// How often answers came that are neither and were not kept.
    pub not_kept: u64,
}

#[derive(Default)]
struct Others {
    kept: Vec<(Bytes, u64)>,
    not_kept: u64,
}

#[derive(Default)]
struct Found {
    requests: HashMap<usize, Others>,
    bytes: usize,
}

pub(crate) struct Answers {
    first: Vec<OnceLock<Bytes>>,
    found: Mutex<Found>,
}

impl Answers {
    pub(crate) fn of(requests: usize) -> Answers {
        Answers { first: (0..requests).map(|_| OnceLock::new()).collect(), found: Mutex::default() }
    }

    /// Takes note of an answer.
    pub(crate) fn note(&self, request: usize, answer: Bytes) {
        // Copied: what arrives is a slice of a larger buffer, which would live as long.
        let first = self.first[request].get_or_init(|| Bytes::copy_from_slice(&answer));
        if *first != answer {
            self.differs(request, &answer);
        }
    }

    fn differs(&self, request: usize, answer: &Bytes) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let Found { requests, bytes } = &mut *found;
        let others = requests.entry(request).or_default();
        if let Some((_, count)) = others.kept.iter_mut().find(|(kept, _)| kept == answer) {
            *count += 1;
        } else if others.kept.len() < MAX_KEPT && *bytes + answer.len() <= MAX_KEPT_BYTES {
            *bytes += answer.len();
            others.kept.push((Bytes::copy_from_slice(answer), 1));
        } else {
            others.not_kept += 1;
        }
    }

    pub(crate) fn different(&self) -> Vec<Different> {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let mut told: Vec<_> = found
            .requests
            .iter()
            .map(|(request, others)| Different {
                request: *request,
                first: self.first[*request].get().cloned().unwrap_or_default(),
                others: others.kept.clone(),
                not_kept: others.not_kept,
            })
            .collect();
        told.sort_unstable_by_key(|one| one.request);
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_like_the_first_are_not_told() {
        let answers = Answers::of(2);
        for request in [0, 1, 0] {
            answers.note(request, Bytes::from(vec![request as u8]));
        }
        assert_eq!(answers.different(), []);
    }

    #[test]
    fn another_answer_is_told_with_how_often_it_came() {
        let answers = Answers::of(2);
        for answer in ["a", "b", "b", "a", "c"] {
            answers.note(1, Bytes::from(answer));
        }
        let others = vec![(Bytes::from("b"), 2), (Bytes::from("c"), 1)];
        assert_eq!(answers.different(), [Different { request: 1, first: Bytes::from("a"), others, not_kept: 0 }]);
    }

    #[test]
    fn only_so_many_are_kept_and_the_rest_counted() {
        let answers = Answers::of(1);
        for number in 0..=MAX_KEPT + 3 {
            answers.note(0, Bytes::from(number.to_string()));
        }
        let told = answers.different();
        assert_eq!((told[0].others.len(), told[0].not_kept), (MAX_KEPT, 3));
    }
}
