//! What TensorFlow Serving's metrics count, and under which model.

use serde_json::json;
use taxiway_server::proto::{self, PredictRequest};

use crate::grpc_client::spec;
use crate::serving::Serving;

const REQUESTS: &str = ":tensorflow:serving:request_count";
const GET_STATUS: &str = "/tensorflow.serving.ModelService/GetModelStatus";

/// A server with a metrics page at `/m`, and the model `half`.
fn counting() -> (Serving, taxiway_server::LoadedVersion) {
    Serving::half_plus_two(&json!({"prometheus": {"path": "/m", "thread_pool_name": "t"}}))
}

/// The requests so far: model, status, how many.
fn requests(serving: &Serving) -> Vec<(String, String, u64)> {
    let page = serving.http().get("/m").body;
    let samples = page.lines().filter_map(|line| line.strip_prefix(REQUESTS));
    samples
        .map(|sample| {
            let quoted: Vec<&str> = sample.split('"').collect();
            (quoted[1].to_owned(), quoted[3].to_owned(), quoted[4].trim_start_matches("} ").parse().unwrap())
        })
        .collect()
}

fn counted(model: &str, status: &str, count: u64) -> (String, String, u64) {
    (model.to_owned(), status.to_owned(), count)
}

// tfs: metric-request-count metric-request-latency
#[test]
fn rest_requests_count_under_the_name_in_their_url() {
    let (serving, _version) = counting();
    let mut client = serving.http();
    assert_eq!(client.post("/v1/models/half:predict", r#"{"instances": [1.0]}"#).status, 200);
    client.post("/v1/models/half:predict", "{");
    client.post("/v1/models/half/versions/9:predict", r#"{"instances": [1.0]}"#);
    client.post("/v1/models/no%2Fbody:predict", r#"{"instances": [1.0]}"#);
    client.post("/v1/models/half:fly", "{}");
    client.get("/v1/models/half");
    client.get("/v1/models/half/metadata");
    client.get("/v1/models/nobody");
    client.get(&format!("/v1/models/{}", "long".repeat(100)));
    client.send("OPTIONS /v1/x HTTP/1.1\r\nhost: x\r\n\r\n");
    client.receive();
    let expected = [
        counted("", "INVALID_ARGUMENT", 1),
        counted("", "NOT_FOUND", 1), // a name too long to remember
        counted("", "FAILED_PRECONDITION", 1),
        counted("half", "OK", 3),
        counted("half", "INVALID_ARGUMENT", 1),
        counted("half", "NOT_FOUND", 1),
        counted("no/body", "NOT_FOUND", 1),
        counted("nobody", "NOT_FOUND", 1),
    ];
    assert_eq!(requests(&serving), expected);
    let page = serving.http().get("/m").body;
    for (api, count) in [("predict", 1), ("", 2)] {
        let line = format!(
            ":tensorflow:serving:request_latency_count{{model_name=\"half\",API=\"{api}\",entrypoint=\"REST\"}} {count}\n"
        );
        assert!(page.contains(&line), "{line} is not in\n{page}");
    }
    assert!(page.contains(":tensorflow:core:graph_runs{} 1\n"), "{page}");
}

// tfs: metric-request-count
#[test]
fn grpc_requests_count_when_they_ask_an_api_and_can_be_read() {
    let (serving, _version) = counting();
    let client = serving.grpc();
    let named = |name: &str| PredictRequest { model_spec: Some(spec(name)), ..PredictRequest::default() };
    client.predict(&named("half")).unwrap_err();
    client.predict(&named("nobody")).unwrap_err();
    client.predict(&PredictRequest::default()).unwrap_err();
    client.predict_bytes(&b"\xff\xff"[..]).unwrap_err();
    let question = proto::GetModelStatusRequest { model_spec: Some(spec("half")) };
    client.ask::<proto::GetModelStatusResponse>(GET_STATUS, &question).unwrap();
    let expected =
        [counted("", "INVALID_ARGUMENT", 1), counted("half", "INVALID_ARGUMENT", 1), counted("nobody", "NOT_FOUND", 1)];
    assert_eq!(requests(&serving), expected);
}

#[test]
fn a_counter_can_be_asked_for_by_either_name() {
    let (serving, _version) = counting();
    serving.http().post("/v1/models/half:predict", r#"{"instances": [1.0]}"#);
    serving.http().get("/v1/models/half");
    for (name, value) in [
        (REQUESTS, 2),
        ("/tensorflow/serving/request_count", 2),
        ("/tensorflow/cc/saved_model/load_attempt_count", 1),
        ("taxiway_requests_total", 2),
        ("/tensorflow/serving/request_latency", 0), // no counter
        ("", 0),
    ] {
        assert_eq!(serving.server.counter(name), value, "{name}");
    }
}
