use std::time::Duration;

use std::sync::LazyLock;

use http::{HeaderMap, HeaderValue};

use super::*;
use crate::traffic::Caller;

fn gauges() -> Gauges {
    let (feedback, shadows) = ([("counted", 5), ("again", 0), ("unknown", 1)], [("taken", 6), ("dropped", 0)]);
    let (leases, ready) = (vec![("m".into(), 3, 4)], vec![("m".into(), true)]);
    Gauges { queued: 2, feedback, feedback_forgotten: 8, feedback_bytes: 900, shadows, leases, ready }
}

fn begin(metrics: &Metrics, protocol: Protocol) -> Tracked<'_> {
    static NOBODY: LazyLock<HeaderMap> = LazyLock::new(HeaderMap::new);
    static ID: HeaderValue = HeaderValue::from_static("1");
    Tracked::begin(metrics, protocol, Caller { id: &ID, headers: &NOBODY })
}

#[test]
fn a_request_is_counted_once_under_its_version_and_outcome() {
    let metrics = Metrics::default();
    let version = metrics.version("m", 3);
    let mut tracked = begin(&metrics, Protocol::Grpc);
    assert_eq!(metrics.in_flight(), 1);
    tracked.reached(&version, &HeaderValue::from_static("3"));
    tracked.ended(&Ok(()));
    drop(tracked);
    drop(begin(&metrics, Protocol::Rest));
    assert_eq!((metrics.in_flight(), metrics.requests()), (0, 2));

    let page = write(&metrics, &gauges());
    let lines: Vec<&str> = page.lines().collect();
    for expected in [
        "# TYPE taxiway_requests_total counter",
        "taxiway_requests_total{model=\"m\",version=\"3\",protocol=\"grpc\",code=\"OK\"} 1",
        "taxiway_requests_total{model=\"\",version=\"\",protocol=\"rest\",code=\"CANCELLED\"} 1",
        "taxiway_request_duration_seconds_bucket{model=\"m\",version=\"3\",protocol=\"grpc\",le=\"+Inf\"} 1",
        "taxiway_queued_requests 2",
        "taxiway_feedback_forgotten_total 8",
        "taxiway_feedback_bytes 900",
        "taxiway_leases{model=\"m\",version=\"3\"} 4",
        "taxiway_model_ready{model=\"m\"} 1",
    ] {
        assert!(lines.contains(&expected), "{expected} is not in\n{page}");
    }
}

// tfs: metric-names
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

/// The metrics that a page has, in its order.
fn names(page: &str) -> Vec<&str> {
    page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect()
}

/// Whether this is what follows the whole name of a metric.
fn is_sample(rest: &&str) -> bool {
    let rest = ["_bucket", "_sum", "_count"].iter().find_map(|end| rest.strip_prefix(end)).unwrap_or(rest);
    rest.starts_with([' ', '{'])
}

#[test]
fn the_pages_have_the_metrics_of_the_table_with_its_labels() {
    let metrics = Metrics::default();
    let version = metrics.version("m", 1);
    version.runs.record(Duration::ZERO);
    version.batched(&ran());
    let mut tracked = begin(&metrics, Protocol::Rest);
    tracked.reached(&version, &HeaderValue::from_static("3"));
    drop(tracked);
    let pages = [(write(&metrics, &gauges()), families::TAXIWAY), (serving_page(), families::SERVING)];
    for (page, table) in &pages {
        let expected: Vec<_> = table.iter().map(|family| family.name).collect();
        assert_eq!(names(page), expected);
        for family in *table {
            let samples = page.lines().filter_map(|line| line.strip_prefix(family.name));
            let samples: Vec<_> = samples.filter(is_sample).collect();
            assert!(!samples.is_empty(), "no sample of {}", family.name);
            let labels: Vec<_> = family.labels.split_ascii_whitespace().collect();
            for sample in samples.iter().filter_map(|sample| sample.split_once('{')?.1.split_once('}')) {
                let found = sample.0.split(',').filter_map(|pair| pair.split_once('=')).map(|(name, _)| name);
                assert_eq!(found.filter(|&name| name != "le").collect::<Vec<_>>(), labels, "{}", family.name);
            }
        }
    }
}

