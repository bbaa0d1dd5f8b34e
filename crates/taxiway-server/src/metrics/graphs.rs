//! Counting an engine's runs, whoever asks for them: requests, batches, warm-ups.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use taxiway_engine::{Call, Engine, Result, Signatures, Tensor};

/// The runs of all engines.
#[derive(Default)]
pub(crate) struct Graphs {
    runs: AtomicU64,
    micros: AtomicU64,
}

impl Graphs {
    fn counting<T>(&self, run: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let result = run();
        self.runs.fetch_add(1, Ordering::Relaxed);
        let took = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.micros.fetch_add(took, Ordering::Relaxed);
        result
    }

    /// How many runs there were.
    pub(super) fn runs(&self) -> u64 {
        self.runs.load(Ordering::Relaxed)
    }

    /// How long they took, all together.
    pub(super) fn micros(&self) -> u64 {
        self.micros.load(Ordering::Relaxed)
    }
}

/// An engine whose runs are counted.
pub(crate) struct Counted {
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) graphs: Arc<Graphs>,
}

impl Engine for Counted {
    fn name(&self) -> &'static str {
        self.engine.name()
    }

    fn signatures(&self) -> &Signatures {
        self.engine.signatures()
    }

    fn run(&self, call: &Call<'_>) -> Result<Vec<Tensor>> {
        self.graphs.counting(|| self.engine.run(call))
    }

    fn run_together(&self, calls: &[Call<'_>]) -> Result<Vec<Vec<Tensor>>> {
        self.graphs.counting(|| self.engine.run_together(calls))
    }
}

#[cfg(test)]
mod tests {
    use taxiway_engine::fake::FakeEngine;

    use super::*;

    #[test]
    fn every_run_is_counted_with_its_time() {
        let graphs = Arc::<Graphs>::default();
        let engine = Counted { engine: Arc::new(FakeEngine::half_plus_two()), graphs: Arc::clone(&graphs) };
        let signature = engine.signatures().get("serving_default").unwrap().unwrap();
        let inputs = [Tensor::from_values([1usize], &[2.0f32]).unwrap()];
        for outputs in [&[0][..], &[0]] {
            engine.run(&Call { signature, inputs: &inputs, outputs, timeout: None }).unwrap();
        }
        assert_eq!(graphs.runs(), 2);
    }
}
