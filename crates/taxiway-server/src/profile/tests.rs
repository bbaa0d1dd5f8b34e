use super::*;
use crate::profile_proto::profiler::x_event::Data;

fn span(began: Instant, at_ms: u64, took_ms: u64, model: &str, code: usize) -> Span {
    let version = if model.is_empty() { "" } else { "3" };
    Span {
        call: "Predict",
        protocol: "grpc",
        model: model.to_owned(),
        version: version.to_owned(),
        began: began + Duration::from_millis(at_ms),
        took: Duration::from_millis(took_ms),
        code,
    }
}

#[test]
fn requests_that_ran_at_once_are_on_lines_of_their_own() {
    let began = Instant::now();
    let clock = std::time::UNIX_EPOCH + Duration::from_secs(1);
    let spans = vec![span(began, 40, 5, "", 5), span(began, 10, 20, "half", 0), span(began, 20, 10, "half", 0)];
    let space = trace::space(spans, 7, (began, clock), "here");
    assert_eq!((space.hostnames, space.warnings.len()), (vec!["here".to_owned()], 1));
    let plane = &space.planes[0];
    let at = |line: usize| -> Vec<(&str, i64, i64)> {
        let one = |event: &crate::profile_proto::profiler::XEvent| {
            let Some(Data::OffsetPs(offset)) = event.data else { panic!("no offset") };
            (plane.event_metadata[&event.metadata_id].name.as_str(), offset, event.duration_ps)
        };
        plane.lines[line].events.iter().map(one).collect()
    };
    let ms = 1_000_000_000;
    assert_eq!(at(0), [("Predict half/3", 10 * ms, 20 * ms), ("Predict", 40 * ms, 5 * ms)]);
    assert_eq!(at(1), [("Predict half/3", 20 * ms, 10 * ms)]);
    assert!(plane.lines.iter().all(|line| line.timestamp_ns == 1_000_000_000));
}

#[test]
fn what_requests_took_is_said_in_words() {
    let began = Instant::now();
    let spans: Vec<_> = (1..=100).map(|ms| span(began, 0, ms, "half", usize::from(ms == 1) * 3)).collect();
    let (time, now) = (Duration::from_secs(10), monitor::Now { in_flight: 1, queued: 2, connections: 3 });
    assert_eq!(
        monitor::summary(&spans, 0, time, &now),
        "100 requests in 10.000 s, 10.0 per second, 1 failed; 1 in flight, 2 queued, 3 connections\n"
    );
    assert!(monitor::summary(&spans, 5, time, &now).starts_with("105 requests in 10.000 s, 10.5 per second"));
    assert_eq!(
        monitor::by_call(&spans, time),
        "grpc Predict half/3: 100 requests, 10.0 per second, 1 failed; \
         ms: mean 50.500, p50 50.000, p99 99.000, max 100.000\n"
    );
}

#[tokio::test(start_paused = true)]
async fn a_recording_sees_what_ends_while_it_runs_and_can_be_ended() {
    let recordings = Recordings::default();
    let (stop, stopped) = watch::channel(false);
    let began = Instant::now();
    recordings.tell(|| panic!("nobody watches"));
    let hour = Duration::from_secs(3600);
    let watched = async {
        tokio::task::yield_now().await;
        recordings.end("another");
        (0..3).for_each(|_| recordings.tell(|| span(began, 0, 1, "half", 0)));
        recordings.end("mine");
    };
    let (seen, ()) = tokio::join!(recordings.record(("mine", 2), hour, stopped.clone()), watched);
    let seen = seen.unwrap();
    assert_eq!((seen.spans.len(), seen.dropped), (2, 1));
    recordings.tell(|| panic!("nobody watches any more"));

    let all: Vec<_> = (0..MAX_RECORDINGS).map(|_| recordings.begin("", 1).unwrap()).collect();
    let refused = recordings.begin("", 1).map(|_| ()).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::ResourceExhausted);
    drop(all);
    stop.send_replace(true);
    assert!(recordings.record(("", 1), hour, stopped).await.is_ok());
}
