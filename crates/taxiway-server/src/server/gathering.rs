//! What gathers the requests of a version.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use taxiway_engine::Result;

use super::Server;
use crate::batch::{BatchParams, BatchThreads, Batcher, Gatherer, Gathering, Observer, Pays, Ran};
use crate::loaded::Fresh;
use crate::metrics::VersionMetrics;

impl Server {
    /// Queues with these parameters. Their threads start with the first such version.
    pub(super) fn batcher(
        &self,
        fresh: &Fresh,
        params: &BatchParams,
        metrics: &Arc<VersionMetrics>,
    ) -> Result<Batcher> {
        let mut threads = self.batch_threads.lock().unwrap_or_else(PoisonError::into_inner);
        let threads = match threads.as_ref() {
            Some(threads) => Arc::clone(threads),
            None => Arc::clone(threads.insert(Arc::new(BatchThreads::start(self.config.batch_threads())?))),
        };
        let engine = Arc::clone(&fresh.engine);
        Batcher::new(threads, engine, params.clone(), self.observer(metrics))
    }

    /// Batches of the signatures for which they pay.
    pub(super) fn found(&self, signatures: &BTreeMap<String, Pays>, metrics: &Arc<VersionMetrics>) -> Gathering {
        match signatures.is_empty() {
            true => Gathering::Off,
            false => Gathering::Found(Gatherer::new(signatures, self.observer(metrics))),
        }
    }

    fn observer(&self, metrics: &Arc<VersionMetrics>) -> Observer {
        let (metrics, all) = (Arc::clone(metrics), Arc::clone(&self.core.metrics));
        Arc::new(move |ran: &Ran| {
            metrics.batched(ran);
            all.batching.batched(ran);
        })
    }
}
