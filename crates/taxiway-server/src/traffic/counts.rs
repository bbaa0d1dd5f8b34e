//! What is counted of requests that an experiment led: plain sums, so that those of several servers add up.
//!
//! Each thread adds to a part of its own; whoever reads adds the parts.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use serde_json::{Map, Value, json};
use taxiway_engine::ErrorKind;

use super::sketch::{Merged, Sketch};
use crate::render::http_status;

/// How many times an experiment may call slow.
pub(super) const MAX_SLOW: usize = 8;

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

/// How a request ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ended {
    /// 0, or the number of an error kind.
    pub(crate) code: usize,
    pub(crate) took: Duration,
    /// Whether the answer holds a number that is none.
    pub(crate) nan: bool,
}

impl Ended {
    /// Whether it is a bad event: the server's own fault, a time-out, or no number for an answer.
    fn is_bad(self) -> bool {
        self.nan || kind(self.code).is_some_and(|kind| http_status(kind).is_server_error())
    }

    /// Whether the caller got an answer for which the server is not to blame.
    fn is_served(self) -> bool {
        self.code != ErrorKind::Cancelled as usize && !self.is_bad()
    }
}

fn kind(code: usize) -> Option<ErrorKind> {
    i32::try_from(code).ok().and_then(ErrorKind::from_code)
}

/// The counts that guards are judged by.
#[derive(Default)]
pub(super) struct Tally {
    assigned: AtomicU64,
    keyless: AtomicU64,
    units: AtomicU64,
    served_units: AtomicU64,
    answered: AtomicU64,
    errors: AtomicU64,
    slow: [AtomicU64; MAX_SLOW],
    judged: AtomicU64,
    closed: AtomicU64,
    labelled: AtomicU64,
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

    pub(super) fn closed(&self, labelled: bool) {
        self.closed.fetch_add(1, Relaxed);
        add_if(&self.labelled, labelled);
    }

    pub(super) fn ended(&self, ended: Ended, first: bool, slow: &[(String, Duration)]) {
        self.answered.fetch_add(1, Relaxed);
        add_if(&self.errors, ended.is_bad());
        add_if(&self.served_units, first && ended.is_served());
        for (count, (_, limit)) in self.slow.iter().zip(slow) {
            add_if(count, ended.took > *limit);
        }
    }
}

fn add_if(count: &AtomicU64, condition: bool) {
    if condition {
        count.fetch_add(1, Relaxed);
    }
}

/// What a sum of tallies says, as a document.
pub(super) fn tallied(parts: &Parts<impl AsRef<Tally>>, slow: &[(String, Duration)]) -> Map<String, Value> {
    let mut bad = Map::from_iter([("errors".to_owned(), json!(parts.sum(|part| &part.as_ref().errors)))]);
    for (place, (name, _)) in slow.iter().enumerate() {
        bad.insert(name.clone(), parts.sum(|part| &part.as_ref().slow[place]).into());
    }
    let counts = [
        ("assigned", parts.sum(|part| &part.as_ref().assigned)),
        ("keyless", parts.sum(|part| &part.as_ref().keyless)),
        ("units", parts.sum(|part| &part.as_ref().units)),
        ("served_units", parts.sum(|part| &part.as_ref().served_units)),
        ("answered", parts.sum(|part| &part.as_ref().answered)),
        ("judged", parts.sum(|part| &part.as_ref().judged)),
        ("closed", parts.sum(|part| &part.as_ref().closed)),
        ("labelled", parts.sum(|part| &part.as_ref().labelled)),
    ];
    let counts = counts.into_iter().map(|(name, count)| (name.to_owned(), json!(count)));
    counts.chain([("bad".to_owned(), Value::from(bad))]).collect()
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
    recent: Recent,
}

#[derive(Default)]
struct ArmPart {
    tally: Tally,
    codes: [AtomicU64; CODES],
    nan: AtomicU64,
    latency: Sketch,
    right: AtomicU64,
    wrong: AtomicU64,
    values: Moments,
}

/// Of numbers: how many, their sum, and that of their squares. The sums are the bits of floats.
#[derive(Default)]
struct Moments {
    count: AtomicU64,
    sum: AtomicU64,
    sum_squares: AtomicU64,
}

