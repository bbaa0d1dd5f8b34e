//! What is counted of requests that an experiment led: plain sums, so that those of several servers add up.
//!
//! Each thread adds to a part of its own; whoever reads adds the parts.

use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use serde_json::{Map, Value, json};
use taxiway_engine::ErrorKind;

use super::ended::{Ended, GUARDS, Guards, code_name};
use super::recent::Recent;
use super::sketch::{Merged, Sketch};

/// OK and every error kind, by gRPC's number.
const CODES: usize = ErrorKind::ALL.len() + 1;

const PARTS: usize = 8;

/// Something kept once for each group of threads, on cache lines of its own.
#[derive(Default)]
pub(super) struct Parts<T>([Part<T>; PARTS]);

#[derive(Default)]
#[repr(align(128))]
struct Part<T>(T);

impl<T> Parts<T> {
    /// The part of this thread.
    pub(super) fn own(&self) -> &T {
        thread_local!(static PLACE: Cell<Option<usize>> = const { Cell::new(None) });
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let place = PLACE.with(|place| match place.get() {
            Some(known) => known,
            None => {
                let new = NEXT.fetch_add(1, Relaxed) % PARTS;
                place.set(Some(new));
                new
            }
        });
        &self.0[place].0
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|part| &part.0)
    }

    /// The sum of one count over all parts.
    pub(super) fn sum(&self, count: impl Fn(&T) -> &AtomicU64) -> u64 {
        self.iter().map(|part| count(part).load(Relaxed)).sum()
    }
}

/// The counts that guards are judged by.
#[derive(Default)]
pub(super) struct Tally {
    assigned: AtomicU64,
    keyless: AtomicU64,
    units: AtomicU64,
    served_units: AtomicU64,
    answered: AtomicU64,
    bad: [Bad; GUARDS],
    judged: AtomicU64,
    closed: AtomicU64,
    labelled: AtomicU64,
    labelled_units: AtomicU64,
}

/// What one guard finds bad.
#[derive(Default)]
struct Bad {
    /// Of each unit the first bad answer. One of another unit is a coin of its own, a second one of the same is not.
    first: AtomicU64,
    answers: AtomicU64,
}

/// What a request came to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outcome {
    pub(super) ended: Ended,
    /// Whether it was its unit's first request.
    pub(super) first: bool,
    /// The guards that find it bad.
    pub(super) bad: Guards,
    /// Those of them that never found its unit's answers bad before.
    pub(super) newly_bad: Guards,
}

impl Tally {
    /// A request was led here; `keyed` by a key of its own, `first` as its unit's first.
    pub(super) fn began(&self, keyed: bool, first: bool) {
        self.assigned.fetch_add(1, Relaxed);
        add_if(&self.keyless, !keyed);
        add_if(&self.units, first);
    }

    pub(super) fn judged(&self, verdict: &Verdict) {
        add_if(&self.judged, matches!(verdict, Verdict::Rows { .. }));
    }

    /// The time for feedback is over; `first` whether no answer to its unit was labelled before.
    pub(super) fn closed(&self, labelled: bool, first: bool) {
        self.closed.fetch_add(1, Relaxed);
        add_if(&self.labelled, labelled);
        add_if(&self.labelled_units, labelled && first);
    }

    pub(super) fn ended(&self, outcome: Outcome) {
        self.answered.fetch_add(1, Relaxed);
        add_if(&self.served_units, outcome.first && outcome.ended.is_served());
        outcome.bad.places().for_each(|place| add_if(&self.bad[place].answers, true));
        outcome.newly_bad.places().for_each(|place| add_if(&self.bad[place].first, true));
    }
}

fn add_if(count: &AtomicU64, condition: bool) {
    if condition {
        count.fetch_add(1, Relaxed);
    }
}

