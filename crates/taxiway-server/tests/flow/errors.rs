//! Every refusal of predict, to the letter, over both protocols.

use serde_json::json;
use taxiway_engine::fake::{FakeEngine, Gated, definition};
use taxiway_engine::{DType, Error, ErrorKind, Tensor, WireForm};
use taxiway_server::LoadedVersion;
use taxiway_server::proto::model_spec::VersionChoice;
use taxiway_server::proto::{ModelSpec, PredictRequest};
use tonic::Code;

use crate::grpc_client::{refusal, spec};
use crate::serving::{LONG, Serving, table};

fn floats(values: &[f32]) -> taxiway_engine::proto::TensorProto {
    Tensor::from_values([values.len()], values).unwrap().to_proto(WireForm::TypedFields)
}

fn request(spec: ModelSpec) -> PredictRequest {
    PredictRequest { model_spec: Some(spec), inputs: [("x".to_owned(), floats(&[1.0]))].into(), output_filter: vec![] }
}

/// Models that refuse in every way: `half`, `none` (no inputs), `half_type` (a type that JSON has not), `two` (two
/// inputs), `fails`, `panics`.
fn serving() -> (Serving, Vec<LoadedVersion>) {
    let (serving, half) = Serving::half_plus_two(&json!({}));
    let x = [("x", DType::Float, Some(&[-1][..]))];
    let fake = |inputs: &[(&str, DType, Option<&[i64]>)], answer: fn() -> Result<Vec<Tensor>, Error>| {
        FakeEngine::new([("serving_default".to_owned(), definition(inputs, &x))].into(), move |_| answer())
    };
    let versions = vec![
        half,
        serving.add("none", 1, fake(&[], || Ok(vec![]))),
        serving.add("half_type", 1, FakeEngine::echo(&[("x", DType::Half, Some(&[-1]))])),
        serving.add("two", 1, FakeEngine::echo(&[("a", DType::Float, None), ("b", DType::Float, None)])),
        serving.add("fails", 1, fake(&x, || Err(Error::invalid("Matrix size-incompatible: In[0]: [1,2]")))),
        serving.add("panics", 1, fake(&x, || panic!("a bug"))),
    ];
    serving.publish(&versions.iter().collect::<Vec<_>>());
    (serving, versions)
}

const ONE: &str = r#"{"instances": [1.0]}"#;

