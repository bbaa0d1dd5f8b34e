//! The caller's own deadline.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use serde_json::json;
use taxiway_engine::fake::{FakeEngine, definition};
use taxiway_engine::{DType, Tensor, WireForm};
use taxiway_server::proto::PredictRequest;

use crate::grpc_client::spec;
use crate::raw_call::predict_within;
use crate::serving::Serving;

fn request() -> PredictRequest {
    let tensor = Tensor::from_values([1usize], &[1.0f32]).unwrap().to_proto(WireForm::TypedFields);
    PredictRequest { model_spec: Some(spec("slow")), inputs: [("x".to_owned(), tensor)].into(), output_filter: vec![] }
}

// tfs: grpc-deadline
#[test]
fn a_call_whose_caller_stops_waiting_is_told_so_while_it_runs() {
    let serving = Serving::start(&json!({}));
    let (hold, go) = mpsc::channel::<()>();
    let (go, began) = (Mutex::new(go), Arc::new(AtomicUsize::new(0)));
    let x = [("x", DType::Float, Some(&[-1][..]))];
    let counted = Arc::clone(&began);
    let engine = FakeEngine::new([("serving_default".to_owned(), definition(&x, &x))].into(), move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        let _ = go.lock().unwrap().recv(); // until `hold` is dropped
        Ok(vec![Tensor::from_values([1usize], &[2.0f32]).unwrap()])
    });
    let version = serving.add("slow", 1, engine);
    serving.publish(&[&version]);

    let timed_out = ("4".to_owned(), "Timed out waiting for notification".to_owned());
    // On a busy machine the first may be over before its run begins, which is not what is asked here.
    for timeout in ["100m", "1000000u", "10S"] {
        assert_eq!(predict_within(serving.grpc, timeout, &request()), timed_out, "{timeout}");
        if began.load(Ordering::Relaxed) > 0 {
            break;
        }
    }
    assert!(began.load(Ordering::Relaxed) > 0, "no run began");
    drop(hold);
    assert_eq!(predict_within(serving.grpc, "60S", &request()), ("0".to_owned(), String::new()));
    assert_eq!(predict_within(serving.grpc, "0n", &request()), timed_out);
    assert_eq!(predict_within(serving.grpc, "5", &request()).0, "3");
}
