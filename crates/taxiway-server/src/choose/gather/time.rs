//! How long runs of more and more rows take, and how many pay.

use std::time::{Duration, Instant};

use serde_json::json;
use taxiway_engine::{Result, Tensor};

use super::Found;
use crate::batch::Pays;

/// The sizes that are timed.
pub(super) const SIZES: [usize; 6] = [2, 4, 8, 16, 32, 64];

/// How long rows are asked alone, once enough were.
pub(super) const ROWS_BUDGET: Duration = Duration::from_millis(30);

/// The most times that a size is timed, how often at least with a quick model, and how long that may take.
const MAX_ROUNDS: u32 = 9;
const LEAST_ROUNDS: u32 = 3;
const STEP_BUDGET: Duration = Duration::from_millis(15);

/// How long all of it may take: so long, or so many runs of one row when those are slow.
const BUDGET: Duration = Duration::from_millis(150);
const BUDGET_RUNS: u32 = 30;
const LARGEST_BUDGET: Duration = Duration::from_secs(3);

/// How long a batch may take: so long, or so many runs of one row. Who comes while it runs waits for it.
const LONGEST: Duration = Duration::from_millis(5);
const LONGEST_RUNS: u32 = 4;

/// Rows in a full batch must need at most this part of the time that they need one by one, and each gain so much, which
/// gathering them costs; no smaller batch may be dearer than its rows one by one, but for noise.
const FASTER: f64 = 0.67;
const LEAST_GAIN_US: f64 = 5.0;
const NOISE: f64 = 1.1;

/// What was timed of one size: the shortest of a few, for what else the machine does only makes runs longer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Step {
    pub(super) rows: usize,
    pub(super) one: Duration,
    pub(super) all: Duration,
    /// How long all runs of the size took together, but for what else the machine did.
    pub(super) spent: Duration,
}

impl Step {
    fn us_per_row(&self) -> f64 {
        self.all.as_secs_f64() * 1e6 / self.rows as f64
    }

    /// The time of the batch as a part of that of its rows one by one.
    fn part(&self) -> f64 {
        self.us_per_row() / (self.one.as_secs_f64() * 1e6).max(f64::MIN_POSITIVE)
    }
}

/// How long things may take with a model whose run takes so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    budget: Duration,
    longest: Duration,
}

impl Limits {
    /// Those of a model that answers one row in this time.
    pub(super) fn of(one: Duration) -> Limits {
        let budget = BUDGET.max(one.saturating_mul(BUDGET_RUNS)).min(LARGEST_BUDGET);
        Limits { budget, longest: LONGEST.max(one.saturating_mul(LONGEST_RUNS)) }
    }

    /// Whether no larger batch needs to be tried.
    pub(super) fn is_enough(&self, steps: &[Step], elapsed: Duration) -> bool {
        let Some(last) = steps.last() else { return false };
        let spent = steps.iter().map(|step| step.spent).sum::<Duration>();
        last.all > self.longest || spent + last.spent * 2 > self.budget || elapsed > LARGEST_BUDGET
    }

    /// Whether the model is, so that looking at it again costs little.
    pub(super) fn is_quick(&self) -> bool {
        self.budget == BUDGET
    }
}

/// Times a size in turns with one row. Before each timed run comes one of another size, as in service, where an engine
/// that lays out its memory anew for every size pays for it.
pub(super) fn step(
    rows: usize,
    limits: Limits,
    one: impl Fn() -> Result<Vec<Tensor>, String>,
    full: impl Fn() -> Result<Vec<Tensor>, String>,
    less: impl Fn() -> Result<Vec<Tensor>, String>,
) -> Result<Step, String> {
    let began = Instant::now();
    let least = if limits.is_quick() { LEAST_ROUNDS } else { 1 };
    let (mut shortest_one, mut shortest_all, mut rounds) = (Duration::MAX, Duration::MAX, 0);
    while rounds < MAX_ROUNDS && (rounds < least || began.elapsed() < STEP_BUDGET) {
        if rows > 2 && limits.is_quick() {
            less()?;
        }
        shortest_all = shortest_all.min(took(&full)?.0);
        if limits.is_quick() {
            one()?;
        }
        shortest_one = shortest_one.min(took(&one)?.0);
        rounds += 1;
    }
    // Those that compared answers took as long: a handful.
    let spent = shortest_all.saturating_mul(2 * rounds + 2).saturating_add(shortest_one.saturating_mul(2 * rounds));
    Ok(Step { rows, one: shortest_one, all: shortest_all, spent })
}