// tfs:  error-body error-order err-unknown-model err-unknown-version err-unknown-label err-empty-body
// tfs: err-bad-json err-not-object err-signature-type err-unknown-signature err-no-inputs err-both-forms
// tfs: err-no-form err-instances-list err-instances-empty err-json-type err-dtype err-graph row-plain-list
// tfs: rest-content-type-out
#[test]
fn refusals_over_rest_are_those_of_tensorflow_serving() {
    let (serving, _versions) = serving();
    let mut http = serving.http();
    for (path, body, status, text) in [
        ("nope", ONE, 404, "Servable not found for request: Latest(nope)"),
        ("half/versions/9", ONE, 404, "Servable not found for request: Specific(half, 9)"),
        ("half/labels/x", ONE, 400, "Unrecognized servable version label: x"),
        ("half", "", 400, "JSON Parse error: The document is empty"),
        ("half", "{", 400, "JSON Parse error: Missing a name for object member. at offset: 1"),
        ("half", "[1]", 400, "JSON Value: [1] Is not object"),
        // Bad JSON is found before a model that is not there.
        ("nope", "{", 400, "JSON Parse error: Missing a name for object member. at offset: 1"),
        (
            "half",
            r#"{"signature_name": "s", "instances": [1]}"#,
            400,
            "Serving signature name: \"s\" not found in signature def",
        ),
        ("none", ONE, 400, "Failed to get input map for signature: serving_default"),
        (
            "half",
            r#"{"instances": [1], "inputs": [1]}"#,
            400,
            "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist ",
        ),
        ("half", "{}", 400, "Missing 'inputs' or 'instances' key"),
        ("half", r#"{"instances": 1}"#, 400, "Expecting 'instances' to be an list/array"),
        ("half", r#"{"instances": []}"#, 400, "No values in 'instances' array"),
        (
            "half",
            r#"{"signature_name": 1, "instances": [1]}"#,
            400,
            "not formatted correctly. 'signature_name' key must be a string value.",
        ),
        ("half", r#"{"inputs": ["x"]}"#, 400, "JSON Value: \"x\" Type: String is not of expected type: float"),
        ("half_type", r#"{"inputs": [1]}"#, 501, "Conversion of JSON Value: 1 to type: half"),
        ("half_type", r#"{"instances": [1]}"#, 400, "Conversion of JSON Value: 1 to type: half"),
        (
            "two",
            r#"{"instances": [1]}"#,
            400,
            "instances is a plain list, but expecting list of objects as multiple input tensors required as per tensorinfo_map",
        ),
        ("fails", ONE, 400, "Matrix size-incompatible: In[0]: [1,2]"),
        ("panics", ONE, 500, "the fake engine panicked while running signature \"serving_default\": a bug"),
    ] {
        let answer = http.post(&format!("/v1/models/{path}:predict"), body);
        assert_eq!(answer.status, status, "{path} {body}: {answer:?}");
        assert!(answer.error().ends_with(text), "{path} {body}: {answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert!(answer.header("x-request-id").is_some());
    }
    let layout = http.post("/v1/models/nope:predict", ONE).body;
    assert_eq!(layout, "{\n    \"error\": \"Servable not found for request: Latest(nope)\"\n}");
    assert_eq!(http.post("/v1/models/half:predict", ONE).status, 200);
}

// tfs:  spec-missing spec-zero spec-ready-word spec-labels predict-signature predict-input-sizes
// tfs: predict-alias predict-tensor predict-filter-unknown predict-filter-twice predict-dtype
#[test]
fn refusals_over_grpc_are_those_of_tensorflow_serving() {
    let (serving, _versions) = serving();
    let grpc = serving.grpc();
    let with = |choice| ModelSpec { version_choice: Some(choice), ..spec("half") };
    let signature = ModelSpec { signature_name: "s".to_owned(), ..spec("half") };
    let mut cases = vec![
        (PredictRequest::default(), Code::InvalidArgument, "Missing ModelSpec"),
        (request(spec("")), Code::InvalidArgument, "ModelSpec has no name specified."),
        (request(spec("nope")), Code::NotFound, "Servable not found for request: Latest(nope)"),
        (request(with(VersionChoice::Version(0))), Code::NotFound, "Servable not found for request: Specific(half, 0)"),
        (
            request(with(VersionChoice::VersionLabel("x".to_owned()))),
            Code::InvalidArgument,
            "Unrecognized servable version label: x",
        ),
        (request(signature), Code::FailedPrecondition, "Serving signature key \"s\" not found."),
        (request(spec("fails")), Code::InvalidArgument, "Matrix size-incompatible: In[0]: [1,2]"),
        (
            request(spec("panics")),
            Code::Internal,
            "the fake engine panicked while running signature \"serving_default\": a bug",
        ),
    ];
    let mut changed = |change: fn(&mut PredictRequest), text| {
        let mut request = request(spec("half"));
        change(&mut request);
        cases.push((request, Code::InvalidArgument, text));
    };
    changed(
        |r| r.inputs.clear(),
        "input size does not match signature: 0!=1 len({}) != len({x}). Sent extra: {}. Missing but required: {x}.",
    );
    changed(
        |r| drop(r.inputs.insert("z".to_owned(), floats(&[1.0]))),
        "input size does not match signature: 2!=1 len({x,z}) != len({x}). Sent extra: {z}. Missing but required: {}.",
    );
    changed(
        |r| r.inputs = [("z".to_owned(), floats(&[1.0]))].into(),
        "Signature input alias: x(feed name: x:0) not found in request and no default value provided. \
         Inputs expected to be in the request {z}, or default input alias set: ",
    );
    changed(
        |r| r.inputs.get_mut("x").unwrap().dtype = DType::Int32.number(),
        "Expects arg[0] to be float but int32 is provided",
    );
    changed(|r| r.inputs.get_mut("x").unwrap().dtype = 0, "tensor parsing error: x");
    changed(
        |r| r.output_filter = vec!["z".to_owned()],
        "output tensor alias not found in signature: z Outputs expected to be in the set {y}.",
    );
    changed(|r| r.output_filter = vec!["y".to_owned(); 2], "duplicate output tensor alias: y");
    for (request, code, text) in cases {
        assert_eq!(refusal(grpc.predict(&request)), (code, text.to_owned()));
    }
    assert!(grpc.predict(&request(spec("half"))).is_ok());
}

// tfs: err-no-labels spec-labels
#[test]
fn labels_that_were_never_set_are_unavailable() {
    let (serving, version) = Serving::half_plus_two(&json!({}));
    let mut document = table(&[&version]);
    document["labels_used"] = false.into();
    serving.server.publish(&document.to_string()).unwrap();
    let answer = serving.http().post("/v1/models/half/labels/stable:predict", ONE);
    assert_eq!((answer.status, answer.error().as_str()), (503, "Model labels does not init yet.stable"));
    let label = VersionChoice::VersionLabel("stable".to_owned());
    let labelled = ModelSpec { version_choice: Some(label), ..spec("half") };
    let expected = (Code::Unavailable, "Model labels does not init yet.stable".to_owned());
    assert_eq!(refusal(serving.grpc().predict(&request(labelled))), expected);
}

// tfs: err-timeout grpc-deadline
#[test]
fn a_request_that_takes_too_long_is_told_so_and_the_next_is_answered() {
    let serving = Serving::start(&json!({"limits": {"request_timeout_ms": 50, "grpc_timeout_ms": 50}}));
    let engine = std::sync::Arc::new(Gated::closed(FakeEngine::half_plus_two()));
    let version = serving.add_shared("half", 1, engine.clone());
    serving.publish(&[&version]);
    let mut http = serving.http();
    let answer = http.post("/v1/models/half:predict", ONE);
    assert_eq!((answer.status, answer.error().as_str()), (504, "Timed out waiting for notification"));
    let expected = (Code::DeadlineExceeded, "Timed out waiting for notification".to_owned());
    assert_eq!(refusal(serving.grpc().predict(&request(spec("half")))), expected);
    engine.open();
    // On a busy machine one that comes after may take too long by itself.
    let began = std::time::Instant::now();
    let mut answer = http.post("/v1/models/half:predict", ONE);
    while answer.status == 504 && began.elapsed() < LONG {
        answer = http.post("/v1/models/half:predict", ONE);
    }
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[test]
fn the_time_limit_of_rest_is_not_grpcs() {
    let serving = Serving::start(&json!({"limits": {"request_timeout_ms": 50}}));
    let engine = std::sync::Arc::new(Gated::closed(FakeEngine::half_plus_two()));
    let version = serving.add_shared("half", 1, engine.clone());
    serving.publish(&[&version]);
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| serving.grpc().predict(&request(spec("half"))).map(|_| ()));
        serving.wait_for_stat("requests_in_flight", 1);
        // REST gives up on the same model while the call over gRPC, which came first, goes on.
        assert_eq!(serving.http().post("/v1/models/half:predict", ONE).status, 504);
        engine.open();
        waits.join().unwrap().unwrap();
    });
}

// tfs: grpc-error-length
#[test]
fn long_texts_are_cut_over_grpc_and_whole_over_rest() {
    let serving = Serving::start(&json!({}));
    let x = [("x", DType::Float, None)];
    let engine = FakeEngine::new([("serving_default".to_owned(), definition(&x, &x))].into(), |_| {
        Err(Error::new(ErrorKind::OutOfRange, "é".repeat(2000)))
    });
    let version = serving.add("long", 1, engine);
    serving.publish(&[&version]);
    let (code, text) = refusal(serving.grpc().predict(&request(spec("long"))));
    assert_eq!((code, text), (Code::OutOfRange, format!("{}...TRUNCATED", "é".repeat(1024))));
    let answer = serving.http().post("/v1/models/long:predict", ONE);
    assert_eq!((answer.status, answer.error()), (400, "é".repeat(2000)));
}
