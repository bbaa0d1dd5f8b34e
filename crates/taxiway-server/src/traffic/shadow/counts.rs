//! What shadowed requests came to.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value, json};
use taxiway_engine::{Error, ErrorKind, Tensor};

use super::PATIENCE;
use super::compare::Difference;
use crate::traffic::ended::code_name;
use crate::traffic::recent::Recent;
use crate::traffic::sketch::{Merged, Sketch};
use crate::traffic::top::numbers;

/// How many examples are kept, those that differ most.
const WORST: usize = 8;

/// How many elements of a tensor an example shows, and how many bytes of a string.
const SHOWN: usize = 64;

/// The counts of one shadow version in one experiment.
#[derive(Default)]
pub(crate) struct ShadowCounts {
    pub(crate) version: i64,
    sampled: AtomicU64,
    dropped: AtomicU64,
    compared: AtomicU64,
    rows: AtomicU64,
    differing: AtomicU64,
    ranked: AtomicU64,
    flips: AtomicU64,
    unlike: AtomicU64,
    /// The bits of a number that is not negative, which order as the numbers do.
    largest: AtomicU64,
    codes: [AtomicU64; ErrorKind::ALL.len() + 1],
    latency: Sketch,
    stable_latency: Sketch,
    nan: AtomicU64,
    recent: Recent,
    better: Votes,
    worse: Votes,
    same: Votes,
    worst: Mutex<Vec<Example>>,
}

/// A sum of votes, as the bits of a float: a request has one, which it may share out.
#[derive(Default)]
struct Votes(AtomicU64);

impl Votes {
    fn add(&self, part: f64) {
        let added = self.0.fetch_update(Relaxed, Relaxed, |bits| Some((f64::from_bits(bits) + part).to_bits()));
        debug_assert!(added.is_ok(), "there is always a next sum");
    }

    fn sum(&self) -> f64 {
        f64::from_bits(self.0.load(Relaxed))
    }
}

/// A request whose answers differ much.
struct Example {
    /// A flip counts more than any difference.
    rank: (bool, f64),
    shown: Value,
}

/// What an example is made of.
pub(super) struct Case<'a> {
    pub(super) id: &'a str,
    pub(super) inputs: Vec<(&'a str, &'a Tensor)>,
    pub(super) stable: &'a [Tensor],
    pub(super) shadow: &'a [Tensor],
}

impl ShadowCounts {
    pub(crate) fn new(version: i64) -> ShadowCounts {
        ShadowCounts { version, ..ShadowCounts::default() }
    }

    /// A request was picked; `taken` whether there was room for it.
    pub(super) fn picked(&self, taken: bool) {
        self.sampled.fetch_add(1, Relaxed);
        self.dropped.fetch_add(u64::from(!taken), Relaxed);
    }

    /// The shadow has run, or not; `nan` whether it answered what is no number where the stable version did not. `times`
    /// are the shadow's and the stable version's.
    ///
    /// The stable version answered, so whatever the shadow says instead is a bad event of its own. Only that it took
    /// longer than we wait may be our doing, since copies run when nothing else does: such a one is dropped.
    pub(super) fn ran(&self, error: Option<&Error>, nan: bool, times: [Duration; 2]) {
        if times[0] >= PATIENCE && error.is_some_and(|error| error.kind == ErrorKind::DeadlineExceeded) {
            self.dropped.fetch_add(1, Relaxed);
            return;
        }
        self.codes[error.map_or(0, |error| error.kind as usize)].fetch_add(1, Relaxed);
        self.nan.fetch_add(u64::from(nan), Relaxed);
        self.recent.add(nan || error.is_some());
        if error.is_none() {
            self.latency.record(times[0]);
            self.stable_latency.record(times[1]);
        }
    }

    pub(super) fn compared(&self, found: &Difference, case: &Case<'_>) {
        for (count, by) in [
            (&self.compared, 1),
            (&self.rows, found.rows),
            (&self.differing, found.differing),
            (&self.ranked, found.ranked),
            (&self.flips, found.flips),
            (&self.unlike, u64::from(found.unlike)),
        ] {
            count.fetch_add(by, Relaxed);
        }
        self.largest.fetch_max(found.largest.to_bits(), Relaxed);
        if found.differing > 0 || found.flips > 0 {
            self.keep(found, case);
        }
    }

    fn keep(&self, found: &Difference, case: &Case<'_>) {
        let rank = (found.flips > 0, found.largest);
        let mut worst = self.worst.lock().unwrap_or_else(PoisonError::into_inner);
        let order = |a: &(bool, f64), b: &(bool, f64)| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1));
        let place = worst.partition_point(|kept| order(&kept.rank, &rank).is_ge());
        if place < WORST {
            worst.insert(place, Example { rank, shown: case.shown(found) });
            worst.truncate(WORST);
        }
    }

    /// Labels came for a request that both answered: by row, whether the stable version was right, and the shadow. Rows
    /// of one request are much alike, so they share one vote.
    pub(crate) fn judged(&self, rows: impl Iterator<Item = (bool, bool)>) {
        let mut found = [0u32; 3];
        for (stable, shadow) in rows {
            found[match (stable, shadow) {
                (false, true) => 0,
                (true, false) => 1,
                _ => 2,
            }] += 1;
        }
        let rows: u32 = found.iter().sum();
        for (votes, count) in [&self.better, &self.worse, &self.same].into_iter().zip(found) {
            if count > 0 {
                votes.add(f64::from(count) / f64::from(rows));
            }
        }
    }

    /// Who was right where labels came: the shadow alone, the stable version alone, both or neither.
    pub(crate) fn paired(&self) -> Value {
        json!({"better": self.better.sum(), "worse": self.worse.sum(), "same": self.same.sum()})
    }

    pub(crate) fn document(&self) -> Value {
        let count = |count: &AtomicU64| count.load(Relaxed);
        let codes: Map<String, Value> = self
            .codes
            .iter()
            .enumerate()
            .filter(|(_, number)| count(number) > 0)
            .map(|(code, number)| (code_name(code).to_owned(), count(number).into()))
            .collect();
        let worst = self.worst.lock().unwrap_or_else(PoisonError::into_inner);
        json!({
            "version": self.version,
            "sampled": count(&self.sampled),
            "dropped": count(&self.dropped),
            "codes": codes,
            "nan": count(&self.nan),
            "recent": self.recent.document(),
            "compared": count(&self.compared),
            "rows": count(&self.rows),
            "differing_rows": count(&self.differing),
            "ranked_rows": count(&self.ranked),
            "top1_flips": count(&self.flips),
            "unlike": count(&self.unlike),
            "largest_difference": finite(f64::from_bits(count(&self.largest))),
            "latency": Merged::of([&self.latency].into_iter()).document(),
            "stable_latency": Merged::of([&self.stable_latency].into_iter()).document(),
            "paired": self.paired(),
            "worst": worst.iter().map(|example| example.shown.clone()).collect::<Vec<_>>(),
        })
    }
}

