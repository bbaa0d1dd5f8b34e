//! Everything there is under a URL or a method's name.

use serde_json::{Value, json};
use taxiway_server::proto;
use tonic::Code;

use crate::grpc_client::{refusal, spec};
use crate::serving::{Serving, table};

// tfs: url-malformed url-case rest-query-post rest-content-type-out
#[test]
fn what_is_malformed_is_said_to_be() {
    let (serving, _version) = Serving::half_plus_two(&json!({}));
    for (method, path) in [
        ("PUT", "/v1/models/half:predict"),
        ("DELETE", "/v1/models/half"),
        ("PATCH", "/v1/models/half"),
        ("GET", "/v1/models/half:predict"),
        ("GET", "/v1/other"),
        ("POST", "/v1/models/half:PREDICT"),
        ("POST", "/v1/models/half:predict?x=1"),
        ("POST", "/v1/models/half"),
    ] {
        let answer = serving.http().request(method, path, "content-length: 0\r\n");
        assert_eq!(answer.status, 400, "{method} {path}");
        assert_eq!(answer.error(), format!("Malformed request: {method} {path}"));
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
}

// tfs:  url-status url-metadata url-version-range url-no-name rest-query-get status-label status-missing
// tfs: rest-api-paths
#[test]
fn questions_are_answered_as_by_tensorflow_serving() {
    let (serving, _version) = Serving::half_plus_two(&json!({}));
    let mut http = serving.http();
    for (path, status, text) in [
        ("/v1/models/nope", 404, "Could not find any versions of model nope"),
        ("/v1/models/half/versions/9", 404, "Could not find version 9 of model half"),
        (
            "/v1/models/half/versions/99999999999999999999",
            400,
            "Failed to convert version: 99999999999999999999 to numeric.",
        ),
        ("/v1/models/versions/1", 400, "Missing model name in request."),
        ("/v1/models/half/labels/x/metadata", 400, "Unrecognized servable version label: x"),
        ("/v1/models/half/versions/9/metadata", 404, "Servable not found for request: Specific(half, 9)"),
        ("/v1/models/half?x=1", 404, "Could not find any versions of model half?x=1"),
        ("/elsewhere", 404, "There is nothing at /elsewhere"),
    ] {
        let answer = http.get(path);
        assert_eq!((answer.status, answer.error().as_str()), (status, text));
    }
    // A label in a question for status is ignored.
    assert_eq!(http.get("/v1/models/half/labels/x").body, http.get("/v1/models/half").body);
    assert_eq!(http.get("/v1/models/half/labels/stable/metadata").header("x-taxiway-version"), Some("3"));
    let models: Value = serde_json::from_str(&http.get("/v1/models").body).unwrap();
    assert_eq!(models["models"][0]["name"], "half");
    assert_eq!(models["models"][0]["default_version"], "3");
    assert_eq!(models["models"][0]["labels"], json!({"stable": "3"}));
}

// tfs: url-predict url-predict-version url-predict-label url-decoding url-case answer-layout
#[test]
fn without_a_list_of_models_a_name_is_missed() {
    let (serving, _version) = Serving::half_plus_two(&json!({"model_list": false}));
    let answer = serving.http().get("/v1/models");
    assert_eq!((answer.status, answer.error().as_str()), (400, "Missing model name in request."));
}

#[test]
fn versions_labels_and_encoded_names_are_found() {
    let serving = Serving::start(&json!({}));
    let version = serving.add("a/b:c", 7, taxiway_engine::fake::FakeEngine::half_plus_two());
    serving.publish(&[&version]);
    let mut http = serving.http();
    for path in ["a%2Fb%3Ac", "a%2fb%3ac/versions/7", "a%2Fb%3Ac/labels/stable", "a%2Fb%3Ac/VERSIONS/7"] {
        let answer = http.post(&format!("/V1/models/{path}:predict"), r#"{"instances": [2]}"#);
        assert_eq!(answer.body, "{\n    \"predictions\": [3.0\n    ]\n}", "{path}");
        assert_eq!(answer.header("x-taxiway-version"), Some("7"));
    }
}

#[test]
fn readiness_and_health_are_what_the_table_says() {
    let serving = Serving::start(&json!({}));
    let mut http = serving.http();
    assert_eq!(
        (http.get("/healthz").status, http.get("/readyz").status, http.get("/readyz/half").status),
        (200, 503, 404)
    );
    assert_eq!(http.post("/v1/models/half:predict", r#"{"instances": [1]}"#).status, 404);

    let version = serving.add("half", 1, taxiway_engine::fake::FakeEngine::half_plus_two());
    serving.publish(&[&version]);
    assert_eq!((http.get("/readyz").status, http.get("/readyz/half").status), (200, 200));

    let mut document = table(&[&version]);
    document["models"]["half"]["ready"] = false.into();
    document["models"]["half"]["reason"] = "version 2 failed".into();
    serving.server.publish(&document.to_string()).unwrap();
    let answer = http.get("/readyz/half");
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!((answer.status, body), (503, json!({"ready": false, "reason": "version 2 failed"})));
    assert_eq!(http.request("POST", "/readyz", "content-length: 0\r\n").status, 405);
}

#[test]
fn the_port_describes_itself() {
    let (serving, _version) = Serving::half_plus_two(&json!({}));
    let mut http = serving.http();
    let answer = http.get("/openapi.json");
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    let document: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    assert!(document["paths"]["/v1/models/{model}:predict"]["post"].is_object());
    assert_eq!(http.request("POST", "/openapi.json", "content-length: 0\r\n").status, 405);
}

#[test]
fn metrics_count_what_was_asked() {
    let (serving, _version) = Serving::half_plus_two(&json!({}));
    let mut http = serving.http();
    http.post("/v1/models/half:predict", r#"{"instances": [1]}"#);
    http.post("/v1/models/nope:predict", r#"{"instances": [1]}"#);
    let answer = http.get("/metrics");
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    for line in [
        r#"taxiway_requests_total{model="half",version="3",protocol="rest",code="OK"} 1"#,
        r#"taxiway_requests_total{model="",version="",protocol="rest",code="NOT_FOUND"} 1"#,
        r#"taxiway_leases{model="half",version="3"} 1"#,
        r#"taxiway_connections{protocol="rest"} 1"#,
    ] {
        assert!(answer.body.lines().any(|written| written == line), "{line} is not in\n{}", answer.body);
    }
}

// tfs: url-metrics url-metrics-query rest-metrics-handler metric-request-count
#[test]
fn tensorflow_servings_metrics_are_at_the_path_that_was_configured() {
    let page = json!({"path": "/monitoring/own", "thread_pool_name": "threads"});
    let (serving, _version) = Serving::half_plus_two(&json!({"prometheus": page}));
    let mut http = serving.http();
    http.post("/v1/models/half:predict", r#"{"instances": [1]}"#);
    let answer = http.get("/monitoring/own");
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/plain")));
    let counted = r#":tensorflow:serving:request_count{model_name="half",status="OK"} 1"#;
    assert!(answer.body.lines().any(|line| line == counted), "{}", answer.body);
    let answer = http.get("/monitoring/own?x=1");
    let expected = "Unexpected path: /monitoring/own?x=1. Should be /monitoring/own";
    assert_eq!((answer.status, answer.body.as_str()), (400, expected));
    assert_eq!(http.get("/monitoring/own/").status, 404);
    assert_eq!(http.get("/monitoring/prometheus/metrics").status, 404);

    let (serving, _version) = Serving::half_plus_two(&json!({}));
    assert_eq!(serving.http().get("/monitoring/prometheus/metrics").status, 404);
}

// tfs: url-options url-cors
#[test]
fn a_browser_is_told_what_it_may_do() {
    for cors in [false, true] {
        let (serving, _version) = Serving::half_plus_two(&json!({"cors": cors}));
        let mut http = serving.http();
        let asked = http.request("OPTIONS", "/v1/anything", "origin: https://page.example\r\n");
        assert_eq!((asked.status, asked.body.as_str()), (200, ""));
        let refused = http.request("OPTIONS", "/v1/anything", "origin: file\r\n");
        assert_eq!((refused.status, refused.body.as_str()), (400, ""));
        let answered = http.post("/v1/models/nope:predict", "{}");
        for answer in [asked, answered] {
            assert_eq!(answer.header("access-control-allow-origin"), cors.then_some("*"));
            assert_eq!(answer.header("access-control-allow-methods"), cors.then_some("POST, GET"));
            assert_eq!(answer.header("access-control-allow-headers"), cors.then_some("Content-Type"));
        }
        assert_eq!(http.get("/healthz").header("access-control-allow-origin"), None);
    }
}

#[test]
fn request_ids_are_echoed_or_made() {
    let (serving, _version) = Serving::half_plus_two(&json!({}));
    let mut http = serving.http();
    let body = r#"{"instances": [1]}"#;
    let answer = http.post_with("/v1/models/half:predict", "x-request-id: mine-1\r\n", body);
    assert_eq!(answer.header("x-request-id"), Some("mine-1"));
    let made = |answer: &crate::http_client::Answer| answer.header("x-request-id").unwrap().to_owned();
    let (first, second) = (http.post("/v1/models/half:predict", body), http.get("/v1/models"));
    assert_ne!(made(&first), made(&second));

    let grpc = serving.grpc();
    let mut request = tonic::Request::new(bytes::Bytes::new());
    request.metadata_mut().insert("x-request-id", "mine-2".parse().unwrap());
    let status = grpc.call("/tensorflow.serving.PredictionService/Predict", request).unwrap_err();
    assert_eq!(status.metadata().get("x-request-id").unwrap(), "mine-2");
}

// tfs: rpc-metadata-errors rpc-status-missing spec-missing grpc-session
#[test]
fn metadata_and_status_refuse_in_the_words_clients_know() {
    let (serving, _version) = Serving::half_plus_two(&json!({}));
    let grpc = serving.grpc();
    let metadata =
        |fields: &[&str], name: Option<&str>| {
            let metadata_field = fields.iter().map(|field| (*field).to_owned()).collect();
            let request = proto::GetModelMetadataRequest { model_spec: name.map(spec), metadata_field };
            refusal(grpc.ask::<proto::GetModelMetadataResponse>(
                "/tensorflow.serving.PredictionService/GetModelMetadata",
                &request,
            ))
        };
    let invalid = |text: &str| (Code::InvalidArgument, text.to_owned());
    assert_eq!(metadata(&["signature_def"], None), invalid("Missing ModelSpec"));
    assert_eq!(
        metadata(&[], Some("half")),
        invalid("GetModelMetadataRequest must specify at least one metadata_field")
    );
    assert_eq!(metadata(&["signature_def", "x"], Some("half")), invalid("Metadata field x is not supported"));
    assert_eq!(metadata(&["signature_def"], Some("nope")).0, Code::NotFound);

    let status = |name: &str| {
        let request = proto::GetModelStatusRequest { model_spec: Some(spec(name)) };
        refusal(grpc.ask::<proto::GetModelStatusResponse>("/tensorflow.serving.ModelService/GetModelStatus", &request))
    };
    assert_eq!(status("nope"), (Code::NotFound, "Could not find any versions of model nope".to_owned()));
    assert_eq!(status(""), invalid("ModelSpec has no name specified."));
    for path in ["/tensorflow.serving.SessionService/SessionRun", "/other.Service/Method"] {
        assert_eq!(refusal(grpc.call(path, tonic::Request::new(bytes::Bytes::new()))).0, Code::Unimplemented);
    }
}
