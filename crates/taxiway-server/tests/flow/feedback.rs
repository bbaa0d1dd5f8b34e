//! Shadows compare versions behind the answers, and feedback finds the answer that it is about.

use std::sync::Arc;
use std::time::Instant;

use prost::Message;
use serde_json::{Value, json};
use taxiway_engine::fake::{FakeEngine, Gated, definition};
use taxiway_engine::{DType, Error, Tensor};
use taxiway_server::LoadedVersion;
use taxiway_server::own_proto::feedback_request::Judgement;
use taxiway_server::own_proto::{FeedbackRequest, FeedbackResponse, Labels};
use tonic::{Code, Request};

use crate::grpc_client::refusal;
use crate::serving::{LONG, Serving, table};

const GIVE: &str = "/taxiway.v1.FeedbackService/Give";
const PATH: &str = "/v1/models/m:predict";

/// A classifier of one number: class 1 where it is over `threshold`, else class 0. It breaks at numbers over a hundred
/// when `breaks`.
fn classifier(threshold: f32, breaks: bool) -> FakeEngine {
    let definition = definition(&[("x", DType::Float, Some(&[-1]))], &[("scores", DType::Float, Some(&[-1, 2]))]);
    FakeEngine::new([("serving_default".to_owned(), definition)].into(), move |call| {
        let x = call.inputs[0].values::<f32>().unwrap().into_owned();
        if breaks && x[0] > 100.0 {
            return Err(Error::internal("too much"));
        }
        let scores: Vec<f32> = x.iter().flat_map(|&x| if x > threshold { [0.2, 0.8] } else { [0.8, 0.2] }).collect();
        Ok(vec![Tensor::from_values([x.len(), 2], &scores)?])
    })
}

fn publish(serving: &Serving, versions: &[LoadedVersion; 2], changes: &Value) {
    let mut document = table(&[&versions[0], &versions[1]]);
    let mut route = json!({
        "experiment": "m-2", "salt": "s", "key": {"header": "x-routing-key"}, "slow_us": {}, "arms": [],
    });
    for (name, value) in changes.as_object().unwrap() {
        route[name] = value.clone();
    }
    document["models"]["m"]["default"] = 1.into();
    document["models"]["m"]["route"] = route;
    serving.server.publish(&document.to_string()).unwrap();
}

fn shadowed(share_ppm: u32) -> Value {
    json!({"shadow": {"version": 2, "share_ppm": share_ppm, "tolerance": 0.01}})
}

