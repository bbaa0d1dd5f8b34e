//! What the server counts. A request touches only atomics, found when it got its lease.

mod buckets;
mod families;
mod graphs;
mod histogram;
mod page;
mod serving;
mod serving_text;
mod text;
mod track;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use taxiway_engine::ErrorKind;

use crate::batch::Ran;
use crate::profile::Recordings;
use serving::{BatchCounts, Loads, ModelCounts, Models};

pub(crate) use graphs::{Counted, Graphs};
pub(crate) use histogram::Histogram;
pub(crate) use page::counter;
pub(crate) use serving::Api;
pub(crate) use serving_text::write_serving;
pub(crate) use text::{Gauges, write};
pub(crate) use track::Tracked;

/// How many versions are remembered; beyond it the oldest that is no longer in memory is forgotten.
const MAX_VERSIONS: usize = 4096;

/// The longest name of a model that is remembered for having been asked for.
const MAX_NAME_BYTES: usize = 256;

/// The number of outcomes: OK and every error kind, by gRPC's number.
const CODES: usize = ErrorKind::ALL.len() + 1;

/// The protocol that brought a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Rest = 0,
    Grpc = 1,
}

impl Protocol {
    pub(crate) const ALL: [Protocol; 2] = [Protocol::Rest, Protocol::Grpc];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Protocol::Rest => "rest",
            Protocol::Grpc => "grpc",
        }
    }
}

/// The counts of one version, or of the requests that reached none.
#[derive(Default)]
pub(crate) struct VersionMetrics {
    model: String,
    version: String,
    protocols: [ProtocolMetrics; 2],
    /// Times of the engine's runs alone.
    pub(crate) runs: Histogram,
    /// How long requests waited to be gathered.
    pub(crate) batch_waits: Histogram,
    batches: AtomicU64,
    batched_rows: AtomicU64,
    batch_filling: AtomicU64,
    /// What TensorFlow Serving counts, by model.
    pub(crate) model_counts: Arc<ModelCounts>,
}

#[derive(Default)]
struct ProtocolMetrics {
    outcomes: [AtomicU64; CODES],
    times: Histogram,
}

/// Everything that is counted.
#[derive(Default)]
pub(crate) struct Metrics {
    versions: Mutex<Vec<Arc<VersionMetrics>>>,
    unrouted: Arc<VersionMetrics>,
    in_flight: AtomicUsize,
    connections: [AtomicUsize; 2],
    refused_connections: AtomicU64,
    models: Models,
    pub(crate) batching: BatchCounts,
    /// Who watches requests end.
    pub(crate) recordings: Recordings,
    pub(crate) loads: Loads,
    pub(crate) graphs: Arc<Graphs>,
}

impl Metrics {
    /// The counts of a version. A version that was here before goes on with its old ones, as counters must.
    pub(crate) fn version(&self, model: &str, version: i64) -> Arc<VersionMetrics> {
        let version = version.to_string();
        let mut versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = versions.iter().find(|known| known.model == model && known.version == version) {
            return Arc::clone(known);
        }
        if versions.len() >= MAX_VERSIONS
            && let Some(oldest) = versions.iter().position(|known| Arc::strong_count(known) == 1)
        {
            versions.remove(oldest);
        }
        let model_counts = self.models.of(model);
        let added =
            Arc::new(VersionMetrics { model: model.to_owned(), version, model_counts, ..VersionMetrics::default() });
        versions.push(Arc::clone(&added));
        added
    }

    /// The counts of the requests that name a model, whether or not there is one: those of no model for a name that
    /// is longer than any should be.
    fn named(&self, model: &str) -> Arc<ModelCounts> {
        match model.len() {
            1..=MAX_NAME_BYTES => self.models.of(model),
            _ => Arc::clone(&self.unrouted.model_counts),
        }
    }

    /// Every set of counts, those of requests that reached no version first.
    fn all(&self) -> Vec<Arc<VersionMetrics>> {
        let versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        std::iter::once(&self.unrouted).chain(versions.iter()).cloned().collect()
    }

    /// Requests answered since the start.
    pub(crate) fn requests(&self) -> u64 {
        self.all().iter().map(|metrics| metrics.requests()).sum()
    }

    /// Requests that have begun and not ended.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Connections open now.
    pub(crate) fn connections(&self) -> usize {
        Protocol::ALL.iter().map(|&protocol| self.open_connections(protocol).load(Ordering::Relaxed)).sum()
    }

    /// The gauge of one protocol's connections.
    pub(crate) fn open_connections(&self, protocol: Protocol) -> &AtomicUsize {
        &self.connections[protocol as usize]
    }

    /// The counter of connections over the limit.
    pub(crate) fn refused_connections(&self) -> &AtomicU64 {
        &self.refused_connections
    }
}

impl VersionMetrics {
    /// Counts a batch that ran.
    pub(crate) fn batched(&self, ran: &Ran) {
        let rows: usize = ran.input_rows.iter().sum();
        ran.queued.iter().for_each(|&waited| self.batch_waits.record(waited));
        self.batches.fetch_add(1, Ordering::Relaxed);
        self.batched_rows.fetch_add(rows as u64, Ordering::Relaxed);
        self.batch_filling.fetch_add(ran.run_rows.saturating_sub(rows) as u64, Ordering::Relaxed);
    }

    fn requests(&self) -> u64 {
        let outcomes = self.protocols.iter().flat_map(|protocol| &protocol.outcomes);
        outcomes.map(|count| count.load(Ordering::Relaxed)).sum()
    }
}

#[cfg(test)]
mod tests;