/// What a sum of tallies says, as a document.
pub(super) fn tallied(parts: &Parts<impl AsRef<Tally>>, slow: &[(String, Duration)]) -> Map<String, Value> {
    let by_guard = |count: fn(&Bad) -> &AtomicU64| -> Value {
        let names = std::iter::once("errors").chain(slow.iter().map(|(name, _)| name.as_str()));
        let sum = |place: usize| parts.sum(|part| count(&part.as_ref().bad[place]));
        names.enumerate().map(|(place, name)| (name.to_owned(), json!(sum(place)))).collect::<Map<_, _>>().into()
    };
    let count = |count: fn(&Tally) -> &AtomicU64| json!(parts.sum(|part| count(part.as_ref())));
    let counts = [
        ("assigned", count(|tally| &tally.assigned)),
        ("keyless", count(|tally| &tally.keyless)),
        ("units", count(|tally| &tally.units)),
        ("served_units", count(|tally| &tally.served_units)),
        ("answered", count(|tally| &tally.answered)),
        ("judged", count(|tally| &tally.judged)),
        ("closed", count(|tally| &tally.closed)),
        ("labelled", count(|tally| &tally.labelled)),
        ("labelled_units", count(|tally| &tally.labelled_units)),
        ("bad", by_guard(|bad| &bad.first)),
        ("bad_answers", by_guard(|bad| &bad.answers)),
    ];
    counts.into_iter().map(|(name, count)| (name.to_owned(), count)).collect()
}

impl AsRef<Tally> for Tally {
    fn as_ref(&self) -> &Tally {
        self
    }
}

/// All that is counted of one arm on one version, since the experiment began.
pub(crate) struct ArmCounts {
    pub(super) name: String,
    pub(super) version: i64,
    parts: Parts<ArmPart>,
    /// The first number that feedback gave; those of all threads are measured from it.
    origin: OnceLock<f64>,
    recent: Recent,
}

#[derive(Default)]
struct ArmPart {
    tally: Tally,
    /// Units, each once however the shares changed.
    units_ever: AtomicU64,
    codes: [AtomicU64; CODES],
    nan: AtomicU64,
    latency: Sketch,
    right: AtomicU64,
    wrong: AtomicU64,
    values: Moments,
}

/// Of numbers: how many, the sum of their distances from the arm's first one, and that of the squares of these, which
/// keep their digits where all numbers are large and alike. The sums are the bits of floats.
#[derive(Default)]
struct Moments {
    count: AtomicU64,
    sum: AtomicU64,
    sum_squares: AtomicU64,
}

impl Moments {
    fn add(&self, distance: f64) {
        self.count.fetch_add(1, Relaxed);
        for (sum, by) in [(&self.sum, distance), (&self.sum_squares, distance * distance)] {
            let added = sum.fetch_update(Relaxed, Relaxed, |bits| Some((f64::from_bits(bits) + by).to_bits()));
            debug_assert!(added.is_ok(), "there is always a next sum");
        }
    }
}

/// What feedback says of an answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Verdict {
    Rows { right: u64, wrong: u64 },
    Value(f64),
}

impl Verdict {
    /// Of rows, each right or wrong.
    pub(super) fn of(rows: impl Iterator<Item = bool>) -> Verdict {
        let count = |(right, wrong), is_right| if is_right { (right + 1, wrong) } else { (right, wrong + 1) };
        let (right, wrong) = rows.fold((0, 0), count);
        Verdict::Rows { right, wrong }
    }
}

impl AsRef<Tally> for ArmPart {
    fn as_ref(&self) -> &Tally {
        &self.tally
    }
}

impl ArmCounts {
    pub(super) fn new(name: &str, version: i64) -> ArmCounts {
        let (parts, origin, recent) = Default::default();
        ArmCounts { name: name.to_owned(), version, parts, origin, recent }
    }

    /// A request was led here, as its unit's `first` in its phase, or its first of all.
    pub(super) fn began(&self, keyed: bool, first: bool, first_ever: bool) {
        let part = self.parts.own();
        part.tally.began(keyed, first);
        add_if(&part.units_ever, first_ever);
    }

    pub(super) fn ended(&self, outcome: Outcome) {
        let (part, ended) = (self.parts.own(), outcome.ended);
        part.tally.ended(outcome);
        if let Some(count) = part.codes.get(ended.code) {
            count.fetch_add(1, Relaxed);
        }
        add_if(&part.nan, ended.nan);
        part.latency.record(ended.took);
        if let Some(fault) = ended.fault() {
            self.recent.add(fault);
        }
    }

    pub(super) fn judged(&self, verdict: &Verdict) {
        let part = self.parts.own();
        part.tally.judged(verdict);
        match verdict {
            Verdict::Value(value) => part.values.add(value - self.origin.get_or_init(|| *value)),
            Verdict::Rows { right, wrong } => {
                part.right.fetch_add(*right, Relaxed);
                part.wrong.fetch_add(*wrong, Relaxed);
            }
        }
    }

