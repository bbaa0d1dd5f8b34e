//! What TensorFlow Serving counts, for its metrics page.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use taxiway_engine::Error;

use super::buckets::{Buckets, EXAMPLES, LATENCY, QUEUEING, ROWS};
use super::{CODES, MAX_VERSIONS, Protocol};
use crate::batch::Ran;

/// What a request asks for, of that which TensorFlow Serving counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Api {
    Predict = 0,
    Classify = 1,
    Regress = 2,
}

impl Api {
    pub(super) const ALL: [Api; 3] = [Api::Predict, Api::Classify, Api::Regress];

    /// The label of a request's latency: REST has it in lower case.
    pub(super) fn name(self, protocol: Protocol) -> &'static str {
        match (self, protocol) {
            (Api::Predict, Protocol::Rest) => "predict",
            (Api::Classify, Protocol::Rest) => "classify",
            (Api::Regress, Protocol::Rest) => "regress",
            (Api::Predict, Protocol::Grpc) => "Predict",
            (Api::Classify, Protocol::Grpc) => "Classify",
            (Api::Regress, Protocol::Grpc) => "Regress",
        }
    }
}

/// The counts of one model, all its versions together, or of the requests that reached none.
pub(crate) struct ModelCounts {
    pub(super) outcomes: [AtomicU64; CODES],
    /// Microseconds of the requests that went well, by protocol and API.
    pub(super) requests: [[Buckets; 3]; 2],
    /// The same of REST's other requests, which ask about a model.
    pub(super) questions: Buckets,
    /// Microseconds of runs, by API.
    pub(super) runs: [Buckets; 3],
    pub(super) examples: Buckets,
    /// Examples of MultiInference alone.
    pub(super) multi_inference_examples: AtomicU64,
}

impl Default for ModelCounts {
    fn default() -> ModelCounts {
        let by_api = || std::array::from_fn(|_| Buckets::new(LATENCY));
        ModelCounts {
            outcomes: Default::default(),
            requests: std::array::from_fn(|_| by_api()),
            questions: Buckets::new(LATENCY),
            runs: by_api(),
            examples: Buckets::new(EXAMPLES),
            multi_inference_examples: AtomicU64::new(0),
        }
    }
}

impl ModelCounts {
    /// Counts a request that ended. Over gRPC only those that ask an API are counted, over REST all.
    pub(super) fn ended(&self, protocol: Protocol, api: Option<Api>, outcome: usize, took: Duration) {
        if protocol == Protocol::Grpc && api.is_none() {
            return;
        }
        self.outcomes[outcome].fetch_add(1, Ordering::Relaxed);
        match api {
            _ if outcome != 0 => {}
            Some(api) => self.requests[protocol as usize][api as usize].record(micros(took)),
            None => self.questions.record(micros(took)),
        }
    }

    /// Counts a run that went well.
    pub(super) fn ran(&self, api: Api, took: Duration) {
        self.runs[api as usize].record(micros(took));
    }

    /// Counts the examples of a request.
    pub(crate) fn examples(&self, examples: usize) {
        self.examples.record(examples as u64);
    }

    /// Counts the examples of a MultiInference request.
    pub(crate) fn examples_of_many(&self, examples: usize) {
        self.examples(examples);
        self.multi_inference_examples.fetch_add(examples as u64, Ordering::Relaxed);
    }
}

/// The counts of batching, all models together.
pub(crate) struct BatchCounts {
    pub(super) queueing: Buckets,
    pub(super) runs: AtomicU64,
    /// Rows added to reach an allowed size, by the size.
    pub(super) padding: Mutex<BTreeMap<usize, Buckets>>,
    pub(super) input_rows: Buckets,
    pub(super) run_rows: Buckets,
}

impl Default for BatchCounts {
    fn default() -> BatchCounts {
        BatchCounts {
            queueing: Buckets::new(QUEUEING),
            runs: AtomicU64::new(0),
            padding: Mutex::default(),
            input_rows: Buckets::new(ROWS),
            run_rows: Buckets::new(ROWS),
        }
    }
}

