//! The transport floor: a server whose model `floor` does nothing but answer its ten outputs, so that what is measured
//! is everything but the model.
//!
//!     cargo run --release -p taxiway-server --example transport_floor -- IO_THREADS
//!
//! Prints `rest ADDRESS` and `grpc ADDRESS`, and serves until its standard input ends.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use taxiway_engine::fake::{FakeEngine, definition};
use taxiway_engine::{DType, Tensor};
use taxiway_server::{Fresh, Server, WarmUpOptions};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let io_threads: usize = std::env::args().nth(1).map_or(Ok(1), |threads| threads.parse())?;
    let config = json!({
        "rest": {"host": "127.0.0.1", "port": 0}, "grpc": {"host": "127.0.0.1", "port": 0},
        "grpc_socket": null, "tls": null, "grpc_health": false, "grpc_profiler": false,
        "http2": {
            "max_streams": 1024, "max_frame_bytes": 256 << 10, "max_header_bytes": 64 << 10,
            "stream_window_bytes": 1 << 20, "ping_interval_ms": 0, "ping_timeout_ms": 20_000, "max_idle_ms": 0,
            "max_age_ms": 0, "age_grace_ms": 0, "max_receive_bytes": i32::MAX, "max_send_bytes": i32::MAX,
        },
        "io_threads": io_threads, "compute_threads": 1, "batch_threads": 1,
        "cors": false, "model_list": true, "artifacts": true, "tensor_content": false, "method_name_check": false,
        "prometheus": null,
        "traffic": {
            "shadow_threads": 1, "max_shadow_requests": 64, "max_shadow_bytes": 1 << 20,
            "feedback_capacity": 1 << 12, "max_feedback_bytes": 1 << 24, "feedback_window_ms": 3_600_000,
        },
        "limits": {
            "max_body_bytes": 64 << 20, "max_inflated_bytes": 64 << 20, "max_tensor_bytes": 64 << 20,
            "max_connections": 1000, "max_queued_requests": 1000, "request_timeout_ms": 30_000, "grpc_timeout_ms": 30_000,
            "header_timeout_ms": 30_000,
        },
    });
    let server = Server::new(serde_json::from_value(config)?)?;
    let addresses = server.start()?;
    let signature = definition(&[("x", DType::Float, Some(&[-1, 784]))], &[("y", DType::Float, Some(&[-1, 10]))]);
    let answer = Tensor::from_values([1usize, 10], &[0.1f32; 10])?;
    let engine = FakeEngine::new([("serving_default".to_owned(), signature)].into(), move |_| Ok(vec![answer.clone()]));
    let fresh = Fresh::new("floor", 1, Arc::new(engine));
    let options = WarmUpOptions { enabled: false, iterations: 0, max_tensor_bytes: 64 << 20 };
    let version = server.add(fresh, Path::new(""), options)?;
    let table = json!({"models": {"floor": {
        "default": 1, "versions": {"1": version.id()}, "labels": {}, "ready": true, "reason": "", "statuses": [],
    }}, "labels_used": false, "ready": true, "reason": ""});
    server.publish(&table.to_string())?;
    for (protocol, address) in [("rest", addresses.rest), ("grpc", addresses.grpc)] {
        println!("{protocol} {}", address.ok_or("a port that was asked for is not there")?);
    }
    std::io::stdin().read_to_end(&mut Vec::new())?;
    server.stop(Duration::ZERO);
    Ok(())
}
