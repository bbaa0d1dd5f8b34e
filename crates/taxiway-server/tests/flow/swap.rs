//! Versions come and go under load, and no request notices.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::{Value, json};
use taxiway_engine::fake::{FakeEngine, definition};
use taxiway_engine::{DType, Tensor, WireForm};
use taxiway_server::proto::{PredictRequest, model_spec::VersionChoice};

use crate::grpc_client::spec;
use crate::serving::{LONG, Serving};

const SWAPS: i64 = 200;

/// A version that answers with its own number.
fn numbered(version: i64) -> FakeEngine {
    let definition = definition(&[("x", DType::Float, None)], &[("y", DType::Int64, None)]);
    FakeEngine::new([("serving_default".to_owned(), definition)].into(), move |_| {
        Ok(vec![Tensor::from_values([1usize], &[version])?])
    })
}

#[test]
fn no_request_fails_and_no_lease_is_left() {
    let serving = Serving::start(&json!({}));
    let mut current = serving.add("m", 1, numbered(1));
    serving.publish(&[&current]);
    let done = AtomicBool::new(false);
    let asked = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut http = serving.http();
                while !done.load(Ordering::Relaxed) {
                    let answer = http.post("/v1/models/m:predict", r#"{"inputs": 1.0}"#);
                    let version = answer.header("x-taxiway-version").unwrap_or_else(|| panic!("{answer:?}"));
                    let body: Value = serde_json::from_str(&answer.body).unwrap();
                    assert_eq!(body["outputs"][0].to_string(), version);
                    asked.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        scope.spawn(|| {
            let grpc = serving.grpc();
            let x = Tensor::from_values([1usize], &[1.0f32]).unwrap().to_proto(WireForm::TypedFields);
            let inputs = [("x".to_owned(), x)].into();
            let request = PredictRequest { model_spec: Some(spec("m")), inputs, output_filter: vec![] };
            while !done.load(Ordering::Relaxed) {
                let answer = grpc.predict(&request).unwrap().into_inner();
                let answered = answer.outputs["y"].int64_val[0];
                assert_eq!(answer.model_spec.unwrap().version_choice, Some(VersionChoice::Version(answered)));
                asked.fetch_add(1, Ordering::Relaxed);
            }
        });
        for version in 2..=SWAPS + 1 {
            let seen = asked.load(Ordering::Relaxed);
            let next = serving.add("m", version, numbered(version));
            serving.publish(&[&next]);
            assert!(current.release(LONG), "version {} keeps {} leases", version - 1, current.leases());
            current = next;
            while asked.load(Ordering::Relaxed) == seen {
                std::thread::yield_now(); // every version answers somebody
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    serving.wait_for_stat("requests_in_flight", 0);
    assert_eq!(serving.server.stats()["leases"], json!({current.id().to_string(): 1}));
    let metrics = serving.http().get("/metrics").body;
    let failed: Vec<&str> = metrics
        .lines()
        .filter(|line| line.starts_with("taxiway_requests_total") && !line.contains("code=\"OK\""))
        .collect();
    assert_eq!(failed, Vec::<&str>::new());
}
