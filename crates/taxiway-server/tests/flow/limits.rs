//! A limit on everything, and the right refusal at each.

use std::io::Write;
use std::sync::Arc;

use serde_json::json;
use taxiway_engine::fake::{FakeEngine, Gated};
use taxiway_engine::{DType, Tensor, WireForm};
use taxiway_server::proto::PredictRequest;
use tonic::Code;

use crate::grpc_client::{refusal, spec};
use crate::http_client::HttpClient;
use crate::serving::Serving;

const PATH: &str = "/v1/models/half:predict";
const ONE: &str = r#"{"instances": [1.0]}"#;

fn request() -> PredictRequest {
    let tensor = Tensor::from_values([1usize], &[1.0f32]).unwrap().to_proto(WireForm::TypedFields);
    PredictRequest { model_spec: Some(spec("half")), inputs: [("x".to_owned(), tensor)].into(), output_filter: vec![] }
}

#[test]
fn a_body_over_the_limit_is_refused_and_one_at_the_limit_is_not() {
    let (serving, _version) = Serving::half_plus_two(&json!({"limits": {"max_body_bytes": 1000}}));
    let mut http = serving.http();
    let exactly = format!("{ONE}{}", " ".repeat(1000 - ONE.len()));
    assert_eq!(http.post(PATH, &exactly).status, 200);
    let answer = http.post(PATH, exactly + " ");
    assert_eq!(answer.status, 413);
    assert_eq!(answer.error(), "The body of the request is larger than the limit of 1000 bytes");
    assert_eq!(serving.http().post(PATH, ONE).status, 200);

    // Without a length, the limit is met on the way.
    let mut chunked = serving.http();
    chunked.send(format!("POST {PATH} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"));
    chunked.send(format!("7d0\r\n{}\r\n0\r\n\r\n", " ".repeat(2000)));
    assert_eq!(chunked.receive().unwrap().status, 413);

    let mut message = vec![0u8; 1001];
    message[0] = 0x0a;
    let (code, text) = refusal(serving.grpc().predict_bytes(message));
    assert_eq!((code, text.as_str()), (Code::ResourceExhausted, "the message is larger than the limit of 1000 bytes"));
    assert!(serving.grpc().predict(&request()).is_ok());
}

#[test]
fn a_client_that_asks_first_is_refused_before_it_sends() {
    let (serving, _version) = Serving::half_plus_two(&json!({"limits": {"max_body_bytes": 1000}}));
    let mut http = serving.http();
    let ask =
        |length| format!("POST {PATH} HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: {length}\r\n\r\n");
    http.send(ask(ONE.len()));
    assert_eq!(http.receive().unwrap().status, 100);
    http.send(ONE);
    assert_eq!(http.receive().unwrap().status, 200);
    http.send(ask(2000));
    assert_eq!(http.receive().unwrap().status, 413);
}

#[test]
fn an_answer_that_needs_no_body_leaves_its_connection_usable() {
    let (serving, _version) = Serving::half_plus_two(&json!({"limits": {"max_body_bytes": 1000}}));
    let mut http = serving.http();
    for (start, status) in [
        ("POST /v1/models/half/versions/99999999999999999999:predict", 400),
        ("PUT /v1/models/half:predict", 400),
        ("POST /healthz", 405),
        ("GET /nothing", 404),
    ] {
        // The body comes late, as from every client that writes head and body apart.
        http.send(format!("{start} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", ONE.len()));
        http.send(ONE);
        let answer = http.receive().expect("the connection to be open");
        assert_eq!((answer.status, answer.header("connection")), (status, None), "{start}");
        http.send(format!("{start} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"));
        http.send(format!("{:x}\r\n{ONE}\r\n0\r\n\r\n", ONE.len()));
        assert_eq!(http.receive().expect("the connection to be open").status, status, "{start}");
    }
    assert_eq!(http.post(PATH, ONE).status, 200);
    // What is too much to read is not read, and the client is told.
    http.send("PUT /v1/models/half:predict HTTP/1.1\r\nhost: x\r\ncontent-length: 2000\r\n\r\n");
    http.send(" ".repeat(2000));
    assert_eq!(http.receive().unwrap().header("connection"), Some("close"));
}

