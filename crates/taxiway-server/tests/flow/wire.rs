//! Bytes that no well-behaved client sends: an error or a closed connection, and the next request is answered.

use serde_json::json;
use tonic::Code;

use crate::grpc_client::refusal;
use crate::http_client::HttpClient;
use crate::serving::Serving;

const PATH: &str = "/v1/models/half:predict";
const ONE: &str = r#"{"instances": [1.0]}"#;

/// The same numbers every time, without a pattern that a parser would care for.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..length).map(next).collect()
}

#[test]
fn requests_can_share_a_connection_and_a_packet() {
    let (serving, _version) = Serving::half_plus_two(&json!({}));
    let mut http = serving.http();
    let one = |value: u32| {
        let body = format!("{{\"instances\": [{value}]}}");
        format!("POST {PATH} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    };
    http.send(one(2) + &one(4) + &one(6));
    for expected in ["3.0", "4.0", "5.0"] {
        let answer = http.receive().unwrap();
        assert!(answer.body.contains(expected), "{answer:?}");
    }
    assert_eq!(serving.stat("connections"), 1);
}

#[test]
fn noise_is_refused_and_the_next_connection_served() {
    let (serving, _version) = Serving::half_plus_two(&json!({}));
    for seed in 0..50 {
        let mut http = serving.http();
        http.send(noise(seed, 300));
        http.finish();
        let answer = http.receive();
        assert!(answer.as_ref().is_none_or(|answer| answer.status == 400), "{answer:?}");

        let mut raw = HttpClient::connect(serving.grpc);
        raw.send(noise(seed, 300));
        raw.finish();
    }
    assert_eq!(serving.http().post(PATH, ONE).status, 200);
    assert!(refusal(serving.grpc().predict_bytes("")).1.contains("Missing ModelSpec"));
}

#[test]
fn bodies_of_noise_are_errors_of_the_client() {
    let (serving, _version) = Serving::half_plus_two(&json!({}));
    let (mut http, grpc) = (serving.http(), serving.grpc());
    for seed in 0..200 {
        let body = noise(seed, 1 + seed as usize * 7);
        let answer = http.post(PATH, &body);
        assert_eq!(answer.status, 400, "{answer:?}");
        // Protobuf takes some noise for unknown fields, and then misses the rest.
        let (code, _) = refusal(grpc.predict_bytes(body));
        assert!(matches!(code, Code::Internal | Code::InvalidArgument), "{code:?}");
    }
    for body in [
        "[".repeat(500_000),
        format!("{{\"instances\": {}", "[".repeat(500_000)),
        format!("{{\"instances\": [1{}]}}", "0".repeat(400_000)),
    ] {
        assert_eq!(http.post(PATH, body).status, 400);
    }
    assert_eq!(http.post(PATH, ONE).status, 200);
}

#[test]
fn a_request_cut_off_anywhere_harms_nobody() {
    let (serving, _version) = Serving::half_plus_two(&json!({}));
    let whole = format!("POST {PATH} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{ONE}", ONE.len());
    for length in 1..whole.len() {
        let mut http = serving.http();
        http.send(&whole[..length]);
        http.finish();
        let answer = http.receive();
        assert!(answer.as_ref().is_none_or(|answer| answer.status == 400), "{length}: {answer:?}");
    }
    assert_eq!(serving.http().post(PATH, ONE).status, 200);
    serving.wait_for_stat("requests_in_flight", 0);
}

#[test]
fn malformed_http_is_refused() {
    let (serving, _version) = Serving::half_plus_two(&json!({}));
    for (text, status) in [
        ("GET\r\n\r\n".to_owned(), 400),
        ("GET /healthz HTTP/9.9\r\n\r\n".to_owned(), 400),
        ("GET /healthz HTTP/1.1\r\nno colon\r\n\r\n".to_owned(), 400),
        (format!("POST {PATH} HTTP/1.1\r\ncontent-length: x\r\n\r\n"), 400),
        (format!("POST {PATH} HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n"), 400),
        (format!("POST {PATH} HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n"), 400),
        (format!("GET /healthz HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(1000)), 431),
        (format!("GET /healthz HTTP/1.1\r\na: {}\r\n\r\n", "b".repeat(1 << 20)), 431),
        (format!("GET /{} HTTP/1.1\r\n\r\n", "b".repeat(70_000)), 414),
    ] {
        let mut http = serving.http();
        http.send(&text);
        let answer = http.receive();
        let start = &text[..text.len().min(60)];
        // While a client is still sending, the answer may be lost in the reset.
        let lost = text.len() > 100_000 && answer.is_none();
        assert!(lost || answer.as_ref().is_some_and(|answer| answer.status == status), "{start}: {answer:?}");
    }
    assert_eq!(serving.http().get("/healthz").status, 200);
}

#[test]
fn who_says_nothing_or_too_slowly_is_hung_up_on() {
    let (serving, _version) = Serving::half_plus_two(&json!({"limits": {"header_timeout_ms": 50}}));
    for start in ["", "GET /healthz HTTP/1.1\r\nhost: x\r\nslow"] {
        let mut http = serving.http();
        http.send(start);
        let answer = http.receive();
        assert!(answer.as_ref().is_none_or(|answer| answer.status == 408), "{answer:?}");
        assert!(http.receive().is_none());
    }
    assert!(HttpClient::connect(serving.grpc).receive().is_none());
    serving.wait_for_stat("connections", 0);
}

#[test]
fn a_rest_request_on_the_grpc_port_harms_nobody() {
    let (serving, _version) = Serving::half_plus_two(&json!({}));
    let mut http = HttpClient::connect(serving.grpc);
    http.send(format!("POST {PATH} HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{{}}"));
    http.wait_for_close();
    assert!(refusal(serving.grpc().predict_bytes("")).1.contains("Missing ModelSpec"));
}
