//! Taxiway's own metrics page.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use taxiway_engine::ErrorKind;

use super::families::{self as family, Family};
use super::page::Page;
use super::{Histogram, Metrics, Protocol, VersionMetrics};

/// What is true at the moment of writing and not counted here.
pub(crate) struct Gauges {
    /// Requests waiting for a compute thread.
    pub(crate) queued: usize,
    /// What came of feedback, and how often.
    pub(crate) feedback: [(&'static str, u64); 3],
    /// How many answers were forgotten too soon, and what those that are not take.
    pub(crate) feedback_forgotten: u64,
    pub(crate) feedback_bytes: usize,
    /// What came of picking requests for a shadow.
    pub(crate) shadows: [(&'static str, u64); 2],
    /// Model, version and leases of every loaded version.
    pub(crate) leases: Vec<(String, i64, usize)>,
    /// Model, and whether it should get traffic.
    pub(crate) ready: Vec<(String, bool)>,
}

/// Everything, in Prometheus' text format 0.0.4.
pub(crate) fn write(metrics: &Metrics, gauges: &Gauges) -> String {
    let versions = metrics.all();
    let mut page = Page::new(&family::REQUESTS, true);
    requests(&mut page, &versions);
    by_version(&mut page, &family::RUN_TIME, &versions, |version| &version.runs);
    batches(&mut page, &versions);
    now(&mut page, metrics, gauges);
    page.text()
}

fn requests(page: &mut Page, versions: &[Arc<VersionMetrics>]) {
    let protocols = || versions.iter().flat_map(|version| Protocol::ALL.map(|protocol| (version, protocol)));
    for (version, protocol) in protocols() {
        for (code, count) in version.protocols[protocol as usize].outcomes.iter().enumerate() {
            let count = count.load(Ordering::Relaxed);
            if count > 0 {
                page.sample(&[&version.model, &version.version, &protocol.name(), &code_name(code)], count);
            }
        }
    }
    page.begin(&family::REQUEST_TIME);
    for (version, protocol) in protocols() {
        let times = &version.protocols[protocol as usize].times;
        histogram(page, &[&version.model, &version.version, &protocol.name()], times);
    }
}

fn by_version(
    page: &mut Page,
    family: &'static Family,
    versions: &[Arc<VersionMetrics>],
    times: fn(&VersionMetrics) -> &Histogram,
) {
    page.begin(family);
    for version in versions {
        histogram(page, &[&version.model, &version.version], times(version));
    }
}

fn histogram(page: &mut Page, values: &[&dyn std::fmt::Display], times: &Histogram) {
    if times.is_empty() {
        return;
    }
    let bound = |us: Option<u64>| us.map_or_else(|| "+Inf".to_owned(), |us| (us as f64 / 1e6).to_string());
    let buckets = times.cumulative().map(|(us, at_most)| (bound(us), at_most));
    page.histogram(values, buckets, times.sum_us() as f64 / 1e6);
}

fn batches(page: &mut Page, versions: &[Arc<VersionMetrics>]) {
    by_version(page, &family::BATCH_WAIT, versions, |version| &version.batch_waits);
    type Counter = fn(&VersionMetrics) -> &AtomicU64;
    let counters: [(&'static Family, Counter); 3] = [
        (&family::BATCHES, |version| &version.batches),
        (&family::BATCHED_ROWS, |version| &version.batched_rows),
        (&family::BATCH_FILLING, |version| &version.batch_filling),
    ];
    for (family, counter) in counters {
        page.begin(family);
        for version in versions.iter().filter(|version| !version.batch_waits.is_empty()) {
            page.sample(&[&version.model, &version.version], counter(version).load(Ordering::Relaxed));
        }
    }
}

fn now(page: &mut Page, metrics: &Metrics, gauges: &Gauges) {
    page.begin(&family::IN_FLIGHT);
    page.sample(&[], metrics.in_flight());
    page.begin(&family::QUEUED);
    page.sample(&[], gauges.queued);
    page.begin(&family::CONNECTIONS);
    for protocol in Protocol::ALL {
        page.sample(&[&protocol.name()], metrics.open_connections(protocol).load(Ordering::Relaxed));
    }
    page.begin(&family::REFUSED_CONNECTIONS);
    page.sample(&[], metrics.refused_connections.load(Ordering::Relaxed));
    page.begin(&family::FEEDBACK);
    for (outcome, count) in gauges.feedback {
        page.sample(&[&outcome], count);
    }
    page.begin(&family::FEEDBACK_FORGOTTEN);
    page.sample(&[], gauges.feedback_forgotten);
    page.begin(&family::FEEDBACK_BYTES);
    page.sample(&[], gauges.feedback_bytes);
    page.begin(&family::SHADOWS);
    for (outcome, count) in gauges.shadows {
        page.sample(&[&outcome], count);
    }
    page.begin(&family::LEASES);
    for (model, version, leases) in &gauges.leases {
        page.sample(&[model, version], leases);
    }
    page.begin(&family::MODEL_READY);
    for (model, ready) in &gauges.ready {
        page.sample(&[model], u8::from(*ready));
    }
}

/// The name of an outcome by its number.
pub(super) fn code_name(code: usize) -> &'static str {
    i32::try_from(code).ok().and_then(ErrorKind::from_code).map_or("OK", ErrorKind::name)
}