/// A difference as JSON has it, which knows no infinity.
fn finite(difference: f64) -> Value {
    if difference.is_finite() { json!(difference) } else { json!("infinite") }
}

impl Case<'_> {
    fn shown(&self, found: &Difference) -> Value {
        let inputs: Map<String, Value> =
            self.inputs.iter().map(|(name, tensor)| ((*name).to_owned(), show(tensor))).collect();
        json!({
            "request_id": self.id,
            "difference": finite(found.largest),
            "differing_rows": found.differing,
            "top1_flips": found.flips,
            "inputs": inputs,
            "stable": self.stable.iter().map(show).collect::<Vec<_>>(),
            "shadow": self.shadow.iter().map(show).collect::<Vec<_>>(),
        })
    }
}

/// A tensor's shape and its first elements.
fn show(tensor: &Tensor) -> Value {
    let first: Vec<Value> = match (tensor.strings(), numbers(tensor)) {
        (Some(strings), _) => strings
            .iter()
            .take(SHOWN)
            .map(|text| String::from_utf8_lossy(&text[..text.len().min(SHOWN)]).into_owned().into())
            .collect(),
        (_, Some(numbers)) => numbers.iter().take(SHOWN).map(|&number| json!(number)).collect(),
        _ => Vec::new(),
    };
    json!({"dtype": tensor.dtype().name(), "shape": tensor.shape(), "first": first})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_examples_are_kept_flips_first() {
        let counts = ShadowCounts::new(2);
        let tensors = [Tensor::from_values([100usize], &[0.5f32; 100]).unwrap()];
        for number in 0..30u32 {
            let id = number.to_string();
            let case = Case { id: &id, inputs: vec![("x", &tensors[0])], stable: &tensors, shadow: &tensors };
            let flips = u64::from(number == 3);
            let largest = f64::from(number);
            counts.compared(&Difference { rows: 1, differing: 1, flips, largest, ..Difference::default() }, &case);
        }
        let document = counts.document();
        let worst = document["worst"].as_array().unwrap();
        let ids: Vec<&str> = worst.iter().map(|example| example["request_id"].as_str().unwrap()).collect();
        assert_eq!(ids, ["3", "29", "28", "27", "26", "25", "24", "23"]);
        assert_eq!(worst[0]["inputs"]["x"]["first"].as_array().unwrap().len(), SHOWN);
        assert_eq!((&document["largest_difference"], &document["compared"]), (&json!(29.0), &json!(30)));
    }
    #[test]
    fn what_the_shadow_does_not_answer_is_bad_whosever_fault_it_looks() {
        let counts = ShadowCounts::new(2);
        counts.ran(None, false, [Duration::ZERO; 2]);
        counts.ran(None, true, [Duration::ZERO; 2]);
        counts.ran(Some(&Error::invalid("it takes other inputs")), false, [Duration::ZERO; 2]);
        let document = counts.document();
        assert_eq!(document["recent"], json!({"bad": 2, "answers": 3, "bad_ever": 2}));
        assert_eq!((&document["nan"], &document["latency"]["count"]), (&json!(1), &json!(2)));
        assert_eq!(document["codes"], json!({"OK": 2, "INVALID_ARGUMENT": 1}));
    }

    #[test]
    fn a_copy_that_runs_out_of_our_patience_is_dropped() {
        let counts = ShadowCounts::new(2);
        let late = Error::new(ErrorKind::DeadlineExceeded, "late");
        (0..9).for_each(|_| counts.picked(true));
        (0..9).for_each(|_| counts.ran(Some(&late), false, [PATIENCE, Duration::ZERO]));
        let document = counts.document();
        assert_eq!(
            (&document["sampled"], &document["dropped"], &document["codes"]),
            (&json!(9), &json!(9), &json!({}))
        );
        assert_eq!(document["recent"], json!({"bad": 0, "answers": 0, "bad_ever": 0}));
        // What it says sooner is its own.
        counts.ran(Some(&late), false, [PATIENCE / 2, Duration::ZERO]);
        assert_eq!(counts.document()["recent"]["bad"], 1);
    }

    #[test]
    fn a_request_has_one_vote_however_many_rows_it_has() {
        let counts = ShadowCounts::new(2);
        counts.judged([(true, false)].into_iter());
        counts.judged([(false, true), (false, true), (true, false), (true, true)].into_iter());
        counts.judged(std::iter::repeat_n((true, false), 64));
        assert_eq!(counts.paired(), json!({"better": 0.5, "worse": 2.25, "same": 0.25}));
    }
}
