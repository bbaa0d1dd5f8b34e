//! A server with fake engines.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use taxiway_engine::Engine;
use taxiway_engine::fake::FakeEngine;
use taxiway_server::{Addresses, Fresh, LoadedVersion, Server, WarmUpOptions};

use crate::grpc_client::GrpcClient;
use crate::http_client::HttpClient;

/// Longer than any test takes when it is right.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// A server that listens on free ports.
pub(crate) struct Serving {
    pub(crate) server: Server,
    pub(crate) rest: SocketAddr,
    pub(crate) grpc: SocketAddr,
}

/// A configuration that suits tests; `changes` are put over it.
pub(crate) fn config(changes: &Value) -> Value {
    let mut config = json!({
        "rest": {"host": "127.0.0.1", "port": 0}, "grpc": {"host": "127.0.0.1", "port": 0},
        "grpc_socket": null, "tls": null, "grpc_health": true, "grpc_profiler": true,
        "io_threads": 2, "compute_threads": 2, "batch_threads": 1,
        "cors": false, "model_list": true, "artifacts": true, "tensor_content": false, "method_name_check": false,
        "prometheus": null,
        "traffic": {
            "shadow_threads": 1, "max_shadow_requests": 64, "max_shadow_bytes": 1 << 20,
            "feedback_capacity": 1 << 12, "max_feedback_bytes": 1 << 24, "feedback_window_ms": 3_600_000,
        },
        "http2": {
            "max_streams": 100, "max_frame_bytes": 1 << 18, "max_header_bytes": 1 << 16, "stream_window_bytes": 1 << 20,
            "ping_interval_ms": 0, "ping_timeout_ms": 20_000, "max_idle_ms": 0, "max_age_ms": 0, "age_grace_ms": 0,
            "max_receive_bytes": 1 << 20, "max_send_bytes": i32::MAX,
        },
        "limits": {
            "max_body_bytes": 1 << 20, "max_inflated_bytes": 1 << 20, "max_tensor_bytes": 1 << 20,
            "max_connections": 100, "max_queued_requests": 100, "request_timeout_ms": 0, "grpc_timeout_ms": 0, "header_timeout_ms": 0,
        },
    });
    merge(&mut config, changes);
    config
}

fn merge(into: &mut Value, changes: &Value) {
    match (into, changes) {
        (Value::Object(into), Value::Object(changes)) => {
            for (key, value) in changes {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, changes) => *into = changes.clone(),
    }
}

impl Serving {
    /// A started server without a table.
    pub(crate) fn start(changes: &Value) -> Serving {
        let server = Server::new(serde_json::from_value(config(changes)).unwrap()).unwrap();
        let Addresses { rest, grpc } = server.start().unwrap();
        Serving { server, rest: rest.unwrap(), grpc: grpc.unwrap() }
    }

    /// A server whose model `half` is TensorFlow Serving's example.
    pub(crate) fn half_plus_two(changes: &Value) -> (Serving, LoadedVersion) {
        let serving = Serving::start(changes);
        let version = serving.add("half", 3, FakeEngine::half_plus_two());
        serving.publish(&[&version]);
        (serving, version)
    }

    /// Loads a version.
    pub(crate) fn add(&self, name: &str, version: i64, engine: impl Engine + 'static) -> LoadedVersion {
        self.add_shared(name, version, Arc::new(engine))
    }

    /// Loads a version on an engine that the test keeps a hand on.
    pub(crate) fn add_shared(&self, name: &str, version: i64, engine: Arc<dyn Engine>) -> LoadedVersion {
        self.add_fresh(Fresh::new(name, version, engine))
    }

    /// Loads a version that is more than an engine.
    pub(crate) fn add_fresh(&self, fresh: Fresh) -> LoadedVersion {
        let options = WarmUpOptions { enabled: false, iterations: 0, max_tensor_bytes: 1 << 20 };
        self.server.add(fresh, Path::new("/nowhere"), options).unwrap()
    }

    /// Publishes these versions, the last of each model its default, with a label `stable` for it.
    pub(crate) fn publish(&self, versions: &[&LoadedVersion]) {
        self.server.publish(&table(versions).to_string()).unwrap();
    }

    pub(crate) fn http(&self) -> HttpClient {
        HttpClient::connect(self.rest)
    }

    pub(crate) fn grpc(&self) -> GrpcClient {
        GrpcClient::connect(self.grpc)
    }

    /// A number from the server's statistics.
    pub(crate) fn stat(&self, name: &str) -> u64 {
        self.server.stats()[name].as_u64().unwrap()
    }

    /// Waits for a number in the server's statistics.
    pub(crate) fn wait_for_stat(&self, name: &str, value: u64) {
        let began = std::time::Instant::now();
        while self.stat(name) != value {
            assert!(began.elapsed() < LONG, "{name} is {} and not {value}", self.stat(name));
            std::thread::yield_now();
        }
    }
}

/// A table of these versions.
pub(crate) fn table(versions: &[&LoadedVersion]) -> Value {
    let mut models: BTreeMap<String, Value> = BTreeMap::new();
    for version in versions {
        let description: Value = serde_json::from_str(version.describe()).unwrap();
        let (name, number) = (description["name"].as_str().unwrap().to_owned(), description["version"].clone());
        let model = models.entry(name).or_insert_with(
            || json!({"default": null, "versions": {}, "labels": {}, "ready": true, "reason": "", "statuses": []}),
        );
        model["versions"][number.to_string()] = version.id().into();
        model["default"] = number.clone();
        model["labels"]["stable"] = number.clone();
        let status = json!({"version": number, "state": "AVAILABLE", "error_code": 0, "error_message": ""});
        model["statuses"].as_array_mut().unwrap().insert(0, status);
    }
    json!({"models": models, "labels_used": true, "ready": true, "reason": ""})
}