fn ask(serving: &Serving, id: &str, x: f32) -> u16 {
    let body = format!(r#"{{"inputs": [{x}]}}"#);
    serving.http().post_with(PATH, &format!("x-request-id: {id}\r\n"), body).status
}

fn shadow(serving: &Serving) -> Value {
    serving.server.outcomes("m")["shadows"][0].clone()
}

fn wait_for(serving: &Serving, name: &str, value: u64) -> Value {
    let began = Instant::now();
    loop {
        let shadow = shadow(serving);
        if shadow[name] == value {
            return shadow;
        }
        assert!(began.elapsed() < LONG, "{name} is not {value}: {shadow}");
        std::thread::yield_now();
    }
}

fn give(serving: &Serving, body: &Value) -> (u16, String) {
    let answer = serving.http().post("/v1/models/m:feedback", body.to_string());
    (answer.status, answer.body)
}

fn give_grpc(serving: &Serving, id: &str, judgement: Judgement) -> Result<bool, tonic::Status> {
    let request = FeedbackRequest { model: "m".to_owned(), request_id: id.to_owned(), judgement: Some(judgement) };
    let call = Request::new(request.encode_to_vec().into());
    let answer = serving.grpc().call(GIVE, call)?;
    Ok(FeedbackResponse::decode(answer.into_inner()).unwrap().counted)
}

fn labels(labels: &[&str]) -> Judgement {
    Judgement::Labels(Labels { label: labels.iter().map(|&label| label.to_owned()).collect() })
}

#[test]
fn a_shadow_is_compared_and_labels_say_who_was_right() {
    let serving = Serving::start(&json!({}));
    let versions = [serving.add("m", 1, classifier(0.5, false)), serving.add("m", 2, classifier(0.7, true))];
    publish(&serving, &versions, &shadowed(1_000_000));
    for (id, x) in [("a", 0.1), ("b", 0.6), ("c", 0.9), ("d", 101.0)] {
        assert_eq!(ask(&serving, id, x), 200);
    }
    // The copies run one after the other: once the last is counted, all of each one before is.
    let began = Instant::now();
    while shadow(&serving)["codes"] != json!({"OK": 3, "INTERNAL": 1}) {
        assert!(began.elapsed() < LONG, "{}", shadow(&serving));
    }
    let seen = shadow(&serving);
    assert_eq!((&seen["compared"], &seen["sampled"]), (&json!(3), &json!(4)));
    assert_eq!((&seen["rows"], &seen["differing_rows"], &seen["top1_flips"]), (&json!(3), &json!(1), &json!(1)));
    assert!((seen["largest_difference"].as_f64().unwrap() - 0.6).abs() < 1e-6);
    assert_eq!(seen["worst"].as_array().unwrap().len(), 1);
    assert_eq!((&seen["worst"][0]["request_id"], &seen["dropped"]), (&json!("b"), &json!(0)));
    assert_eq!(seen["latency"]["count"], 3);

    // The shadow was right about b alone; both about a and c.
    for (id, label) in [("a", 0), ("b", 0), ("c", 1)] {
        assert_eq!(give(&serving, &json!({"request_id": id, "label": label})).0, 200);
    }
    let outcomes = serving.server.outcomes("m");
    assert_eq!(outcomes["paired"], json!({"accuracy": {"better": 1.0, "worse": 0.0, "same": 2.0}}));
    assert_eq!((&outcomes["arms"][0]["right"], &outcomes["arms"][0]["wrong"]), (&json!(2), &json!(1)));
}

#[test]
fn a_shadow_that_stands_still_holds_up_nobody() {
    let serving = Serving::start(&json!({"traffic": {"max_shadow_requests": 2}}));
    let still = Arc::new(Gated::closed(classifier(0.5, false)));
    let versions = [serving.add("m", 1, classifier(0.5, false)), serving.add_shared("m", 2, still.clone())];
    publish(&serving, &versions, &shadowed(1_000_000));
    assert_eq!(ask(&serving, "first", 0.1), 200);
    still.wait_for(1);
    for number in 0..10 {
        assert_eq!(ask(&serving, &number.to_string(), 0.1), 200);
    }
    let seen = wait_for(&serving, "sampled", 11);
    assert_eq!(seen["dropped"], 8);
    still.open();
    wait_for(&serving, "compared", 3);
    assert!(serving.http().get("/metrics").body.contains("taxiway_shadow_requests_total{outcome=\"dropped\"} 8"));
}

#[test]
fn what_does_not_fit_the_memory_of_copies_is_dropped_and_a_sample_is_one() {
    let serving = Serving::start(&json!({"traffic": {"max_shadow_bytes": 11}}));
    let versions = [serving.add("m", 1, classifier(0.5, false)), serving.add("m", 2, classifier(0.5, false))];
    publish(&serving, &versions, &shadowed(500_000));
    for number in 0..40 {
        assert_eq!(ask(&serving, &number.to_string(), 0.1), 200);
    }
    let seen = shadow(&serving);
    let sampled = seen["sampled"].as_u64().unwrap();
    assert!((5..=35).contains(&sampled), "{seen}");
    assert_eq!(seen["dropped"], sampled);
}

#[test]
fn feedback_is_counted_once_for_the_arm_that_answered() {
    let serving = Serving::start(&json!({}));
    let versions = [serving.add("m", 1, classifier(0.5, false)), serving.add("m", 2, classifier(0.5, false))];
    publish(&serving, &versions, &json!({"arms": [{"name": "canary", "version": 2, "share_ppm": 1_000_000}]}));
    for id in ["a", "b", "c"] {
        assert_eq!(ask(&serving, id, 0.9), 200);
    }
    assert_eq!(give(&serving, &json!({"request_id": "a", "label": "1"})), (200, "{\"counted\": true}".to_owned()));
    assert_eq!(give(&serving, &json!({"request_id": "a", "correct": false})).1, "{\"counted\": false}");
    assert!(give_grpc(&serving, "b", labels(&["0"])).unwrap());
    assert!(!give_grpc(&serving, "b", labels(&["1"])).unwrap());
    assert!(give_grpc(&serving, "b", Judgement::Value(2.5)).unwrap());
    assert!(give_grpc(&serving, "c", Judgement::Correct(true)).unwrap());
    let arm = &serving.server.outcomes("m")["arms"][0];
    assert_eq!((&arm["arm"], &arm["right"], &arm["wrong"]), (&json!("canary"), &json!(2), &json!(1)));
    assert_eq!(arm["goal"], json!({"count": 1, "origin": 2.5, "sum": 0.0, "sum_squares": 0.0}));
    assert_eq!((&arm["judged"], &arm["closed"]), (&json!(3), &json!(0)));

    let two = json!({"request_id": "d", "label": [1, 0]});
    assert_eq!(give(&serving, &two).0, 404);
    assert_eq!(refusal(give_grpc(&serving, "d", labels(&["1"]))).0, Code::NotFound);
    assert_eq!(ask(&serving, "d", 0.9), 200);
    let (status, body) = give(&serving, &two);
    assert!(status == 400 && body.contains("The answer has 1 rows; give a label for each"), "{status} {body}");
    assert_eq!(refusal(give_grpc(&serving, "d", labels(&["1", "0"]))).0, Code::FailedPrecondition);
    for body in [
        json!({"request_id": "c"}),
        json!({"request_id": "c", "label": 1, "value": 2.0}),
        json!({"request_id": "", "label": 1}),
        json!({"request_id": "c", "label": 1.5}),
        json!({"id": "c", "label": 1}),
    ] {
        assert_eq!(give(&serving, &body).0, 400, "{body}");
    }
    let metrics = serving.http().get("/metrics").body;
    for (outcome, count) in [("counted", 4), ("again", 2), ("unknown", 2)] {
        assert!(metrics.contains(&format!("taxiway_feedback_total{{outcome=\"{outcome}\"}} {count}\n")), "{metrics}");
    }
}

#[test]
fn a_value_whose_square_is_no_number_is_refused() {
    let serving = Serving::start(&json!({}));
    let versions = [serving.add("m", 1, classifier(0.5, false)), serving.add("m", 2, classifier(0.5, false))];
    publish(&serving, &versions, &json!({"arms": [{"name": "canary", "version": 2, "share_ppm": 1_000_000}]}));
    for id in ["a", "b"] {
        assert_eq!(ask(&serving, id, 0.9), 200);
    }
    for value in [1.01e100, -1e300] {
        let wanted = format!("value must be a number from -1e100 to 1e100; was {value:e}");
        let (status, body) = give(&serving, &json!({"request_id": "a", "value": value}));
        assert!(status == 400 && body.contains(&wanted), "{status} {body}");
        let (code, message) = refusal(give_grpc(&serving, "a", Judgement::Value(value)));
        assert_eq!((code, message), (Code::InvalidArgument, wanted));
    }
    for value in [f64::NAN, f64::INFINITY] {
        assert_eq!(refusal(give_grpc(&serving, "a", Judgement::Value(value))).0, Code::InvalidArgument);
    }
    assert_eq!(give(&serving, &json!({"request_id": "a", "value": 1e100})).0, 200);
    assert!(give_grpc(&serving, "b", Judgement::Value(-1e100)).unwrap());
    let goal = serving.server.outcomes("m")["arms"][0]["goal"].clone();
    assert_eq!(goal, json!({"count": 2, "origin": 1e100, "sum": -2e100, "sum_squares": 4e200}));
}

#[test]
fn an_answer_is_remembered_for_its_time_and_no_longer() {
    let serving = Serving::start(&json!({"traffic": {"feedback_window_ms": 0}}));
    let versions = [serving.add("m", 1, classifier(0.5, false)), serving.add("m", 2, classifier(0.5, false))];
    publish(&serving, &versions, &json!({"arms": [{"name": "canary", "version": 2, "share_ppm": 500_000}]}));
    assert_eq!(ask(&serving, "a", 0.9), 200);
    let (status, body) = give(&serving, &json!({"request_id": "a", "label": 1}));
    assert!(status == 404 && body.contains("it is more than 0 s ago"), "{status} {body}");
    let (code, message) = refusal(give_grpc(&serving, "a", labels(&["1"])));
    assert!(code == Code::NotFound && body.contains(&message.replace('"', "\\\"")), "{code} {message}");
    let metrics = serving.http().get("/metrics").body;
    assert!(metrics.contains("taxiway_feedback_total{outcome=\"unknown\"} 2"), "{metrics}");
    assert!(metrics.contains("taxiway_feedback_forgotten_total 0\n"), "{metrics}");
    assert!(metrics.contains("taxiway_feedback_bytes 0\n"), "{metrics}");
    let outcomes = serving.server.outcomes("m");
    let closed: u64 = outcomes["arms"].as_array().unwrap().iter().map(|arm| arm["closed"].as_u64().unwrap()).sum();
    assert_eq!(closed, 1);
}
