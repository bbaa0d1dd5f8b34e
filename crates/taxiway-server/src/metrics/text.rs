//! The counts as Prometheus reads them.

use std::fmt::{Display, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use taxiway_engine::ErrorKind;

use super::{Histogram, Metrics, Protocol, VersionMetrics};

/// What is true at the moment of writing and not counted here.
pub(crate) struct Gauges {
    /// Requests waiting for a compute thread.
    pub(crate) queued: usize,
    /// Model, version and leases of every loaded version.
    pub(crate) leases: Vec<(String, i64, usize)>,
    /// Model, and whether it should get traffic.
    pub(crate) ready: Vec<(String, bool)>,
}

/// Everything, in Prometheus' text format 0.0.4.
pub(crate) fn write(metrics: &Metrics, gauges: &Gauges) -> String {
    let mut page = Page(String::with_capacity(4096));
    let versions = metrics.all();
    page.family("taxiway_requests_total", "counter", "Requests answered. Without a model: they reached no version.");
    for version in &versions {
        page.outcomes(version);
    }
    page.family("taxiway_request_duration_seconds", "histogram", "Time from a request's header to its answer.");
    for version in &versions {
        for protocol in Protocol::ALL {
            let labels =
                labels(&[("model", &version.model), ("version", &version.version), ("protocol", &protocol.name())]);
            let times = &version.protocols[protocol as usize].times;
            page.histogram("taxiway_request_duration_seconds", &labels, times);
        }
    }
    page.family("taxiway_run_duration_seconds", "histogram", "Time of a model's runs alone.");
    for version in &versions {
        page.histogram("taxiway_run_duration_seconds", &version_labels(version), &version.runs);
    }
    page.batches(&versions);
    page.gauges(metrics, gauges);
    page.0
}

/// The page so far. Writing to a string cannot fail, so results are ignored.
struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    fn sample(&mut self, name: &str, labels: &str, value: impl Display) {
        let _ = match labels {
            "" => writeln!(self.0, "{name} {value}"),
            labels => writeln!(self.0, "{name}{{{labels}}} {value}"),
        };
    }

    fn outcomes(&mut self, version: &VersionMetrics) {
        for protocol in Protocol::ALL {
            for (code, count) in version.protocols[protocol as usize].outcomes.iter().enumerate() {
                let count = count.load(Ordering::Relaxed);
                if count == 0 {
                    continue;
                }
                let code = code_name(code);
                let labels = labels(&[
                    ("model", &version.model),
                    ("version", &version.version),
                    ("protocol", &protocol.name()),
                    ("code", &code),
                ]);
                self.sample("taxiway_requests_total", &labels, count);
            }
        }
    }

    fn histogram(&mut self, name: &str, labels: &str, histogram: &Histogram) {
        if histogram.is_empty() {
            return;
        }
        let mut count = 0;
        for (bound, at_most) in histogram.cumulative() {
            let bound = bound.map_or_else(|| "+Inf".to_owned(), |us| (us as f64 / 1e6).to_string());
            self.sample(&format!("{name}_bucket"), &format!("{labels},le=\"{bound}\""), at_most);
            count = at_most;
        }
        self.sample(&format!("{name}_sum"), labels, histogram.sum_us() as f64 / 1e6);
        self.sample(&format!("{name}_count"), labels, count);
    }

    fn batches(&mut self, versions: &[Arc<VersionMetrics>]) {
        let name = "taxiway_batch_wait_seconds";
        self.family(name, "histogram", "Time from a request's arrival in a queue to the run of its batch.");
        for version in versions {
            self.histogram(name, &version_labels(version), &version.batch_waits);
        }
        type Counter = fn(&VersionMetrics) -> &AtomicU64;
        let counters: [(&str, &str, Counter); 3] = [
            ("taxiway_batches_total", "Batches that ran.", |version| &version.batches),
            ("taxiway_batched_rows_total", "Rows of requests that ran in batches.", |version| &version.batched_rows),
            ("taxiway_batch_filling_total", "Rows added to reach an allowed batch size.", |version| {
                &version.batch_filling
            }),
        ];
        for (name, help, counter) in counters {
            self.family(name, "counter", help);
            for version in versions.iter().filter(|version| !version.batch_waits.is_empty()) {
                self.sample(name, &version_labels(version), counter(version).load(Ordering::Relaxed));
            }
        }
    }

    fn gauges(&mut self, metrics: &Metrics, gauges: &Gauges) {
        self.family("taxiway_requests_in_flight", "gauge", "Requests that have begun and not ended.");
        self.sample("taxiway_requests_in_flight", "", metrics.in_flight());
        self.family("taxiway_queued_requests", "gauge", "Requests that wait for a compute thread.");
        self.sample("taxiway_queued_requests", "", gauges.queued);
        self.family("taxiway_connections", "gauge", "Open connections.");
        for protocol in Protocol::ALL {
            let open = metrics.open_connections(protocol).load(Ordering::Relaxed);
            self.sample("taxiway_connections", &labels(&[("protocol", &protocol.name())]), open);
        }
        self.family("taxiway_refused_connections_total", "counter", "Connections closed for being over the limit.");
        self.sample("taxiway_refused_connections_total", "", metrics.refused_connections.load(Ordering::Relaxed));
        self.family("taxiway_leases", "gauge", "Requests and tables that hold a loaded version.");
        for (model, version, leases) in &gauges.leases {
            self.sample("taxiway_leases", &labels(&[("model", model), ("version", version)]), leases);
        }
        self.family("taxiway_model_ready", "gauge", "1 when a model should get traffic.");
        for (model, ready) in &gauges.ready {
            self.sample("taxiway_model_ready", &labels(&[("model", model)]), u8::from(*ready));
        }
    }
}

fn version_labels(version: &VersionMetrics) -> String {
    labels(&[("model", &version.model), ("version", &version.version)])
}

/// The name of an outcome by its number.
pub(super) fn code_name(code: usize) -> &'static str {
    i32::try_from(code).ok().and_then(ErrorKind::from_code).map_or("OK", ErrorKind::name)
}

/// Labels with their values escaped.
pub(super) fn labels(pairs: &[(&str, &dyn Display)]) -> String {
    let mut written = String::new();
    for (name, value) in pairs {
        let value = value.to_string().replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let separator = if written.is_empty() { "" } else { "," };
        let _ = write!(written, "{separator}{name}=\"{value}\"");
    }
    written
}
