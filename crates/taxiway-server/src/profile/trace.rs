//! A trace in TensorFlow's format, for TensorBoard and other readers. Pure.

use std::collections::BTreeMap;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::Span;
use crate::profile_proto::profiler::x_event::Data;
use crate::profile_proto::profiler::x_stat::Value;
use crate::profile_proto::profiler::{XEvent, XEventMetadata, XLine, XPlane, XSpace, XStat, XStatMetadata};

/// The plane that trace viewers take for what the host did.
const PLANE: &str = "/host:CPU";

const PROTOCOL: i64 = 1;
const CODE: i64 = 2;

/// The trace of these requests, on as many lines as requests ran at once. `start` is one moment on both clocks.
pub(super) fn space(mut spans: Vec<Span>, dropped: usize, (began, clock): (Instant, SystemTime), host: &str) -> XSpace {
    spans.sort_by_key(|span| span.began);
    // A request may have begun before its recording did.
    let first = spans.first().map_or(began, |span| span.began.min(began));
    let start = clock.checked_sub(began - first).and_then(|start| start.duration_since(UNIX_EPOCH).ok());
    let timestamp_ns = start.map_or(0, |start| start.as_nanos() as i64);

    let mut names: BTreeMap<String, i64> = BTreeMap::new();
    let mut lines: Vec<(Instant, XLine)> = Vec::new();
    for span in &spans {
        let next = names.len() as i64 + 1;
        let metadata_id = *names.entry(name(span)).or_insert(next);
        let event = event(span, metadata_id, first);
        let ends = span.began + span.took;
        match lines.iter_mut().find(|(free, _)| *free <= span.began) {
            Some((free, line)) => {
                line.events.push(event);
                *free = ends;
            }
            None => {
                let id = lines.len() as i64 + 1;
                let name = format!("requests {id}");
                lines.push((ends, XLine { id, name, timestamp_ns, events: vec![event] }));
            }
        }
    }
    let stat = |id, name: &str| (id, XStatMetadata { id, name: name.to_owned() });
    let plane = XPlane {
        id: 1,
        name: PLANE.to_owned(),
        lines: lines.into_iter().map(|(_, line)| line).collect(),
        event_metadata: names.into_iter().map(|(name, id)| (id, XEventMetadata { id, name })).collect(),
        stat_metadata: [stat(PROTOCOL, "protocol"), stat(CODE, "grpc_code")].into(),
    };
    let warnings = if dropped > 0 { vec![format!("{dropped} more requests are not in this trace")] } else { vec![] };
    XSpace { planes: vec![plane], warnings, hostnames: vec![host.to_owned()] }
}

fn name(span: &Span) -> String {
    match span.model.as_str() {
        "" => span.call.to_owned(),
        model => format!("{} {model}/{}", span.call, span.version),
    }
}

fn event(span: &Span, metadata_id: i64, first: Instant) -> XEvent {
    let ps = |nanoseconds: u128| (nanoseconds * 1000) as i64;
    let protocol = XStat { metadata_id: PROTOCOL, value: Some(Value::StrValue(span.protocol.to_owned())) };
    let code = XStat { metadata_id: CODE, value: Some(Value::Int64Value(span.code as i64)) };
    XEvent {
        metadata_id,
        duration_ps: ps(span.took.as_nanos()),
        stats: vec![protocol, code],
        data: Some(Data::OffsetPs(ps((span.began - first).as_nanos()))),
    }
}
