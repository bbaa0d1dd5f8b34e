use std::time::Duration;

use super::*;

fn gauges() -> Gauges {
    Gauges { queued: 2, leases: vec![("m".into(), 3, 4)], ready: vec![("m".into(), true)] }
}

#[test]
fn a_request_is_counted_once_under_its_version_and_outcome() {
    let metrics = Metrics::default();
    let version = metrics.version("m", 3);
    let mut tracked = Tracked::begin(&metrics, Protocol::Grpc);
    assert_eq!(metrics.in_flight(), 1);
    tracked.reached(&version);
    tracked.ended(&Ok(()));
    drop(tracked);
    drop(Tracked::begin(&metrics, Protocol::Rest));
    assert_eq!((metrics.in_flight(), metrics.requests()), (0, 2));

    let page = write(&metrics, &gauges());
    let lines: Vec<&str> = page.lines().collect();
    for expected in [
        "# TYPE taxiway_requests_total counter",
        "taxiway_requests_total{model=\"m\",version=\"3\",protocol=\"grpc\",code=\"OK\"} 1",
        "taxiway_requests_total{model=\"\",version=\"\",protocol=\"rest\",code=\"CANCELLED\"} 1",
        "taxiway_request_duration_seconds_bucket{model=\"m\",version=\"3\",protocol=\"grpc\",le=\"+Inf\"} 1",
        "taxiway_queued_requests 2",
        "taxiway_leases{model=\"m\",version=\"3\"} 4",
        "taxiway_model_ready{model=\"m\"} 1",
    ] {
        assert!(lines.contains(&expected), "{expected} is not in\n{page}");
    }
}

#[test]
fn label_values_are_escaped() {
    let metrics = Metrics::default();
    metrics.version("a\"b\\c\nd", 1).runs.record(Duration::from_micros(70));
    let page = write(&metrics, &gauges());
    assert!(page.contains(r#"taxiway_run_duration_seconds_count{model="a\"b\\c\nd",version="1"} 1"#), "{page}");
    assert!(page.contains(r#"version="1",le="0.00005"} 0"#), "{page}");
    assert!(page.contains(r#"version="1",le="0.0001"} 1"#), "{page}");
}

#[test]
fn every_family_has_help_and_type() {
    let page = write(&Metrics::default(), &gauges());
    for line in page.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap();
        assert!(page.contains(&format!("# TYPE {name} ")) && page.contains(&format!("# HELP {name} ")), "{name}");
    }
}

#[test]
fn a_version_that_comes_back_goes_on_counting() {
    let metrics = Metrics::default();
    let first = metrics.version("m", 1);
    assert!(Arc::ptr_eq(&first, &metrics.version("m", 1)));
    assert!(!Arc::ptr_eq(&first, &metrics.version("m", 2)));
}

#[test]
fn the_versions_remembered_are_bounded_and_those_in_memory_stay() {
    let metrics = Metrics::default();
    let kept = metrics.version("kept", 1);
    for version in 0..MAX_VERSIONS as i64 + 10 {
        metrics.version("m", version);
    }
    assert_eq!(metrics.all().len(), MAX_VERSIONS + 1);
    assert!(Arc::ptr_eq(&kept, &metrics.version("kept", 1)));
}
