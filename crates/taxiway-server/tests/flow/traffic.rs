//! Requests are led to arms, alike over both protocols, and what became of them is counted.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use prost::Message;
use serde_json::{Value, json};
use taxiway_engine::fake::{FakeEngine, definition};
use taxiway_engine::{DType, Error, Tensor, WireForm};
use taxiway_server::LoadedVersion;
use taxiway_server::proto::{self, PredictRequest, model_spec::VersionChoice};
use tonic::Request;

use crate::grpc_client::spec;
use crate::serving::{Serving, table};

const PREDICT: &str = "/tensorflow.serving.PredictionService/Predict";
const PATH: &str = "/v1/models/m:predict";
const BODY: &str = r#"{"inputs": {"user": ["17"], "x": [1.0]}}"#;

/// A version that takes a user and a number, and answers with its own number; a negative number is no number then, and
/// one over a hundred an error of its own.
fn numbered(version: i64) -> FakeEngine {
    let inputs = [("user", DType::String, Some(&[-1][..])), ("x", DType::Float, Some(&[-1]))];
    let definition = definition(&inputs, &[("y", DType::Float, Some(&[-1]))]);
    FakeEngine::new([("serving_default".to_owned(), definition)].into(), move |call| {
        let x = call.inputs[1].values::<f32>().unwrap()[0];
        match x {
            x if x > 100.0 => Err(Error::internal("too much")),
            x if x < 0.0 => Ok(vec![Tensor::from_values([1usize], &[f32::NAN])?]),
            _ => Ok(vec![Tensor::from_values([1usize], &[version as f32])?]),
        }
    })
}

/// Versions 1 and 2 of a model, version 1 its default.
struct Two {
    serving: Serving,
    versions: [LoadedVersion; 2],
}

impl Two {
    fn start() -> Two {
        let serving = Serving::start(&json!({}));
        let versions = [1, 2].map(|number| serving.add("m", number, numbered(number)));
        Two { serving, versions }
    }

    fn document(&self, route: &Value) -> String {
        let mut document = table(&[&self.versions[0], &self.versions[1]]);
        document["models"]["m"]["default"] = 1.into();
        document["models"]["m"]["labels"] = json!({"next": 2});
        document["models"]["m"]["route"] = route.clone();
        document.to_string()
    }

    fn route(&self, route: &Value) {
        self.serving.server.publish(&self.document(route)).unwrap();
    }

    fn arm(&self, name: &str) -> Value {
        let outcomes = self.serving.server.outcomes("m");
        let arms = outcomes["arms"].as_array().unwrap();
        arms.iter().find(|arm| arm["arm"] == name).unwrap_or_else(|| panic!("{outcomes}")).clone()
    }
}

fn route(key: &Value, ppm: u32) -> Value {
    json!({
        "experiment": "m-2", "salt": "salt", "key": key, "slow_us": {"p95": 60_000_000},
        "arms": [
            {"name": "canary", "version": 2, "share_ppm": ppm}, {"name": "control", "version": 1, "share_ppm": ppm},
        ],
    })
}

fn by_header(ppm: u32) -> Value {
    route(&json!({"header": "x-routing-key"}), ppm)
}

fn request(user: &str, x: f32) -> PredictRequest {
    let user = Tensor::from_strings([1usize], [user].into_iter().collect()).unwrap();
    let x = Tensor::from_values([1usize], &[x]).unwrap();
    let tensors = [("user", user), ("x", x)];
    let inputs = tensors.into_iter().map(|(name, tensor)| (name.to_owned(), tensor.to_proto(WireForm::TypedFields)));
    PredictRequest { model_spec: Some(spec("m")), inputs: inputs.collect(), output_filter: vec![] }
}