pub(super) fn took<T>(run: impl FnOnce() -> Result<T, String>) -> Result<(Duration, T), String> {
    let began = Instant::now();
    let answer = run()?;
    Ok((began.elapsed(), answer))
}

/// The shortest runs of two looks at the same sizes; one may have got further than the other.
pub(super) fn shorter(one: Vec<Step>, other: Vec<Step>) -> Vec<Step> {
    let (mut longer, other) = if one.len() >= other.len() { (one, other) } else { (other, one) };
    for (step, again) in longer.iter_mut().zip(other) {
        (step.one, step.all) = (step.one.min(again.one), step.all.min(again.all));
    }
    longer
}

/// The largest size that still pays: no row costs more than in a smaller batch, and the batch is over in time.
///
/// # Errors
/// Why none does.
pub(super) fn chosen(steps: &[Step], limits: Limits, found: &mut Found) -> Result<Pays, String> {
    let mut best: Option<Step> = None;
    for step in steps.iter().take_while(|step| step.part() <= NOISE && step.all <= limits.longest) {
        if best.is_none_or(|best| step.us_per_row() <= best.us_per_row()) {
            best = Some(*step);
        }
    }
    let us = |time: Duration| json!((time.as_secs_f64() * 1e7).round() / 10.0);
    let shown = best.or(steps.last().copied());
    if let Some(shown) = shown {
        found.insert("batch_rows".to_owned(), shown.rows.into());
        found.insert("row_us".to_owned(), us(shown.one));
        found.insert("batch_us".to_owned(), us(shown.all));
    }
    let gain = |step: &Step| step.one.as_secs_f64() * 1e6 - step.us_per_row();
    match best.filter(|step| step.part() <= FASTER && gain(step) >= LEAST_GAIN_US) {
        Some(step) => Ok(Pays { rows: step.rows, time: step.all }),
        None => Err("its rows answer alike, alone and together, but a batch gains too little".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(one: u64, all: &[u64]) -> Vec<Step> {
        let micros = Duration::from_micros;
        SIZES
            .iter()
            .zip(all)
            .map(|(&rows, &all)| Step { rows, one: micros(one), all: micros(all), spent: micros(all) })
            .collect()
    }

    fn rows(one: u64, all: &[u64]) -> Option<usize> {
        let limits = Limits::of(Duration::from_micros(one));
        chosen(&steps(one, all), limits, &mut Found::new()).ok().map(|pays| pays.rows)
    }

    #[test]
    fn the_largest_batch_that_pays_is_taken() {
        for (one, all, wanted) in [
            (40, &[45, 48, 52, 60, 75, 100][..], Some(64)),
            (40, &[45, 48, 52, 60, 75, 200], Some(32)), // a row costs more among 64
            (40, &[90, 48, 52, 60, 75, 100], None),     // two callers would lose
            (12, &[20, 36, 64, 128, 250, 500], None),   // too little to pay for gathering
            (12, &[15, 30, 62, 120, 235, 470], None),   // a third less, of very little
            (2000, &[2200, 2600, 3400, 5000, 9000, 18000], Some(16)), // 32 would take more than four runs
            (40, &[41], Some(2)),                       // no time for more
            (40, &[79], None),
        ] {
            assert_eq!(rows(one, all), wanted, "{one} {all:?}");
        }
    }

    #[test]
    fn the_shorter_runs_of_two_looks_count() {
        let (disturbed, cut_short) = (steps(40, &[90, 48, 52, 60, 75, 400]), steps(60, &[45, 70, 52]));
        let limits = Limits::of(Duration::from_micros(40));
        assert!(chosen(&disturbed, limits, &mut Found::new()).is_err());
        for (one, other) in [(disturbed.clone(), cut_short.clone()), (cut_short, disturbed)] {
            let both = shorter(one, other);
            assert_eq!(both.iter().map(|step| step.all.as_micros()).collect::<Vec<_>>(), [45, 48, 52, 60, 75, 400]);
            assert_eq!(chosen(&both, limits, &mut Found::new()).unwrap().rows, 32);
        }
    }

    #[test]
    fn slow_models_get_few_runs_and_quick_ones_little_time() {
        assert_eq!(Limits::of(Duration::from_micros(40)).budget, BUDGET);
        assert_eq!(Limits::of(Duration::from_millis(20)).budget, Duration::from_millis(600));
        assert_eq!(Limits::of(Duration::from_secs(9)).budget, LARGEST_BUDGET);
    }
}
