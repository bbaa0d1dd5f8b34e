//! How HTTP/2 is spoken, as configured.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use serde_json::json;
use taxiway_engine::fake::{FakeEngine, Gated};
use taxiway_engine::{Tensor, WireForm};
use taxiway_server::LoadedVersion;
use taxiway_server::proto::PredictRequest;
use tonic::Code;

use crate::grpc_client::{refusal, spec};
use crate::raw_call::{call, connect, run, run_within, status, status_and_length};
use crate::serving::{LONG, Serving};

const SETTINGS: u8 = 4;
const PING: u8 = 6;

fn request(values: usize) -> PredictRequest {
    let tensor = Tensor::from_values([values], &vec![1.0f32; values]).unwrap().to_proto(WireForm::TypedFields);
    PredictRequest { model_spec: Some(spec("half")), inputs: [("x".to_owned(), tensor)].into(), output_filter: vec![] }
}

fn gated(http2: &serde_json::Value) -> (Serving, Arc<Gated<FakeEngine>>, LoadedVersion) {
    let serving = Serving::start(&json!({"http2": http2}));
    let engine = Arc::new(Gated::closed(FakeEngine::half_plus_two()));
    let version = serving.add_shared("half", 1, engine.clone());
    serving.publish(&[&version]);
    (serving, engine, version)
}

/// A client that says hello and reads frames.
struct Frames(TcpStream);

impl Frames {
    fn connect(server: SocketAddr) -> Frames {
        let mut stream = TcpStream::connect(server).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
        Frames(stream)
    }

    /// The next frame's type and payload; `None` when the server has closed.
    fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).ok()?;
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        self.0.read_exact(&mut payload).ok()?;
        Some((head[3], payload))
    }
}

#[test]
fn limits_are_told_to_the_client() {
    let (serving, _version) = Serving::half_plus_two(&json!({"http2": {
        "max_streams": 7, "max_frame_bytes": 20_000, "max_header_bytes": 3000, "stream_window_bytes": 70_000,
    }}));
    let (kind, payload) = Frames::connect(serving.grpc).next().unwrap();
    assert_eq!(kind, SETTINGS);
    let told: Vec<(u16, u32)> = payload
        .chunks(6)
        .map(|one| (u16::from_be_bytes([one[0], one[1]]), u32::from_be_bytes([one[2], one[3], one[4], one[5]])))
        .collect();
    for setting in [(3, 7), (4, 70_000), (5, 20_000), (6, 3000)] {
        assert!(told.contains(&setting), "{setting:?} is not in {told:?}");
    }
}

#[test]
fn a_client_that_gives_no_sign_is_hung_up_on() {
    let (serving, _version) =
        Serving::half_plus_two(&json!({"http2": {"ping_interval_ms": 20, "ping_timeout_ms": 20}}));
    let mut client = Frames::connect(serving.grpc);
    let frames: Vec<u8> = std::iter::from_fn(|| client.next()).map(|(kind, _)| kind).collect();
    assert!(frames.contains(&PING), "{frames:?}");
    serving.wait_for_stat("connections", 0);
}

/// Whether a call is answered whose connection reaches a limit while it runs, as another one that is opened after it does;
/// `false` when the machine was so busy that the connection was closed before the call had come.
fn is_finished_beyond(limit: &str, milliseconds: u64) -> bool {
    let (serving, engine, _version) = gated(&json!({limit: milliseconds}));
    run(async {
        let (mut sender, connection) = connect(serving.grpc).await;
        let answer = tokio::spawn(sender.send_request(call(&request(1))));
        while serving.stat("requests_in_flight") == 0 {
            if answer.is_finished() {
                assert!(answer.await.unwrap().is_err(), "a call is answered that is not counted");
                return false;
            }
            tokio::task::yield_now().await;
        }
        connect(serving.grpc).await.1.await.unwrap().unwrap();
        engine.open();
        assert_eq!(status(answer.await.unwrap().unwrap()).await.0, "0");
        connection.await.unwrap().unwrap();
        true
    })
}

#[test]
fn a_connection_without_calls_is_closed_and_one_with_a_call_is_not() {
    assert!([300, 3_000, 20_000].into_iter().any(|limit| is_finished_beyond("max_idle_ms", limit)), "no call came");
}

#[test]
fn a_connection_that_is_too_old_takes_no_more_calls_and_finishes_those_it_has() {
    assert!([500, 5_000, 20_000].into_iter().any(|limit| is_finished_beyond("max_age_ms", limit)), "no call came");
}

#[test]
fn the_grace_of_a_connection_that_is_too_old_ends() {
    let (serving, engine, _version) = gated(&json!({"max_age_ms": 300, "age_grace_ms": 30}));
    run(async {
        let (mut sender, _connection) = connect(serving.grpc).await;
        assert!(sender.send_request(call(&request(1))).await.is_err());
    });
    engine.open();
    serving.wait_for_stat("connections", 0);
}

#[test]
fn messages_over_a_limit_are_refused_both_ways() {
    let (serving, _version) = Serving::half_plus_two(&json!({"http2": {"max_receive_bytes": 500}}));
    assert!(serving.grpc().predict(&request(1)).is_ok());
    let expected = (Code::ResourceExhausted, "the message is larger than the limit of 500 bytes".to_owned());
    assert_eq!(refusal(serving.grpc().predict(&request(200))), expected);

    let (serving, _version) = Serving::half_plus_two(&json!({"http2": {"max_send_bytes": 500}}));
    assert!(serving.grpc().predict(&request(1)).is_ok());
    let (code, text) = refusal(serving.grpc().predict(&request(200)));
    assert_eq!(code, Code::ResourceExhausted);
    assert!(
        text.starts_with("the answer of 8") && text.ends_with(" bytes is larger than the limit of 500 bytes"),
        "{text}"
    );
}

// tfs: grpc-size
#[test]
fn messages_of_tens_of_megabytes_pass_both_ways() {
    let most = 64 << 20;
    let limits = json!({"max_body_bytes": most, "max_inflated_bytes": most, "max_tensor_bytes": most});
    let (serving, _version) = Serving::half_plus_two(&json!({
        "limits": limits, "http2": {"max_receive_bytes": i32::MAX, "max_send_bytes": i32::MAX},
    }));
    // Without optimisations, and on a busy machine, so many bytes take more than a minute.
    run_within(LONG * 10, async {
        let (mut sender, _connection) = connect(serving.grpc).await;
        let answer = sender.send_request(call(&request(5 << 20))).await.unwrap();
        let (said, length) = status_and_length(answer).await;
        assert_eq!(said.0, "0");
        assert!(length > 20 << 20, "{length}");
    });
}