#[test]
fn a_counter_is_the_sum_of_its_samples() {
    let page = "# TYPE a counter\na{l=\"x y\"} 2\na{l=\"} 9\"} 3\nab{} 5\n# TYPE h histogram\nh_sum{} 8\n# TYPE n counter\nn 4\n";
    for (name, value) in [("a", 5), ("n", 4), ("ab", 0), ("h_sum", 0), ("none", 0)] {
        assert_eq!(counter(page, name), value, "{name}");
    }
}

// tfs: metric-buckets
#[test]
fn bounds_have_six_digits_as_in_c() {
    for (value, text) in [
        (10.0, "10"),
        (32.4, "32.4"),
        (188.9568, "188.957"),
        (11568.313, "11568.3"),
        (708_235.3, "708235"),
        (999_999.6, "1e+06"),
        (1_274_823.6, "1.27482e+06"),
        (1.5e-7, "1.5e-07"),
        (0.0, "0"),
    ] {
        assert_eq!(serving_text::six_digits(value), text);
    }
}

fn ran() -> Ran {
    Ran { queued: vec![Duration::ZERO], input_rows: vec![3], run_rows: 4 }
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

#[test]
fn the_names_that_clients_ask_for_are_bounded_and_those_of_loaded_models_stay() {
    let metrics = Metrics::default();
    let loaded = metrics.version("a loaded one", 1);
    for name in 0..MAX_VERSIONS + 10 {
        begin(&metrics, Protocol::Rest).about(&name.to_string());
    }
    begin(&metrics, Protocol::Rest).about(&"x".repeat(MAX_NAME_BYTES + 1));
    assert_eq!(metrics.models.all().len(), MAX_VERSIONS);
    assert!(Arc::ptr_eq(&loaded.model_counts, &metrics.named("a loaded one")));
    let page = write_serving(&metrics, "", &[]);
    assert!(page.contains("request_count{model_name=\"\",status=\"CANCELLED\"} 1\n"));
}

/// A page of TensorFlow Serving's metrics after one request of each kind.
fn serving_page() -> String {
    let metrics = Metrics::default();
    let version = metrics.version("m", 3);
    for (protocol, api) in [(Protocol::Rest, Some(Api::Predict)), (Protocol::Grpc, Some(Api::Classify))] {
        let mut tracked = begin(&metrics, protocol);
        tracked.asks(api.unwrap());
        tracked.reached(&version, &HeaderValue::from_static("3"));
        let run = tracked.timed(async { Ok(()) });
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(run).unwrap();
        tracked.ended(&Ok(()));
    }
    let mut refused = begin(&metrics, Protocol::Rest);
    refused.ended::<()>(&Err(taxiway_engine::Error::invalid("Malformed request")));
    drop(refused);
    let mut question = begin(&metrics, Protocol::Rest);
    question.about("m");
    question.ended(&Ok(()));
    drop(question);
    let mut lost = begin(&metrics, Protocol::Grpc);
    lost.asks(Api::Predict);
    lost.about("nobody");
    lost.ended::<()>(&Err(taxiway_engine::Error::invalid("no")));
    drop(lost);
    drop(begin(&metrics, Protocol::Grpc)); // not one of the APIs that are counted
    version.model_counts.examples_of_many(5);
    metrics.batching.batched(&ran());
    metrics.loads.attempted("/m/3", Some(Duration::from_millis(2)));
    metrics.loads.attempted("/m/4", None);
    metrics.loads.warmed("/m/3", Duration::from_micros(15), Ok(7));
    let logged = crate::request_log::LogCounts { logged: 6, dropped: 1, ..Default::default() };
    write_serving(&metrics, "pool", &[("m", logged)])
}

// tfs:  metric-request-count metric-request-latency metric-runtime-latency metric-examples metric-log
// tfs: metric-warm-up metric-batching metric-core
#[test]
fn tensorflow_servings_page_has_its_names_and_labels() {
    let page = serving_page();
    let lines: Vec<&str> = page.lines().collect();
    for expected in [
        "# TYPE :tensorflow:serving:request_count counter",
        ":tensorflow:serving:request_count{model_name=\"m\",status=\"OK\"} 3",
        ":tensorflow:serving:request_count{model_name=\"nobody\",status=\"INVALID_ARGUMENT\"} 1",
        ":tensorflow:serving:request_latency_count{model_name=\"m\",API=\"\",entrypoint=\"REST\"} 1",
        ":tensorflow:serving:request_count{model_name=\"\",status=\"INVALID_ARGUMENT\"} 1",
        "# TYPE :tensorflow:serving:request_latency histogram",
        ":tensorflow:serving:request_latency_count{model_name=\"m\",API=\"predict\",entrypoint=\"REST\"} 1",
        ":tensorflow:serving:request_latency_count{model_name=\"m\",API=\"Classify\",entrypoint=\"GRPC\"} 1",
        ":tensorflow:serving:runtime_latency_count{model_name=\"m\",API=\"Predict\",runtime=\"TF1\"} 1",
        ":tensorflow:serving:request_example_counts_bucket{model=\"m\",le=\"4\"} 0",
        ":tensorflow:serving:request_example_counts_bucket{model=\"m\",le=\"8\"} 1",
        ":tensorflow:serving:request_example_count_total{model=\"m\"} 5",
        ":tensorflow:serving:batching_session:queuing_latency_bucket{thread_pool_name=\"pool\",le=\"100\"} 1",
        ":tensorflow:serving:batching_session:padding_size_sum{execution_batch_size=\"4\"} 1",
        ":tensorflow:serving:batching_session:input_batch_size_sum{} 3",
        ":tensorflow:serving:batching_session:processed_batch_size_sum{} 4",
        ":tensorflow:serving:batching_session:wrapped_run_count{} 1",
        ":tensorflow:serving:model_warmup_latency_bucket{model_path=\"/m/3\",status=\"OK\",le=\"18\"} 1",
        ":tensorflow:serving:model_warmup_records_read{model_path=\"/m/3\",status=\"OK\"} 7",
        ":tensorflow:cc:saved_model:load_attempt_count{model_path=\"/m/3\",status=\"success\"} 1",
        ":tensorflow:cc:saved_model:load_attempt_count{model_path=\"/m/4\",status=\"fail\"} 1",
        ":tensorflow:cc:saved_model:load_latency{model_path=\"/m/3\"} 2000",
        ":tensorflow:cc:saved_model:load_latency_by_stage_bucket{model_path=\"/m/3\",stage=\"restore_graph\",le=\"1983.59\"} 0",
        ":tensorflow:cc:saved_model:load_latency_by_stage_sum{model_path=\"/m/3\",stage=\"restore_graph\"} 2000",
        ":tensorflow:serving:request_log_count{model_name=\"m\",status_code=\"OK\"} 6",
        ":tensorflow:core:graph_runs{} 0",
        ":tensorflow:core:graph_run_time_usecs{} 0",
        ":tensorflow:core:direct_session_runs{} 0",
    ] {
        assert!(lines.contains(&expected), "{expected} is not in\n{page}");
    }
    assert!(!page.contains("# HELP"), "{page}");
}

// tfs: metric-names
#[test]
fn every_sample_of_tensorflow_servings_page_has_a_type_and_every_histogram_its_infinity() {
    let page = serving_page();
    for line in page.lines().filter(|line| !line.starts_with('#')) {
        let sample = line.split('{').next().unwrap();
        let family = ["_bucket", "_sum", "_count"].iter().find_map(|end| {
            let family = sample.strip_suffix(end)?;
            page.contains(&format!("# TYPE {family} histogram\n")).then_some(family)
        });
        let typed = family.is_some() || page.contains(&format!("# TYPE {sample} counter\n"));
        assert!(typed, "{line}");
        assert!(family.is_none_or(|family| page.contains(&format!("{family}_bucket{{"))), "{line}");
    }
    let count = page.matches("_count{").count() - page.matches("request_count{").count();
    let plain = ["load_attempt_count{", "request_log_count{", "wrapped_run_count{"]
        .iter()
        .map(|name| page.matches(name).count());
    assert_eq!(page.matches("le=\"+Inf\"").count(), count - plain.sum::<usize>());
}
