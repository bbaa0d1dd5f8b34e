//! TensorFlow Serving's metrics page: its names, labels and buckets, with types and without help.

use std::fmt::{Display, Write};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use super::buckets::Buckets;
use super::serving::Api;
use super::text::{code_name, labels};
use super::{Metrics, Protocol};
use crate::request_log::LogCounts;

const SERVING: &str = ":tensorflow:serving:";
const BATCHING: &str = ":tensorflow:serving:batching_session:";

/// The page, in Prometheus' text format 0.0.4. `thread_pool` names the batch threads, `logs` are the request logs by
/// model.
pub(crate) fn write_serving(metrics: &Metrics, thread_pool: &str, logs: &[(&str, LogCounts)]) -> String {
    let mut page = Page(String::with_capacity(4096));
    page.core(metrics);
    page.loads(metrics);
    page.batching(metrics, thread_pool);
    page.models(metrics);
    page.logs(logs);
    page.0
}

/// The page so far. Writing to a string cannot fail, so results are ignored.
struct Page(String);

impl Page {
    fn kind(&mut self, name: &str, kind: &str) {
        let _ = writeln!(self.0, "# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &str, value: impl Display) {
        let _ = writeln!(self.0, "{name}{{{labels}}} {value}");
    }

    fn histogram(&mut self, name: &str, labels: &str, buckets: &Buckets) {
        if buckets.is_empty() {
            return;
        }
        let separator = if labels.is_empty() { "" } else { "," };
        let mut count = 0;
        for (bound, below) in buckets.cumulative() {
            let bound = bound.map_or_else(|| "+Inf".to_owned(), |bound| bound.to_string());
            self.sample(&format!("{name}_bucket"), &format!("{labels}{separator}le=\"{bound}\""), below);
            count = below;
        }
        self.sample(&format!("{name}_sum"), labels, buckets.sum());
        self.sample(&format!("{name}_count"), labels, count);
    }

    /// TensorFlow's own count of runs. Two names, one number: every run of a graph is one of a session.
    fn core(&mut self, metrics: &Metrics) {
        let alone: u64 = metrics.all().iter().map(|version| version.runs.count()).sum();
        let runs = alone + metrics.batching.runs.load(Ordering::Relaxed);
        for name in [":tensorflow:core:graph_runs", ":tensorflow:core:direct_session_runs"] {
            self.kind(name, "counter");
            self.sample(name, "", runs);
        }
    }

    fn loads(&mut self, metrics: &Metrics) {
        let by_path = metrics.loads.by_path();
        let name = ":tensorflow:cc:saved_model:load_attempt_count";
        self.kind(name, "counter");
        for (path, counts) in by_path.iter() {
            for (status, count) in [("success", counts.succeeded), ("fail", counts.failed)] {
                if count > 0 {
                    self.sample(name, &labels(&[("model_path", path), ("status", &status)]), count);
                }
            }
        }
        let name = ":tensorflow:cc:saved_model:load_latency";
        self.kind(name, "counter");
        for (path, counts) in by_path.iter().filter(|(_, counts)| counts.succeeded > 0) {
            self.sample(name, &labels(&[("model_path", path)]), counts.load_us);
        }
        let name = format!("{SERVING}model_warmup_latency");
        self.kind(&name, "histogram");
        for (path, counts) in by_path.iter() {
            for (status, warm_ups) in &counts.warm_ups {
                self.histogram(&name, &labels(&[("model_path", path), ("status", status)]), &warm_ups.times);
            }
        }
        let name = format!("{SERVING}model_warmup_records_read");
        self.kind(&name, "counter");
        for (path, counts) in by_path.iter() {
            for (status, warm_ups) in &counts.warm_ups {
                self.sample(&name, &labels(&[("model_path", path), ("status", status)]), warm_ups.records);
            }
        }
    }

    fn batching(&mut self, metrics: &Metrics, thread_pool: &str) {
        let batching = &metrics.batching;
        let pool = labels(&[("thread_pool_name", &thread_pool)]);
        let histograms = [
            ("queuing_latency", pool.as_str(), &batching.queueing),
            ("input_batch_size", "", &batching.input_rows),
            ("processed_batch_size", "", &batching.run_rows),
        ];
        for (name, labels, buckets) in histograms {
            let name = format!("{BATCHING}{name}");
            self.kind(&name, "histogram");
            self.histogram(&name, labels, buckets);
        }
        let name = format!("{BATCHING}padding_size");
        self.kind(&name, "histogram");
        for (rows, buckets) in batching.padding.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            self.histogram(&name, &labels(&[("execution_batch_size", rows)]), buckets);
        }
        let name = format!("{BATCHING}wrapped_run_count");
        self.kind(&name, "counter");
        self.sample(&name, "", batching.runs.load(Ordering::Relaxed));
    }

    fn logs(&mut self, logs: &[(&str, LogCounts)]) {
        let name = format!("{SERVING}request_log_count");
        self.kind(&name, "counter");
        for (model, counts) in logs {
            let outcomes =
                [("OK", counts.logged), ("RESOURCE_EXHAUSTED", counts.dropped), ("UNAVAILABLE", counts.errors)];
            for (status, count) in outcomes.into_iter().filter(|(_, count)| *count > 0) {
                self.sample(&name, &labels(&[("model_name", model), ("status", &status)]), count);
            }
        }
    }

    fn models(&mut self, metrics: &Metrics) {
        let mut models = vec![(String::new(), Arc::clone(&metrics.unrouted.model_counts))];
        models.extend(metrics.models.all());
        let name = format!("{SERVING}request_count");
        self.kind(&name, "counter");
        for (model, counts) in &models {
            for (code, count) in counts.outcomes.iter().enumerate() {
                let count = count.load(Ordering::Relaxed);
                if count > 0 {
                    self.sample(&name, &labels(&[("model_name", model), ("status", &code_name(code))]), count);
                }
            }
        }
        let name = format!("{SERVING}request_latency");
        self.kind(&name, "histogram");
        for (model, counts) in &models {
            for (protocol, api) in Protocol::ALL.into_iter().flat_map(|p| Api::ALL.map(|api| (p, api))) {
                let entrypoint = protocol.name().to_ascii_uppercase();
                let labels =
                    labels(&[("model_name", model), ("API", &api.name(protocol)), ("entrypoint", &entrypoint)]);
                self.histogram(&name, &labels, &counts.requests[protocol as usize][api as usize]);
            }
        }
        let name = format!("{SERVING}runtime_latency");
        self.kind(&name, "histogram");
        for (model, counts) in &models {
            for api in Api::ALL {
                let labels = labels(&[("model_name", model), ("API", &api.name(Protocol::Grpc)), ("runtime", &"TF1")]);
                self.histogram(&name, &labels, &counts.runs[api as usize]);
            }
        }
        let name = format!("{SERVING}request_example_counts");
        self.kind(&name, "histogram");
        for (model, counts) in &models {
            self.histogram(&name, &labels(&[("model", model)]), &counts.examples);
        }
        let name = format!("{SERVING}request_example_count_total");
        self.kind(&name, "counter");
        for (model, counts) in &models {
            let examples = counts.multi_inference_examples.load(Ordering::Relaxed);
            if examples > 0 {
                self.sample(&name, &labels(&[("model", model)]), examples);
            }
        }
    }
}