impl Moments {
    fn add(&self, value: f64) {
        self.count.fetch_add(1, Relaxed);
        for (sum, by) in [(&self.sum, value), (&self.sum_squares, value * value)] {
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
        ArmCounts { name: name.to_owned(), version, parts: Parts::default(), recent: Recent::default() }
    }

    pub(super) fn began(&self, keyed: bool, first: bool) {
        self.parts.own().tally.began(keyed, first);
    }

    pub(super) fn ended(&self, ended: Ended, first: bool, slow: &[(String, Duration)]) {
        let part = self.parts.own();
        part.tally.ended(ended, first, slow);
        if let Some(count) = part.codes.get(ended.code) {
            count.fetch_add(1, Relaxed);
        }
        add_if(&part.nan, ended.nan);
        part.latency.record(ended.took);
        self.recent.add(ended.is_bad());
    }

    pub(super) fn judged(&self, verdict: &Verdict) {
        let part = self.parts.own();
        part.tally.judged(verdict);
        match verdict {
            Verdict::Value(value) => part.values.add(*value),
            Verdict::Rows { right, wrong } => {
                part.right.fetch_add(*right, Relaxed);
                part.wrong.fetch_add(*wrong, Relaxed);
            }
        }
    }

    pub(super) fn closed(&self, labelled: bool) {
        self.parts.own().tally.closed(labelled);
    }

    /// Sums of what feedback gave as numbers.
    fn values(&self) -> Value {
        let float = |bits: fn(&ArmPart) -> &AtomicU64| -> f64 {
            self.parts.iter().map(|part| f64::from_bits(bits(part).load(Relaxed))).sum()
        };
        json!({
            "count": self.parts.sum(|part| &part.values.count),
            "sum": float(|part| &part.values.sum),
            "sum_squares": float(|part| &part.values.sum_squares),
        })
    }

    pub(super) fn document(&self, slow: &[(String, Duration)]) -> Value {
        let codes: Map<String, Value> = (0..CODES)
            .map(|code| (kind(code).map_or("OK", ErrorKind::name), self.parts.sum(|part| &part.codes[code])))
            .filter(|(_, count)| *count > 0)
            .map(|(name, count)| (name.to_owned(), count.into()))
            .collect();
        let mut document = tallied(&self.parts, slow);
        document.extend([
            ("arm".to_owned(), json!(self.name)),
            ("version".to_owned(), json!(self.version)),
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

/// The last answers, in the order in which they ended, and whether each was bad: what the hard brake looks at.
#[derive(Default)]
struct Recent {
    /// From the lowest bit: one bit an answer, the newest first; above them how many there are.
    window: AtomicU64,
}

const WINDOW: u32 = 20;

impl Recent {
    fn add(&self, bad: bool) {
        let push = |window: u64| {
            let bits = (window << 1 | u64::from(bad)) & ((1 << WINDOW) - 1);
            let count = (window >> WINDOW).saturating_add(1).min(u64::from(WINDOW));
            Some(count << WINDOW | bits)
        };
        let pushed = self.window.fetch_update(Relaxed, Relaxed, push);
        debug_assert!(pushed.is_ok(), "there is always a next window");
    }

    fn document(&self) -> Value {
        let window = self.window.load(Relaxed);
        json!({"bad": (window & ((1 << WINDOW) - 1)).count_ones(), "answers": window >> WINDOW})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(code: usize, ms: u64, nan: bool) -> Ended {
        Ended { code, took: Duration::from_millis(ms), nan }
    }

    #[test]
    fn what_is_bad_is_the_servers_fault() {
        let bad: Vec<&str> = ErrorKind::ALL
            .into_iter()
            .filter(|&kind| ended(kind as usize, 0, false).is_bad())
            .map(ErrorKind::name)
            .collect();
        let expected = ["UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"];
        assert_eq!(bad, expected);
        assert!(ended(0, 0, true).is_bad() && !ended(0, 0, false).is_bad());
        assert!(!ended(ErrorKind::Cancelled as usize, 0, false).is_served());
        assert!(ended(ErrorKind::InvalidArgument as usize, 0, false).is_served());
    }

    #[test]
    fn counts_of_all_threads_add_up() {
        let counts = ArmCounts::new("canary", 2);
        let slow = [("p95".to_owned(), Duration::from_millis(10)), ("p99".to_owned(), Duration::from_millis(30))];
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for (code, ms, nan) in [(0, 1, false), (0, 20, true), (ErrorKind::Internal as usize, 40, false)] {
                        counts.began(code == 0, code == 0);
                        counts.ended(ended(code, ms, nan), code == 0, &slow);
                    }
                });
            }
        });
        let document = counts.document(&slow);
        let count = |name: &str| document[name].as_u64().unwrap();
        assert_eq!((count("assigned"), count("keyless"), count("answered"), count("nan")), (12, 4, 12, 4));
        assert_eq!((count("units"), count("served_units")), (8, 4));
        assert_eq!(document["bad"], json!({"errors": 8, "p95": 8, "p99": 4}));
        assert_eq!(document["codes"], json!({"OK": 8, "INTERNAL": 4}));
        assert_eq!(document["recent"], json!({"bad": 8, "answers": 12}));
        assert_eq!(document["latency"]["count"], 12);
    }

    #[test]
    fn the_last_twenty_are_remembered() {
        let recent = Recent::default();
        (0..15).for_each(|_| recent.add(true));
        assert_eq!(recent.document(), json!({"bad": 15, "answers": 15}));
        (0..13).for_each(|_| recent.add(false));
        assert_eq!(recent.document(), json!({"bad": 7, "answers": 20}));
    }
}
