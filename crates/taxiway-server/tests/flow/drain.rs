//! Stopping: what has begun is finished, nothing new begins.

use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use taxiway_engine::fake::{FakeEngine, Gated};
use taxiway_engine::{Tensor, WireForm};
use taxiway_server::LoadedVersion;
use taxiway_server::proto::PredictRequest;

use crate::grpc_client::spec;
use crate::serving::{LONG, Serving};

const PATH: &str = "/v1/models/half:predict";
const ONE: &str = r#"{"instances": [1.0]}"#;

fn gated() -> (Serving, Arc<Gated<FakeEngine>>, LoadedVersion) {
    let serving = Serving::start(&json!({}));
    let engine = Arc::new(Gated::closed(FakeEngine::half_plus_two()));
    let version = serving.add_shared("half", 1, engine.clone());
    serving.publish(&[&version]);
    (serving, engine, version)
}

#[test]
fn requests_in_flight_are_finished_and_new_ones_refused() {
    let (serving, engine, version) = gated();
    let mut idle = serving.http();
    assert_eq!(idle.get("/readyz").status, 200);
    std::thread::scope(|scope| {
        let mut http = serving.http();
        let rest = scope.spawn(move || {
            let answer = http.post(PATH, ONE);
            let closed = http.receive().is_none();
            (answer.status, answer.header("connection").map(str::to_owned), closed)
        });
        let client = serving.grpc();
        let grpc = scope.spawn(move || {
            let x = Tensor::from_values([1usize], &[1.0f32]).unwrap().to_proto(WireForm::TypedFields);
            let inputs = [("x".to_owned(), x)].into();
            client.predict(&PredictRequest { model_spec: Some(spec("half")), inputs, output_filter: vec![] }).is_ok()
        });
        engine.wait_for(2);
        let stopping = scope.spawn(|| serving.server.stop(LONG));
        // An idle connection is closed at once, and nobody else gets in.
        assert!(idle.receive().is_none());
        let began = Instant::now();
        while TcpStream::connect(serving.rest).is_ok() {
            assert!(began.elapsed() < LONG, "the port stays open");
        }
        assert!(!stopping.is_finished());
        engine.open();
        assert_eq!(rest.join().unwrap(), (200, Some("close".to_owned()), true));
        assert!(grpc.join().unwrap());
        assert!(stopping.join().unwrap(), "it did not drain");
    });
    assert_eq!((version.leases(), serving.stat("connections")), (0, 0));
    assert!(version.release(Duration::ZERO));
}

#[test]
fn a_run_that_does_not_end_does_not_keep_the_server() {
    let (serving, engine, version) = gated();
    std::thread::scope(|scope| {
        let mut http = serving.http();
        let stuck = scope.spawn(move || {
            http.send(format!("POST {PATH} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{ONE}", ONE.len()));
            http.receive().is_none()
        });
        engine.wait_for(1);
        assert!(!serving.server.stop(Duration::from_millis(20)));
        assert!(stuck.join().unwrap(), "the connection was not closed");
        assert!(!version.release(Duration::ZERO), "the run still holds it");
        engine.open();
        assert!(version.release(LONG), "the lease was not returned");
    });
}

#[test]
fn a_run_whose_caller_left_does_not_keep_the_server() {
    let (serving, engine, version) = gated();
    let mut http = serving.http();
    http.send(format!("POST {PATH} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{ONE}", ONE.len()));
    engine.wait_for(1);
    drop(http);
    serving.wait_for_stat("connections", 0);
    assert!(!serving.server.stop(Duration::from_millis(20)), "the run goes on");
    engine.open();
    assert!(version.release(LONG), "the lease was not returned");
}

#[test]
fn a_server_starts_once_and_stops_as_often_as_one_likes() {
    let (serving, _version) = Serving::half_plus_two(&json!({}));
    assert!(serving.server.start().is_err());
    assert!(serving.server.stop(LONG));
    assert!(serving.server.stop(LONG));
    assert!(serving.server.start().is_err());
}

#[test]
fn a_port_that_is_taken_is_named() {
    let (serving, _version) = Serving::half_plus_two(&json!({}));
    let config = crate::serving::config(&json!({"rest": {"port": serving.rest.port()}}));
    let second = taxiway_server::Server::new(serde_json::from_value(config).unwrap()).unwrap();
    let error = second.start().unwrap_err();
    let expected = format!("cannot listen on 127.0.0.1 port {}: Address already in use", serving.rest.port());
    assert!(error.message.starts_with(&expected), "{error}");
}