#[test]
fn a_key_leads_to_one_arm_over_both_protocols() {
    let two = Two::start();
    let (mut http, grpc) = (two.serving.http(), two.serving.grpc());
    two.route(&by_header(250_000));
    let mut arms = std::collections::BTreeMap::new();
    for user in 0..60 {
        let key = format!("user-{user}");
        let rest = http.post_with(PATH, &format!("x-routing-key: {key}\r\n"), BODY);
        let mut call = Request::new(Bytes::from(request("17", 1.0).encode_to_vec()));
        call.metadata_mut().insert("x-routing-key", key.parse().unwrap());
        let answer = grpc.call(PREDICT, call).unwrap();
        let (arm, version) = (rest.header("x-taxiway-arm").unwrap(), rest.header("x-taxiway-version").unwrap());
        assert_eq!(answer.metadata().get("x-taxiway-arm").unwrap(), arm);
        assert_eq!(answer.metadata().get("x-taxiway-version").unwrap(), version);
        assert!(answer.metadata().get("x-request-id").is_some());
        assert_eq!(version, if arm == "canary" { "2" } else { "1" });
        assert!(rest.body.contains(if arm == "canary" { "2.0" } else { "1.0" }), "{}", rest.body);
        *arms.entry(arm.to_owned()).or_insert(0u64) += 2;
    }
    assert_eq!(arms.keys().collect::<Vec<_>>(), ["canary", "control", "stable"]);
    for (name, asked) in arms {
        let arm = two.arm(&name);
        assert_eq!((&arm["assigned"], &arm["answered"]), (&json!(asked), &json!(asked)), "{arm}");
        assert_eq!((&arm["keyless"], &arm["codes"]), (&json!(0), &json!({"OK": asked})));
        assert_eq!(arm["units"], if name == "stable" { 0 } else { asked / 2 }, "{arm}");
        assert_eq!(arm["latency"]["count"], asked);
    }
}