impl BatchCounts {
    /// Counts a batch that ran.
    pub(crate) fn batched(&self, ran: &Ran) {
        ran.queued.iter().for_each(|&waited| self.queueing.record(micros(waited)));
        ran.input_rows.iter().for_each(|&rows| self.input_rows.record(rows as u64));
        self.runs.fetch_add(1, Ordering::Relaxed);
        self.run_rows.record(ran.run_rows as u64);
        let filling = ran.run_rows.saturating_sub(ran.input_rows.iter().sum());
        let mut padding = self.padding.lock().unwrap_or_else(PoisonError::into_inner);
        // One for each size of a run, of which there are as many as allowed sizes, or at most as rows in a batch.
        if padding.len() < MAX_VERSIONS || padding.contains_key(&ran.run_rows) {
            padding.entry(ran.run_rows).or_insert_with(|| Buckets::new(ROWS)).record(filling as u64);
        }
    }
}

/// What loading did, by the directory of a version.
#[derive(Default)]
pub(crate) struct Loads(Mutex<BTreeMap<String, LoadCounts>>);

/// The loads of one directory.
pub(super) struct LoadCounts {
    pub(super) succeeded: u64,
    pub(super) failed: u64,
    /// Microseconds of those that succeeded.
    pub(super) times: Buckets,
    /// By the status of the warm-up.
    pub(super) warm_ups: BTreeMap<&'static str, WarmUps>,
}

impl Default for LoadCounts {
    fn default() -> LoadCounts {
        LoadCounts { succeeded: 0, failed: 0, times: Buckets::new(LATENCY), warm_ups: BTreeMap::new() }
    }
}

/// The warm-ups of one directory that ended in one way.
pub(super) struct WarmUps {
    pub(super) times: Buckets,
    pub(super) records: u64,
}

impl Loads {
    /// Counts a runtime's attempt to load a version: how long it took, or `None` when it failed.
    pub(crate) fn attempted(&self, path: &str, took: Option<Duration>) {
        self.with(path, |counts| match took {
            Some(took) => {
                counts.succeeded += 1;
                counts.times.record(micros(took));
            }
            None => counts.failed += 1,
        });
    }

    /// Counts a warm-up that took `took` and ran this many records, or failed.
    pub(crate) fn warmed(&self, path: &str, took: Duration, records: Result<usize, &Error>) {
        let status = records.map_or_else(|error| error.kind.name(), |_| "OK");
        self.with(path, |counts| {
            let warm_ups =
                counts.warm_ups.entry(status).or_insert_with(|| WarmUps { times: Buckets::new(LATENCY), records: 0 });
            warm_ups.times.record(micros(took));
            warm_ups.records += records.unwrap_or(0) as u64;
        });
    }

    /// The counts by directory.
    pub(super) fn by_path(&self) -> MutexGuard<'_, BTreeMap<String, LoadCounts>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with(&self, path: &str, count: impl FnOnce(&mut LoadCounts)) {
        let mut by_path = self.by_path();
        if by_path.len() >= MAX_VERSIONS && !by_path.contains_key(path) {
            by_path.pop_first(); // as good as any: what is remembered has to end somewhere
        }
        count(by_path.entry(path.to_owned()).or_default());
    }
}

/// The counts of every model by its name.
#[derive(Default)]
pub(crate) struct Models(Mutex<BTreeMap<String, Arc<ModelCounts>>>);

impl Models {
    /// The counts of a model, the old ones when it was here before.
    pub(super) fn of(&self, name: &str) -> Arc<ModelCounts> {
        let mut models = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = models.get(name) {
            return Arc::clone(known);
        }
        if models.len() >= MAX_VERSIONS {
            let unused = models.iter().find(|(_, counts)| Arc::strong_count(counts) == 1);
            if let Some(name) = unused.map(|(name, _)| name.clone()) {
                models.remove(&name);
            }
        }
        Arc::clone(models.entry(name.to_owned()).or_default())
    }

    /// Every model's counts, by name.
    pub(super) fn all(&self) -> Vec<(String, Arc<ModelCounts>)> {
        let models = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        models.iter().map(|(name, counts)| (name.clone(), Arc::clone(counts))).collect()
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
