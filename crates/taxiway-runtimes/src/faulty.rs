//! An engine that goes wrong on purpose: what a drill rolls out, to see how long it takes until somebody notices.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use taxiway_engine::{Call, DType, Element, Engine, Error, ErrorKind, Result, Signatures, Tensor};

/// What goes wrong, and how often. The rates are parts of the runs, 0 to 1, drawn independently of each other.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Faults {
    /// Runs that fail with `Internal`.
    pub error_rate: f64,
    /// Runs that take `delay_ms` longer.
    pub delay_rate: f64,
    /// How much longer.
    pub delay_ms: u64,
    /// Runs whose answers are wrong: numbers of a row are moved on by one place, so that another class is on top; an
    /// answer of one number a row is negated and one less.
    pub wrong_rate: f64,
    /// Which runs: the same seed goes wrong in the same ones.
    pub seed: u64,
}

/// An engine with faults.
pub(crate) struct Faulty {
    inner: Arc<dyn Engine>,
    faults: Faults,
    runs: AtomicU64,
}

impl Faulty {
    /// `inner`, with these faults.
    ///
    /// # Errors
    /// `InvalidArgument` when a rate is not between 0 and 1.
    pub(crate) fn new(inner: Arc<dyn Engine>, faults: Faults) -> Result<Faulty> {
        let rates = [faults.error_rate, faults.delay_rate, faults.wrong_rate];
        if rates.iter().any(|rate| !(0.0..=1.0).contains(rate)) {
            return Err(Error::invalid(format!("the rates of faults are between 0 and 1, not {rates:?}")));
        }
        Ok(Faulty { inner, faults, runs: AtomicU64::new(0) })
    }
}

impl Engine for Faulty {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn signatures(&self) -> &Signatures {
        self.inner.signatures()
    }

    fn run(&self, call: &Call<'_>) -> Result<Vec<Tensor>> {
        let run = self.runs.fetch_add(1, Relaxed);
        let hit = |kind: u64, rate: f64| uniform(self.faults.seed, run, kind) < rate;
        if hit(1, self.faults.delay_rate) {
            #[expect(clippy::disallowed_methods, reason = "a slow engine is slow: nothing could wake it early")]
            std::thread::sleep(Duration::from_millis(self.faults.delay_ms));
        }
        if hit(2, self.faults.error_rate) {
            return Err(Error::new(ErrorKind::Internal, "this version fails on purpose: it is a drill"));
        }
        let answers = self.inner.run(call)?;
        if hit(3, self.faults.wrong_rate) { answers.iter().map(wrong).collect() } else { Ok(answers) }
    }
}

/// A number from 0 to below 1 that depends on its arguments alone (splitmix64's mixing).
fn uniform(seed: u64, run: u64, kind: u64) -> f64 {
    let mut mixed = seed ^ run.wrapping_mul(4).wrapping_add(kind).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

/// Another answer of the same type and shape. Types that are no plain numbers stay as they are.
fn wrong(answer: &Tensor) -> Result<Tensor> {
    let width = answer.shape().last().copied().filter(|_| answer.shape().len() > 1).unwrap_or(1);
    if width > 1 {
        return moved_on(answer, width);
    }
    match answer.dtype() {
        DType::Float => negated(answer, |value: f32| -value - 1.0),
        DType::Double => negated(answer, |value: f64| -value - 1.0),
        DType::Int32 => negated(answer, |value: i32| !value),
        DType::Int64 => negated(answer, |value: i64| !value),
        _ => Ok(answer.clone()),
    }
}

/// Each row's elements one place further, the last one first.
fn moved_on(answer: &Tensor, width: usize) -> Result<Tensor> {
    let (Some(bytes), Some(size)) = (answer.bytes(), answer.dtype().size()) else { return Ok(answer.clone()) };
    let mut moved = bytes.to_vec();
    for row in moved.chunks_exact_mut(width * size) {
        row.rotate_right(size);
    }
    Tensor::from_bytes(answer.dtype(), answer.shape(), moved.into())
}

fn negated<T: Element + Copy>(answer: &Tensor, change: impl Fn(T) -> T) -> Result<Tensor> {
    let Some(values) = answer.values::<T>() else { return Ok(answer.clone()) };
    let changed: Vec<T> = values.iter().map(|&value| change(value)).collect();
    Tensor::from_values(answer.shape(), &changed)
}

#[cfg(test)]
mod tests {
    use taxiway_engine::DEFAULT_SIGNATURE;
    use taxiway_engine::fake::FakeEngine;

    use super::*;

    const NONE: Faults = Faults { error_rate: 0.0, delay_rate: 0.0, delay_ms: 0, wrong_rate: 0.0, seed: 7 };

    fn asked(engine: &dyn Engine, input: &Tensor) -> Result<Tensor> {
        let signature = engine.signatures().get(DEFAULT_SIGNATURE).unwrap().unwrap();
        let call = Call { signature, inputs: std::slice::from_ref(input), outputs: &[0], timeout: None };
        engine.run(&call).map(|mut answers| answers.remove(0))
    }

    fn half(faults: Faults) -> Faulty {
        Faulty::new(Arc::new(FakeEngine::half_plus_two()), faults).unwrap()
    }

    #[test]
    fn without_faults_nothing_changes() {
        let x = Tensor::from_values([2], &[2.0_f32, 4.0]).unwrap();
        let engine = half(NONE);
        assert!((0..100).all(|_| asked(&engine, &x).unwrap().values::<f32>().unwrap()[..] == [3.0, 4.0]));
    }

    #[test]
    fn as_many_runs_fail_as_the_rate_says_and_the_same_ones_again() {
        let x = Tensor::from_values([1], &[2.0_f32]).unwrap();
        let failing = || {
            let engine = half(Faults { error_rate: 0.05, ..NONE });
            (0..10_000).filter(|_| asked(&engine, &x).is_err()).collect::<Vec<u32>>()
        };
        assert!((400..600).contains(&failing().len()), "{}", failing().len());
        assert_eq!(failing(), failing());
    }

    #[test]
    fn a_wrong_answer_has_another_class_on_top() {
        let scores = Tensor::from_values([2, 3], &[0.7_f32, 0.2, 0.1, 0.1, 0.1, 0.8]).unwrap();
        let engine = FakeEngine::echo(&[("p", DType::Float, Some(&[-1, 3]))]);
        let engine = Faulty::new(Arc::new(engine), Faults { wrong_rate: 1.0, ..NONE }).unwrap();
        let found = asked(&engine, &scores).unwrap();
        assert_eq!(found.values::<f32>().unwrap()[..], [0.1, 0.7, 0.2, 0.8, 0.1, 0.1]);
        assert_eq!(found.shape(), [2, 3]);
    }

    #[test]
    fn a_single_number_is_another_one() {
        let x = Tensor::from_values([1], &[2.0_f32]).unwrap();
        let engine = half(Faults { wrong_rate: 1.0, ..NONE });
        assert_eq!(asked(&engine, &x).unwrap().values::<f32>().unwrap()[..], [-4.0]);
    }

    #[test]
    fn rates_that_are_none_are_refused() {
        for rate in [-0.1, 1.1, f64::NAN] {
            let refused = Faulty::new(Arc::new(FakeEngine::half_plus_two()), Faults { error_rate: rate, ..NONE });
            assert!(refused.is_err(), "{rate}");
        }
    }
}
