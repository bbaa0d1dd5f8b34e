//! TensorFlow Serving's metrics page: its names, labels and buckets, with types and without help.

use std::fmt::Display;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use super::buckets::Buckets;
use super::families as family;
use super::page::Page;
use super::serving::{Api, ModelCounts};
use super::text::code_name;
use super::{Metrics, Protocol};
use crate::request_log::LogCounts;

/// The page, in Prometheus' text format 0.0.4. `thread_pool` names the batch threads, `logs` are the request logs by
/// model.
pub(crate) fn write_serving(metrics: &Metrics, thread_pool: &str, logs: &[(&str, LogCounts)]) -> String {
    let mut page = Page::new(&family::SAVED_MODEL_LOADS, false);
    loads(&mut page, metrics);
    core(&mut page, metrics);
    batching(&mut page, metrics, thread_pool);
    warm_ups(&mut page, metrics);
    requests(&mut page, metrics);
    page.begin(&family::LOGGED);
    for (model, counts) in logs {
        let outcomes = [("OK", counts.logged), ("RESOURCE_EXHAUSTED", counts.dropped), ("UNAVAILABLE", counts.errors)];
        for (status, count) in outcomes.into_iter().filter(|(_, count)| *count > 0) {
            page.sample(&[model, &status], count);
        }
    }
    page.text()
}

fn histogram(page: &mut Page, values: &[&dyn Display], buckets: &Buckets) {
    if buckets.is_empty() {
        return;
    }
    let bound = |bound: Option<f64>| bound.map_or_else(|| "+Inf".to_owned(), six_digits);
    let below = buckets.cumulative().map(|(upper, below)| (bound(upper), below));
    page.histogram(values, below, buckets.sum());
}

/// A number with six significant digits, as C's `%g` writes it and dashboards have it in their queries.
pub(super) fn six_digits(value: f64) -> String {
    let scientific = format!("{value:.5e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trimmed = |digits: &str| match digits.contains('.') {
        true => digits.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => digits.to_owned(),
    };
    match usize::try_from(5 - exponent) {
        Ok(decimals) if exponent >= -4 => trimmed(&format!("{value:.decimals$}")),
        _ => format!("{}e{}{:02}", trimmed(digits), if exponent < 0 { '-' } else { '+' }, exponent.abs()),
    }
}

fn loads(page: &mut Page, metrics: &Metrics) {
    let by_path = metrics.loads.by_path();
    for (path, counts) in by_path.iter() {
        for (status, count) in [("success", counts.succeeded), ("fail", counts.failed)] {
            if count > 0 {
                page.sample(&[path, &status], count);
            }
        }
    }
    page.begin(&family::SAVED_MODEL_LOAD_TIME);
    for (path, counts) in by_path.iter().filter(|(_, counts)| counts.succeeded > 0) {
        page.sample(&[path], counts.times.sum());
    }
    page.begin(&family::SAVED_MODEL_STAGE_TIME);
    for (path, counts) in by_path.iter() {
        histogram(page, &[path, &"restore_graph"], &counts.times);
    }
}

/// What TensorFlow itself counts.
fn core(page: &mut Page, metrics: &Metrics) {
    let (runs, micros) = (metrics.graphs.runs(), metrics.graphs.micros());
    for (family, value) in
        [(&family::GRAPH_RUNS, runs), (&family::GRAPH_RUN_TIME, micros), (&family::SESSION_RUNS, runs)]
    {
        page.begin(family);
        page.sample(&[], value);
    }
}

fn batching(page: &mut Page, metrics: &Metrics, thread_pool: &str) {
    let batching = &metrics.batching;
    page.begin(&family::QUEUING_LATENCY);
    histogram(page, &[&thread_pool], &batching.queueing);
    page.begin(&family::INPUT_BATCH_SIZE);
    histogram(page, &[], &batching.input_rows);
    page.begin(&family::PROCESSED_BATCH_SIZE);
    histogram(page, &[], &batching.run_rows);
    page.begin(&family::PADDING_SIZE);
    for (rows, buckets) in batching.padding.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        histogram(page, &[rows], buckets);
    }
    page.begin(&family::WRAPPED_RUNS);
    page.sample(&[], batching.runs.load(Ordering::Relaxed));
}

fn warm_ups(page: &mut Page, metrics: &Metrics) {
    let by_path = metrics.loads.by_path();
    let all = || by_path.iter().flat_map(|(path, counts)| counts.warm_ups.iter().map(move |of| (path, of)));
    page.begin(&family::WARM_UP_TIME);
    for (path, (status, warm_ups)) in all() {
        histogram(page, &[path, status], &warm_ups.times);
    }
    page.begin(&family::WARM_UP_RECORDS);
    for (path, (status, warm_ups)) in all() {
        page.sample(&[path, status], warm_ups.records);
    }
}

fn requests(page: &mut Page, metrics: &Metrics) {
    let mut models = vec![(String::new(), Arc::clone(&metrics.unrouted.model_counts))];
    models.extend(metrics.models.all());
    page.begin(&family::REQUEST_COUNT);
    for (model, counts) in &models {
        for (code, count) in counts.outcomes.iter().enumerate() {
            let count = count.load(Ordering::Relaxed);
            if count > 0 {
                page.sample(&[model, &code_name(code)], count);
            }
        }
    }
    latencies(page, &models);
    page.begin(&family::EXAMPLE_COUNTS);
    for (model, counts) in &models {
        histogram(page, &[model], &counts.examples);
    }
    page.begin(&family::EXAMPLES_OF_MANY);
    for (model, counts) in &models {
        let examples = counts.multi_inference_examples.load(Ordering::Relaxed);
        if examples > 0 {
            page.sample(&[model], examples);
        }
    }
}

fn latencies(page: &mut Page, models: &[(String, Arc<ModelCounts>)]) {
    page.begin(&family::REQUEST_LATENCY);
    for (model, counts) in models {
        histogram(page, &[model, &"", &"REST"], &counts.questions);
        for (protocol, api) in Protocol::ALL.into_iter().flat_map(|p| Api::ALL.map(|api| (p, api))) {
            let entrypoint = protocol.name().to_ascii_uppercase();
            let latencies = &counts.requests[protocol as usize][api as usize];
            histogram(page, &[model, &api.name(protocol), &entrypoint], latencies);
        }
    }
    page.begin(&family::RUNTIME_LATENCY);
    for (model, counts) in models {
        for api in Api::ALL {
            histogram(page, &[model, &api.name(Protocol::Grpc), &"TF1"], &counts.runs[api as usize]);
        }
    }
}
