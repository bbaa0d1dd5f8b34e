//! One request's way through the counts.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use http::HeaderValue;
use taxiway_engine::{Error, ErrorKind};

use super::serving::ModelCounts;
use super::{Api, Metrics, Protocol, VersionMetrics};
use crate::profile::Span;
use crate::traffic::{Caller, Exposure};

/// A request from its beginning to its end. However it ends, also when its client goes away, it is counted once.
pub(crate) struct Tracked<'a> {
    metrics: &'a Metrics,
    version: Option<Arc<VersionMetrics>>,
    /// The version's number as the header of the answer.
    header: Option<HeaderValue>,
    model: Option<Arc<ModelCounts>>,
    protocol: Protocol,
    began: Instant,
    outcome: usize,
    api: Option<Api>,
    caller: Caller<'a>,
    exposure: Option<Exposure>,
    hurried: bool,
}

impl<'a> Tracked<'a> {
    pub(crate) fn begin(metrics: &'a Metrics, protocol: Protocol, caller: Caller<'a>) -> Tracked<'a> {
        metrics.in_flight.fetch_add(1, Ordering::Relaxed);
        // A request that is dropped before anyone says how it ended was given up by its client.
        let outcome = ErrorKind::Cancelled as usize;
        let began = Instant::now();
        Tracked {
            metrics,
            version: None,
            header: None,
            model: None,
            protocol,
            began,
            outcome,
            api: None,
            caller,
            exposure: None,
            hurried: false,
        }
    }

    /// Who asks.
    pub(crate) fn caller(&self) -> Caller<'a> {
        self.caller
    }

    /// The request's caller gives it less time than the server does.
    pub(crate) fn hurried(&mut self) {
        self.hurried = true;
    }

    /// The request was led to an arm.
    pub(crate) fn exposed(&mut self, mut exposure: Exposure) {
        if self.hurried {
            exposure.hurried();
        }
        self.exposure = Some(exposure);
    }

    /// The arm, for the header of the answer.
    pub(crate) fn arm(&self) -> Option<&HeaderValue> {
        self.exposure.as_ref()?.header()
    }

    /// The request asks this of a model.
    pub(crate) fn asks(&mut self, api: Api) {
        self.api = Some(api);
    }

    /// The request names this model. Only one that reaches no version need say so.
    pub(crate) fn about(&mut self, model: &str) {
        self.model = Some(self.metrics.named(model));
    }

    /// Waits for a run of the version that was reached, and counts how long it took when it went well.
    pub(crate) async fn timed<T>(&self, run: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let began = Instant::now();
        let ran = run.await?;
        if let (Some(api), Some(version)) = (self.api, &self.version) {
            version.model_counts.ran(api, began.elapsed());
        }
        Ok(ran)
    }

    /// The request's part in an experiment, when it has one.
    pub(crate) fn exposure(&mut self) -> Option<&mut Exposure> {
        self.exposure.as_mut()
    }

    /// The request has found its version, which is the one that fails should it go wrong from here on.
    pub(crate) fn reached(&mut self, version: &Arc<VersionMetrics>, header: &HeaderValue) {
        self.version = Some(Arc::clone(version));
        self.told_of(header);
    }

    /// The answer is about the version with this header, whether or not it is counted as the version's.
    pub(crate) fn told_of(&mut self, header: &HeaderValue) {
        self.header = Some(header.clone());
    }

    /// Which version's the answer is, for its header; also when it is an error.
    pub(crate) fn version(&self) -> Option<&HeaderValue> {
        self.header.as_ref()
    }

    /// The request has an answer.
    pub(crate) fn ended<T>(&mut self, result: &Result<T, Error>) {
        self.outcome = result.as_ref().err().map_or(0, |error| error.kind as usize);
    }
}

impl Drop for Tracked<'_> {
    fn drop(&mut self) {
        let version = self.version.as_ref().unwrap_or(&self.metrics.unrouted);
        let counts = &version.protocols[self.protocol as usize];
        counts.outcomes[self.outcome].fetch_add(1, Ordering::Relaxed);
        let took = self.began.elapsed();
        counts.times.record(took);
        if let Some(exposure) = &self.exposure {
            exposure.ended(self.outcome, took);
        }
        let named = self.model.as_ref().filter(|_| self.version.is_none());
        named.unwrap_or(&version.model_counts).ended(self.protocol, self.api, self.outcome, took);
        self.metrics.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.metrics.recordings.tell(|| Span {
            call: self.api.map_or("request", |api| api.name(Protocol::Grpc)),
            protocol: self.protocol.name(),
            model: version.model.clone(),
            version: version.version.clone(),
            began: self.began,
            took,
            code: self.outcome,
        });
    }
}