#[test]
fn a_field_leads_to_one_arm_over_both_protocols() {
    let two = Two::start();
    let (mut http, grpc) = (two.serving.http(), two.serving.grpc());
    two.route(&route(&json!({"field": "user"}), 500_000));
    let mut seen = std::collections::BTreeSet::new();
    for user in 0..30 {
        let rows = http.post(PATH, format!(r#"{{"instances": [{{"user": "{user}", "x": 1.0}}]}}"#));
        let columns = http.post(PATH, format!(r#"{{"inputs": {{"x": [1.0], "user": ["{user}"]}}}}"#));
        let answer = grpc.predict(&request(&user.to_string(), 1.0)).unwrap();
        let arm = rows.header("x-taxiway-arm").unwrap();
        assert_eq!(columns.header("x-taxiway-arm"), Some(arm));
        assert_eq!(answer.metadata().get("x-taxiway-arm").unwrap(), arm);
        seen.insert(arm.to_owned());
    }
    assert_eq!(seen.len(), 2);
    assert_eq!(two.arm("canary")["keyless"], 0);
}

#[test]
fn without_a_key_the_requests_id_decides() {
    let two = Two::start();
    let mut http = two.serving.http();
    two.route(&by_header(500_000));
    let mut arms = std::collections::BTreeSet::new();
    for number in 0..20 {
        let own = format!("x-request-id: id-{number}\r\n");
        let first = http.post_with(PATH, &own, BODY);
        let again = http.post_with(PATH, &own, BODY);
        assert_eq!(first.header("x-taxiway-arm"), again.header("x-taxiway-arm"));
        arms.insert(first.header("x-taxiway-arm").unwrap().to_owned());
    }
    assert_eq!(arms.len(), 2);
    let given = http.post(PATH, BODY);
    assert!(given.header("x-request-id").is_some_and(|id| !id.is_empty()));
    let (canary, control) = (two.arm("canary"), two.arm("control"));
    let sum = |name: &str| canary[name].as_u64().unwrap() + control[name].as_u64().unwrap();
    assert_eq!((sum("keyless"), sum("units"), sum("assigned")), (41, 41, 41));
}

#[test]
fn who_says_which_version_gets_it_and_is_not_counted() {
    let two = Two::start();
    let (mut http, grpc) = (two.serving.http(), two.serving.grpc());
    two.route(&by_header(500_000));
    for (path, version) in [
        ("/v1/models/m/versions/1:predict", "1"),
        ("/v1/models/m/versions/2:predict", "2"),
        ("/v1/models/m/labels/next:predict", "2"),
    ] {
        let answer = http.post_with(path, "x-routing-key: anyone\r\n", BODY);
        assert_eq!((answer.header("x-taxiway-version"), answer.header("x-taxiway-arm")), (Some(version), None));
    }
    let mut named = request("17", 1.0);
    named.model_spec.as_mut().unwrap().version_choice = Some(VersionChoice::Version(2));
    assert!(grpc.predict(&named).unwrap().metadata().get("x-taxiway-arm").is_none());
    // What is asked about the model is about its default, whoever asks.
    let metadata = http.request("GET", "/v1/models/m/metadata", "x-routing-key: anyone\r\n");
    assert_eq!((metadata.header("x-taxiway-version"), metadata.header("x-taxiway-arm")), (Some("1"), None));
    assert!(["canary", "control", "stable"].iter().all(|name| two.arm(name)["assigned"] == 0));
}

#[test]
fn a_model_without_a_route_has_no_arms_and_one_arm_is_not_named() {
    let two = Two::start();
    let mut http = two.serving.http();
    two.route(&Value::Null);
    assert_eq!(http.post(PATH, BODY).header("x-taxiway-arm"), None);
    assert_eq!(two.serving.server.outcomes("m"), Value::Null);
    two.route(&by_header(0));
    let answer = http.post(PATH, BODY);
    assert_eq!((answer.status, answer.header("x-taxiway-arm")), (200, None));
    assert_eq!(two.arm("stable")["answered"], 1);
}

#[test]
fn bad_answers_are_counted_by_their_kind() {
    let two = Two::start();
    let (mut http, grpc) = (two.serving.http(), two.serving.grpc());
    let mut all = by_header(500_000);
    all["arms"] = json!([{"name": "canary", "version": 2, "share_ppm": 999_999}]);
    two.route(&all);
    assert_eq!(http.post(PATH, r#"{"inputs": {"user": ["17"], "x": [101]}}"#).status, 500);
    assert_eq!(http.post(PATH, r#"{"inputs": {"user": ["17"], "x": [-1]}}"#).status, 200);
    assert_eq!(http.post(PATH, r#"{"inputs": {"user": ["17"], "z": [1]}}"#).status, 400);
    grpc.predict(&request("17", 101.0)).unwrap_err();
    grpc.predict(&request("17", 1.0)).unwrap();
    let arm = two.arm("canary");
    assert_eq!(arm["codes"], json!({"OK": 2, "INTERNAL": 2, "INVALID_ARGUMENT": 1}));
    assert_eq!((&arm["bad"], &arm["nan"]), (&json!({"errors": 4, "p95": 0}), &json!(1)));
    assert_eq!((&arm["answered"], &arm["served_units"]), (&json!(5), &json!(1)));
    assert_eq!(arm["recent"], json!({"bad": 3, "answers": 5, "bad_ever": 3}));
}

#[test]
fn an_error_names_its_version_and_arm_over_both_protocols() {
    let two = Two::start();
    let (mut http, grpc) = (two.serving.http(), two.serving.grpc());
    two.route(&by_header(500_000));
    let mut arms = std::collections::BTreeSet::new();
    for user in 0..8 {
        let key = format!("x-routing-key: user-{user}\r\n");
        // The version's own error, and what it refuses before it runs.
        let asked = [("x", request("17", 101.0)), ("z", PredictRequest { inputs: [].into(), ..request("17", 1.0) })];
        for (input, request) in asked {
            let rest = http.post_with(PATH, &key, format!(r#"{{"inputs": {{"user": ["17"], "{input}": [101]}}}}"#));
            let mut call = Request::new(Bytes::from(request.encode_to_vec()));
            call.metadata_mut().insert("x-routing-key", format!("user-{user}").parse().unwrap());
            let answer = grpc.call(PREDICT, call).unwrap_err();
            let arm = rest.header("x-taxiway-arm").unwrap();
            let version = if arm == "canary" { "2" } else { "1" };
            assert_eq!((rest.status >= 400, rest.header("x-taxiway-version")), (true, Some(version)), "{rest:?}");
            assert_eq!(answer.metadata().get("x-taxiway-version").unwrap(), version);
            assert_eq!(answer.metadata().get("x-taxiway-arm").unwrap(), arm);
            arms.insert(arm.to_owned());
        }
    }
    assert_eq!(arms.len(), 2);
    // No version was chosen.
    assert_eq!(http.post(PATH, "{").header("x-taxiway-version"), None);
    assert_eq!(http.post("/v1/models/other:predict", BODY).header("x-taxiway-version"), None);
}

#[test]
fn examples_are_led_too() {
    let serving = Serving::start(&json!({}));
    let ports: &[(&str, DType, Option<&[i64]>)] = &[("inputs", DType::String, None)];
    let engine = |_| {
        let definition = definition(ports, &[("outputs", DType::Float, Some(&[-1]))]);
        FakeEngine::new([("serving_default".to_owned(), definition)].into(), |_| {
            Ok(vec![Tensor::from_values([1usize], &[0.5f32])?])
        })
    };
    let versions = [1, 2].map(|number| serving.add("m", number, engine(number)));
    let mut document = table(&[&versions[0], &versions[1]]);
    document["models"]["m"]["default"] = 1.into();
    document["models"]["m"]["route"] = route(&json!({"field": "user"}), 500_000);
    serving.server.publish(&document.to_string()).unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for user in 0..30i64 {
        let rest = serving.http().post("/v1/models/m:regress", format!(r#"{{"examples": [{{"user": {user}}}]}}"#));
        let arm = rest.header("x-taxiway-arm").unwrap_or_else(|| panic!("{rest:?}"));
        let list = taxiway_engine::proto::Int64List { value: vec![user] };
        let feature =
            taxiway_engine::proto::Feature { kind: Some(taxiway_engine::proto::feature::Kind::Int64List(list)) };
        let features = taxiway_engine::proto::Features { feature: [("user".to_owned(), feature)].into() };
        let example = taxiway_engine::proto::Example { features: Some(features) };
        let list = proto::ExampleList { examples: vec![example] };
        let input = Some(proto::Input { kind: Some(proto::input::Kind::ExampleList(list)) });
        let regress = proto::RegressionRequest { model_spec: Some(spec("m")), input: input.clone() };
        let call = Request::new(Bytes::from(regress.encode_to_vec()));
        let answer = serving.grpc().call("/tensorflow.serving.PredictionService/Regress", call).unwrap();
        assert_eq!(answer.metadata().get("x-taxiway-arm").unwrap(), arm);
        let task =
            proto::InferenceTask { model_spec: Some(spec("m")), method_name: "tensorflow/serving/regress".to_owned() };
        let many = proto::MultiInferenceRequest { tasks: vec![task], input };
        let call = Request::new(Bytes::from(many.encode_to_vec()));
        let answer = serving.grpc().call("/tensorflow.serving.PredictionService/MultiInference", call).unwrap();
        assert_eq!(answer.metadata().get("x-taxiway-arm").unwrap(), arm);
        seen.insert(arm.to_owned());
    }
    assert_eq!(seen.len(), 2);
}

#[test]
fn a_refused_route_leaves_the_last_one() {
    let two = Two::start();
    two.route(&by_header(500_000));
    let mut over = by_header(600_000);
    let error = two.serving.server.publish(&two.document(&over)).unwrap_err();
    assert!(error.message.contains("over 100 %"), "{error}");
    over["arms"][0]["version"] = 9.into();
    over["arms"][1]["share_ppm"] = 0.into();
    let error = two.serving.server.publish(&two.document(&over)).unwrap_err();
    assert!(error.message.contains("version 9, which is not served"), "{error}");
    assert!(two.serving.http().post(PATH, BODY).header("x-taxiway-arm").is_some());
}

#[test]
fn routes_change_under_load_and_no_request_fails() {
    const CHANGES: u32 = 300;
    let two = Two::start();
    two.route(&by_header(10));
    let (done, asked) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut http = two.serving.http();
                while !done.load(Ordering::Relaxed) {
                    let answer = http.post(PATH, BODY);
                    let (status, version) = (answer.status, answer.header("x-taxiway-version").unwrap_or("none"));
                    assert!(status == 200 && answer.body.contains(&format!("{version}.0")), "{answer:?}");
                    asked.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for change in 1..=CHANGES {
            let seen = asked.load(Ordering::Relaxed);
            two.route(&if change % 10 == 0 { Value::Null } else { by_header(change * 1000) });
            while asked.load(Ordering::Relaxed) == seen {
                std::thread::yield_now(); // every table answers somebody
            }
        }
        two.route(&Value::Null);
        done.store(true, Ordering::Relaxed);
    });
    two.serving.wait_for_stat("requests_in_flight", 0);
    for name in ["canary", "control", "stable"] {
        let arm = two.arm(name);
        assert_eq!((&arm["assigned"], &arm["codes"]["OK"]), (&arm["answered"], &arm["answered"]), "{arm}");
    }
    let leases = two.versions.iter().map(LoadedVersion::leases).collect::<Vec<_>>();
    assert_eq!(leases, [1, 1]);
}
