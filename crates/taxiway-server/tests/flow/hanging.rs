//! A version that hangs: its callers leave, or run out of the time that they gave it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use taxiway_engine::fake::{FakeEngine, Gated};
use taxiway_engine::{Tensor, WireForm};
use taxiway_server::LoadedVersion;
use taxiway_server::proto::PredictRequest;

use crate::grpc_client::spec;
use crate::raw_call::{call, connect, run, status};
use crate::serving::{LONG, Serving, table};

const BODY: &str = r#"{"inputs": {"x": [1.0]}}"#;

/// Leads half of the users to version 2, or, before it is let in, to version 1 under the same name.
fn publish(serving: &Serving, versions: &[&LoadedVersion], canary: i64) {
    let mut document = table(versions);
    document["models"]["m"]["default"] = 1.into();
    document["models"]["m"]["route"] = json!({
        "experiment": "m-2", "salt": "s", "key": {"header": "x-routing-key"}, "slow_us": {},
        "arms": [
            {"name": "canary", "version": canary, "share_ppm": 500_000},
            {"name": "control", "version": 1, "share_ppm": 500_000},
        ],
    });
    serving.server.publish(&document.to_string()).unwrap();
}

fn post(serving: &Serving, user: &str) -> crate::http_client::HttpClient {
    let mut client = serving.http();
    let head = "POST /v1/models/m:predict HTTP/1.1\r\nhost: x\r\nx-routing-key: ";
    client.send(format!("{head}{user}\r\ncontent-length: {}\r\n\r\n{BODY}", BODY.len()));
    client
}

fn predict_within(serving: &Serving, user: &str, timeout: &str) -> String {
    let x = Tensor::from_values([1usize], &[1.0f32]).unwrap().to_proto(WireForm::TypedFields);
    let message =
        PredictRequest { model_spec: Some(spec("m")), inputs: [("x".to_owned(), x)].into(), output_filter: vec![] };
    let mut request = call(&message);
    request.headers_mut().insert("grpc-timeout", timeout.parse().unwrap());
    request.headers_mut().insert("x-routing-key", user.parse().unwrap());
    run(async {
        let (mut sender, _connection) = connect(serving.grpc).await;
        status(sender.send_request(request).await.unwrap()).await.0
    })
}

fn arm(serving: &Serving, name: &str, version: i64) -> Value {
    let outcomes = serving.server.outcomes("m");
    let arms = outcomes["arms"].as_array().unwrap();
    arms.iter().find(|arm| arm["arm"] == name && arm["version"] == version).unwrap().clone()
}

fn wait_for(serving: &Serving, code: &str, count: usize) {
    let began = Instant::now();
    while arm(serving, "canary", 2)["codes"][code] != count {
        assert!(began.elapsed() < LONG, "{}", arm(serving, "canary", 2));
        std::thread::yield_now();
    }
}

/// Calls for a user until so many calls of the canary ran out of time. One whose time is up before it has found its
/// version, as on a busy machine, is nobody's.
fn run_out_of_time(serving: &Serving, user: &str, timeout: &str, count: usize) {
    let began = Instant::now();
    while arm(serving, "canary", 2)["codes"]["DEADLINE_EXCEEDED"] != count {
        assert!(began.elapsed() < LONG, "{}", arm(serving, "canary", 2));
        assert_eq!(predict_within(serving, user, timeout), "4");
    }
}

/// A canary that hangs, beside a version that does not.
struct Hanging {
    gate: Arc<Gated<FakeEngine>>,
    /// Users of each arm.
    canary: Vec<String>,
    control: Vec<String>,
    _versions: [LoadedVersion; 2],
}

impl Hanging {
    /// Users show their arms while version 1 answers both; then version 2 is let in.
    fn of(serving: &Serving) -> Hanging {
        let gate = Arc::new(Gated::closed(FakeEngine::half_plus_two()));
        let old = serving.add("m", 1, FakeEngine::half_plus_two());
        let new = serving.add_shared("m", 2, gate.clone());
        publish(serving, &[&old, &new], 1);
        let users = (0..40).map(|user| format!("user-{user}"));
        let (canary, control) =
            users.partition(|user| post(serving, user).receive().unwrap().header("x-taxiway-arm").unwrap() == "canary");
        publish(serving, &[&old, &new], 2);
        Hanging { gate, canary, control, _versions: [old, new] }
    }
}

#[test]
fn what_hangs_until_its_callers_leave_is_bad_and_nothing_for_the_brake() {
    let serving = Serving::start(&json!({"compute_threads": 24, "limits": {"grpc_timeout_ms": 300}}));
    let Hanging { gate: hanging, canary, control, _versions } = Hanging::of(&serving);
    for (place, user) in canary[..12].iter().enumerate() {
        let client = post(&serving, user);
        hanging.wait_for(place + 1);
        drop(client);
        wait_for(&serving, "CANCELLED", place + 1);
    }
    for (user, count) in canary[12..14].iter().zip(1..) {
        run_out_of_time(&serving, user, "200m", count);
    }
    assert!(control.iter().all(|user| post(&serving, user).receive().unwrap().status == 200));

    let (bad, good) = (arm(&serving, "canary", 2), arm(&serving, "control", 1));
    // Fourteen to none are what convicts.
    assert_eq!((&bad["bad"]["errors"], &good["bad"]["errors"]), (&json!(14), &json!(0)));
    assert_eq!(bad["recent"], json!({"bad": 0, "answers": 0, "bad_ever": 0}));

    // A caller who waits for longer than the server does is no part of it: the version alone is.
    run_out_of_time(&serving, &canary[14], "60S", 3);
    assert_eq!(arm(&serving, "canary", 2)["recent"], json!({"bad": 1, "answers": 1, "bad_ever": 1}));
    hanging.open();
}

#[test]
fn a_version_that_hangs_takes_no_thread_from_the_one_that_it_would_replace() {
    let serving = Serving::start(&json!({"compute_threads": 2}));
    let Hanging { gate: hanging, canary, control, _versions } = Hanging::of(&serving);
    let waiting: Vec<_> = canary[..4].iter().map(|user| post(&serving, user)).collect();
    hanging.wait_for(2);
    let mut queued = post(&serving, &control[0]);
    // Whoever comes after a second finds that another thread stands in; a request that waited is answered with it.
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(1100) {
        std::thread::yield_now();
    }
    assert!(control[1..].iter().all(|user| post(&serving, user).receive().unwrap().status == 200));
    assert_eq!(queued.receive().unwrap().status, 200);

    hanging.open();
    assert!(waiting.into_iter().all(|mut client| client.receive().unwrap().status == 200));
}