    pub(super) fn closed(&self, labelled: bool, first: bool) {
        self.parts.own().tally.closed(labelled, first);
    }

    /// Sums of what feedback gave as numbers, about `origin`; null before there is one.
    fn values(&self) -> Value {
        let float = |bits: fn(&ArmPart) -> &AtomicU64| -> f64 {
            self.parts.iter().map(|part| f64::from_bits(bits(part).load(Relaxed))).sum()
        };
        json!({
            "count": self.parts.sum(|part| &part.values.count),
            "origin": self.origin.get(),
            "sum": float(|part| &part.values.sum),
            "sum_squares": float(|part| &part.values.sum_squares),
        })
    }

    pub(super) fn document(&self, slow: &[(String, Duration)]) -> Value {
        let codes: Map<String, Value> = (0..CODES)
            .map(|code| (code_name(code), self.parts.sum(|part| &part.codes[code])))
            .filter(|(_, count)| *count > 0)
            .map(|(name, count)| (name.to_owned(), count.into()))
            .collect();
        let mut document = tallied(&self.parts, slow);
        document.extend([
            ("arm".to_owned(), json!(self.name)),
            ("version".to_owned(), json!(self.version)),
            ("units_ever".to_owned(), self.parts.sum(|part| &part.units_ever).into()),
            ("codes".to_owned(), codes.into()),
            ("nan".to_owned(), self.parts.sum(|part| &part.nan).into()),
            ("right".to_owned(), self.parts.sum(|part| &part.right).into()),
            ("wrong".to_owned(), self.parts.sum(|part| &part.wrong).into()),
            ("goal".to_owned(), self.values()),
            ("recent".to_owned(), self.recent.document()),
            ("latency".to_owned(), Merged::of(self.parts.iter().map(|part| &part.latency)).document()),
        ]);
        document.into()
    }
}

#[cfg(test)]
impl ArmCounts {
    /// The units that a guard found bad.
    pub(super) fn bad_units(&self, guard: usize) -> u64 {
        self.parts.sum(|part| &part.tally.bad[guard].first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_numbers_that_are_much_alike_keep_their_spread() {
        let counts = ArmCounts::new("canary", 2);
        assert_eq!(counts.document(&[])["goal"], json!({"count": 0, "origin": null, "sum": 0.0, "sum_squares": 0.0}));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| [-1.0, 1.0].map(|off| counts.judged(&Verdict::Value(1e9 + off))));
            }
        });
        let goal = counts.document(&[])["goal"].clone();
        let number = |name: &str| goal[name].as_f64().unwrap();
        let mean = number("sum") / 8.0;
        assert_eq!((number("origin") + mean, number("sum_squares") / 8.0 - mean * mean), (1e9, 1.0));
    }

    #[test]
    fn counts_of_all_threads_add_up() {
        let counts = ArmCounts::new("canary", 2);
        let slow = [("p95".to_owned(), Duration::from_millis(10)), ("p99".to_owned(), Duration::from_millis(30))];
        let invalid = ErrorKind::InvalidArgument as usize;
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (counts, slow) = (&counts, &slow);
                scope.spawn(move || {
                    for (code, ms, nan) in [(0, 1, false), (0, 20, true), (invalid, 40, false)] {
                        counts.began(code == 0, code == 0, nan);
                        let ended = Ended { code, took: Duration::from_millis(ms), nan, hurried: false };
                        let bad = Guards::against(ended, slow);
                        // One unit, whose answers were bad before in every other thread.
                        let newly_bad = bad.filter(|_| thread == 0 && nan);
                        counts.ended(Outcome { ended, first: code == 0, bad, newly_bad });
                    }
                });
            }
        });
        let document = counts.document(&slow);
        let count = |name: &str| document[name].as_u64().unwrap();
        assert_eq!((count("assigned"), count("keyless"), count("answered"), count("nan")), (12, 4, 12, 4));
        assert_eq!((count("units"), count("units_ever"), count("served_units")), (8, 4, 4));
        assert_eq!(document["bad"], json!({"errors": 1, "p95": 1, "p99": 0}));
        assert_eq!(document["bad_answers"], json!({"errors": 8, "p95": 8, "p99": 4}));
        assert_eq!(document["codes"], json!({"OK": 8, "INVALID_ARGUMENT": 4}));
        assert_eq!(document["recent"], json!({"bad": 4, "answers": 12, "bad_ever": 4}));
        assert_eq!(document["latency"]["count"], 12);
    }
}
