//! How long one request takes to become a tensor: `json_speed FILE` prints nanoseconds a request.
//! The body is a predict request for one float input. `json_speed.py` beside this file compares with Python.

use std::hint::black_box;
use std::time::Instant;

use taxiway_engine::{DType, Port, Signature, SpecShape};
use taxiway_server::json::{Document, write_predict};

fn signature() -> Signature {
    let port =
        Port { name: "x".into(), tensor: "x:0".into(), dtype: DType::Float, shape: SpecShape(None), default: None };
    Signature {
        name: "serving_default".into(),
        method_name: String::new(),
        inputs: vec![port.clone()],
        outputs: vec![port],
    }
}

/// The best of 200 samples of 20 calls each, in nanoseconds a call: the one least disturbed by others.
fn best_ns(mut call: impl FnMut()) -> u128 {
    (0..200)
        .map(|_| {
            let start = Instant::now();
            (0..20).for_each(|_| call());
            start.elapsed().as_nanos() / 20
        })
        .min()
        .unwrap_or(0)
}

fn main() {
    let path = std::env::args().nth(1).expect("usage: json_speed FILE");
    let body = std::fs::read(path).expect("the file can be read");
    let signature = signature();
    let read = |body: &[u8]| {
        let document = Document::parse_expecting(body, &signature, usize::MAX).expect("JSON");
        document.predict_inputs(&signature, usize::MAX).expect("tensors")
    };
    let (form, tensors) = read(&body);
    let decode = best_ns(|| drop(black_box(read(black_box(&body)))));
    let mut out = Vec::new();
    let encode = best_ns(|| {
        out.clear();
        write_predict(form, &signature, &[0], black_box(&tensors), &mut out).expect("an answer");
    });
    println!("{{\"decode_ns\": {decode}, \"encode_ns\": {encode}}}");
}