// tfs: rest-gzip
#[test]
fn compressed_bodies_are_read_and_bounded() {
    let (serving, _version) = Serving::half_plus_two(&json!({"limits": {"max_inflated_bytes": 1000}}));
    let mut http = serving.http();
    let gzip = |body: &str| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(body.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let mut post = |body: Vec<u8>| http.post_with(PATH, "content-encoding: gzip\r\n", body);
    assert_eq!(post(gzip(ONE)).status, 200);
    assert_eq!(post(gzip(&" ".repeat(1001))).status, 413);
    let broken = post(b"no gzip".to_vec());
    assert_eq!((broken.status, broken.error().as_str()), (400, "JSON Parse error: The document is empty"));
}

#[test]
fn a_small_message_cannot_ask_for_a_huge_tensor() {
    let (serving, _version) = Serving::half_plus_two(&json!({"limits": {"max_tensor_bytes": 1000}}));
    let mut huge = request();
    let shape = huge.inputs.get_mut("x").unwrap().tensor_shape.as_mut().unwrap();
    shape.dim[0].size = 1 << 40;
    let expected = (Code::InvalidArgument, "tensor parsing error: x".to_owned());
    assert_eq!(refusal(serving.grpc().predict(&huge)), expected);
    // A zero hides an overflow, and TensorFlow ends the process over either of these.
    let most = i64::MAX;
    for extents in [vec![2, most, 0], vec![0, 2, most], vec![1; 255], vec![0; 300], vec![0, 1 << 62]] {
        let dims =
            extents.iter().map(|&size| taxiway_engine::proto::tensor_shape_proto::Dim { size, ..Default::default() });
        huge.inputs.get_mut("x").unwrap().tensor_shape.as_mut().unwrap().dim = dims.collect();
        assert_eq!(refusal(serving.grpc().predict(&huge)), expected, "{extents:?}");
    }
    let many = format!("{{\"instances\": [{}]}}", vec!["1"; 300].join(","));
    assert_ne!(serving.http().post(PATH, many).status, 200);
}

#[test]
fn a_connection_over_the_limit_is_closed_at_once_and_room_is_used_again() {
    let (serving, _version) = Serving::half_plus_two(&json!({"limits": {"max_connections": 1}}));
    let mut first = serving.http();
    assert_eq!(first.get("/healthz").status, 200);
    assert!(HttpClient::connect(serving.rest).receive().is_none(), "a second connection was served");
    assert_eq!(first.get("/healthz").status, 200);
    assert!(first.get("/metrics").body.contains("\ntaxiway_refused_connections_total 1\n"));
    drop(first);
    serving.wait_for_stat("connections", 0);
    assert_eq!(serving.http().get("/healthz").status, 200);
}

#[test]
fn a_queue_over_the_limit_is_unavailable_until_there_is_room() {
    let serving = Serving::start(&json!({"compute_threads": 1, "limits": {"max_queued_requests": 1}}));
    let engine = Arc::new(Gated::closed(FakeEngine::half_plus_two()));
    let version = serving.add_shared("half", 1, engine.clone());
    serving.publish(&[&version]);
    std::thread::scope(|scope| {
        let mut running = serving.http();
        let running = scope.spawn(move || running.post(PATH, ONE).status);
        engine.wait_for(1);
        let mut queued = serving.http();
        let queued = scope.spawn(move || queued.post(PATH, ONE).status);
        serving.wait_for_stat("queued", 1);

        let text = "the server is busy: 1 requests wait for a compute thread; try again later";
        let answer = serving.http().post(PATH, ONE);
        assert_eq!((answer.status, answer.error().as_str()), (503, text));
        assert_eq!(refusal(serving.grpc().predict(&request())), (Code::Unavailable, text.to_owned()));

        engine.open();
        assert_eq!((running.join().unwrap(), queued.join().unwrap()), (200, 200));
    });
    assert_eq!(serving.http().post(PATH, ONE).status, 200);
}

#[test]
fn a_body_that_does_not_come_in_time_is_refused() {
    let (serving, _version) = Serving::half_plus_two(&json!({"limits": {"request_timeout_ms": 50}}));
    let mut http = serving.http();
    http.send(format!("POST {PATH} HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{{"));
    let answer = http.receive().unwrap();
    assert_eq!((answer.status, answer.error().as_str()), (408, "Timed out waiting for notification"));
}

#[test]
fn strings_of_a_type_that_is_not_the_graphs_are_refused_by_both() {
    let serving = Serving::start(&json!({}));
    let version = serving.add("half", 1, FakeEngine::echo(&[("x", DType::String, None)]));
    serving.publish(&[&version]);
    let expected = (Code::InvalidArgument, "Expects arg[0] to be string but float is provided".to_owned());
    assert_eq!(refusal(serving.grpc().predict(&request())), expected);
    assert_eq!(serving.http().post(PATH, ONE).status, 400);
}
