//! What requests took, in words. Pure.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::Span;

/// The gauges of the moment.
pub(super) struct Now {
    pub(super) in_flight: usize,
    pub(super) queued: usize,
    pub(super) connections: usize,
}

/// A line on everything.
pub(super) fn summary(spans: &[Span], dropped: usize, time: Duration, now: &Now) -> String {
    let (count, failed) = (spans.len() + dropped, spans.iter().filter(|span| span.code != 0).count());
    let Now { in_flight, queued, connections } = now;
    let mut text = format!(
        "{count} requests in {:.3} s, {:.1} per second, {failed} failed; \
         {in_flight} in flight, {queued} queued, {connections} connections\n",
        time.as_secs_f64(),
        rate(count, time),
    );
    if dropped > 0 {
        let _ = writeln!(text, "failures and times are those of the first {}", spans.len());
    }
    text
}

/// A line on each kind of request, its times in milliseconds.
pub(super) fn by_call(spans: &[Span], time: Duration) -> String {
    let mut kinds: BTreeMap<_, (Vec<Duration>, usize)> = BTreeMap::new();
    for span in spans {
        let kind = kinds.entry((span.model.as_str(), span.version.as_str(), span.protocol, span.call)).or_default();
        kind.0.push(span.took);
        kind.1 += usize::from(span.code != 0);
    }
    let mut text = String::new();
    for ((model, version, protocol, call), (mut times, failed)) in kinds {
        times.sort_unstable();
        let count = times.len();
        let mean = times.iter().sum::<Duration>().as_secs_f64() / count as f64 * 1e3;
        let of = |part: f64| times[((count as f64 * part).ceil() as usize).clamp(1, count) - 1].as_secs_f64() * 1e3;
        let subject = if model.is_empty() { String::new() } else { format!(" {model}/{version}") };
        let _ = writeln!(
            text,
            "{protocol} {call}{subject}: {count} requests, {:.1} per second, {failed} failed; \
             ms: mean {mean:.3}, p50 {:.3}, p99 {:.3}, max {:.3}",
            rate(count, time),
            of(0.5),
            of(0.99),
            of(1.0),
        );
    }
    text
}

fn rate(count: usize, time: Duration) -> f64 {
    if time.is_zero() { 0.0 } else { count as f64 / time.as_secs_f64() }
}

/// Seconds since 1970 in UTC, to the millisecond.
pub(super) fn timestamp(now: SystemTime) -> String {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("Timestamp: {}.{:03}", since.as_secs(), since.subsec_millis())
}
