//! What a server is told when it is made.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use taxiway_engine::{Error, Result};

/// A server's configuration. Every key is required and an unknown one is refused: defaults live in one place, the
/// settings table of the control plane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerConfig {
    /// Where REST is served; null for nowhere.
    #[serde(deserialize_with = "Option::deserialize")] // null is a value here, absence is not
    pub rest: Option<Endpoint>,
    /// Where gRPC is served; null for nowhere.
    #[serde(deserialize_with = "Option::deserialize")]
    pub grpc: Option<Endpoint>,
    /// A Unix socket that gRPC is served on too; null for none. A socket of that name is taken over.
    #[serde(deserialize_with = "Option::deserialize")]
    pub grpc_socket: Option<PathBuf>,
    /// What proves who this server is, on every connection of both protocols; null for none.
    #[serde(deserialize_with = "Option::deserialize")]
    pub tls: Option<TlsConfig>,
    /// Whether gRPC's health service is served.
    pub grpc_health: bool,
    /// Whether TensorFlow's profiler service is served.
    pub grpc_profiler: bool,
    /// How HTTP/2, and so gRPC, is spoken.
    pub http2: Http2,
    /// Threads that read, decode, run quick models and write; 0 is one for each core.
    pub io_threads: usize,
    /// Threads that run models slower than a hop between threads; 0 is one for each core.
    pub compute_threads: usize,
    /// Threads that run batches, for the models whose requests are gathered; 0 is one for each core.
    pub batch_threads: usize,
    /// What bounds a client.
    pub limits: Limits,
    /// Whether REST answers carry the headers that let any web page read them.
    pub cors: bool,
    /// Whether `GET /v1/models` lists the models; TensorFlow Serving misses a model's name there.
    pub model_list: bool,
    /// Whether REST has the artefacts of served versions for download; TensorFlow Serving has none.
    pub artifacts: bool,
    /// Whether gRPC answers carry tensors as `tensor_content` instead of typed fields.
    pub tensor_content: bool,
    /// Whether Predict, Classify and Regress insist on the method name that a signature declares.
    pub method_name_check: bool,
    /// What shadows and feedback may take.
    pub traffic: TrafficConfig,
    /// Where REST has TensorFlow Serving's metrics; null for nowhere.
    #[serde(deserialize_with = "Option::deserialize")]
    pub prometheus: Option<Prometheus>,
}

/// What shadows and feedback may take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrafficConfig {
    /// Threads that run copies of requests on shadow versions, at a low priority.
    pub shadow_threads: usize,
    /// Copies that may wait for one; one more is dropped.
    pub max_shadow_requests: usize,
    /// The most memory that copies may hold.
    pub max_shadow_bytes: usize,
    /// Answers of arms that are remembered for feedback, and as many of the rest.
    pub feedback_capacity: usize,
    /// The most memory that either of both may hold.
    pub max_feedback_bytes: usize,
    /// How long they are.
    pub feedback_window_ms: u64,
}

impl TrafficConfig {
    pub(crate) fn feedback_window(&self) -> Duration {
        Duration::from_millis(self.feedback_window_ms)
    }
}

/// TensorFlow Serving's metrics page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prometheus {
    /// The page's path, from the first slash.
    pub path: String,
    /// What the label `thread_pool_name` of batching says.
    pub thread_pool_name: String,
}

impl Prometheus {
    /// Whether a path without its query is the page's.
    pub(crate) fn is_at(&self, path: &str) -> bool {
        self.path == path
    }
}

/// An address to listen on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// A name or an IP address.
    pub host: String,
    /// 0 takes a free one.
    pub port: u16,
}

/// PEM texts.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// The server's certificate and those between it and a root.
    pub certificate: String,
    /// Its private key.
    pub key: String,
    /// When given, a client must show a certificate that one of these signed.
    #[serde(deserialize_with = "Option::deserialize")]
    pub client_ca: Option<String>,
}

impl std::fmt::Debug for TlsConfig {
    /// Without the key.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("TlsConfig").field("client_ca", &self.client_ca.is_some()).finish_non_exhaustive()
    }
}

/// How HTTP/2 is spoken. A time of 0 is without limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http2 {
    /// Requests at once on one connection.
    pub max_streams: u32,
    /// The largest frame that a client may send, 16 KiB to one byte under 16 MiB.
    pub max_frame_bytes: u32,
    /// The most that all headers of a request may take.
    pub max_header_bytes: u32,
    /// How much of one request a client may send ahead of what was read.
    pub stream_window_bytes: u32,
    /// How often a silent client is asked whether it is still there; 0 is never.
    pub ping_interval_ms: u64,
    /// How long it may take to say so.
    pub ping_timeout_ms: u64,
    /// How long a connection may have no request before it is closed.
    pub max_idle_ms: u64,
    /// How old a connection may become, give or take a tenth, before no more requests are taken on it.
    pub max_age_ms: u64,
    /// How long the requests of a connection that is too old may still take.
    pub age_grace_ms: u64,
    /// The largest message that is taken, if it is smaller than the largest body.
    pub max_receive_bytes: usize,
    /// The largest message that is sent.
    pub max_send_bytes: usize,
}

impl Http2 {
    fn validate(&self) -> Result<()> {
        let ranges = [
            ("max_streams", self.max_streams, 1..=u32::MAX),
            ("max_frame_bytes", self.max_frame_bytes, 16_384..=16_777_215),
            ("max_header_bytes", self.max_header_bytes, 1..=u32::MAX),
            ("stream_window_bytes", self.stream_window_bytes, 1..=i32::MAX as u32),
        ];
        match ranges.into_iter().find(|(_, value, range)| !range.contains(value)) {
            None => Ok(()),
            Some((name, value, range)) => {
                let (least, most) = range.into_inner();
                Err(Error::invalid(format!("http2.{name} must be between {least} and {most}; was {value}")))
            }
        }
    }
}

/// What bounds a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// The largest body, as received.
    pub max_body_bytes: usize,
    /// The largest body after decompression.
    pub max_inflated_bytes: usize,
    /// The largest tensor a request may ask for; a few bytes on the wire can describe a huge one.
    pub max_tensor_bytes: usize,
    /// Connections open at once, both protocols together. One more is accepted and closed, so that its client learns
    /// at once what waiting in the backlog would hide.
    pub max_connections: usize,
    /// Requests that may wait for a compute thread; one more is refused as unavailable.
    pub max_queued_requests: usize,
    /// How long a request over REST may take from its header to its answer; 0 sets no limit.
    pub request_timeout_ms: u64,
    /// The same of a call over gRPC. Its client's deadline counts when it is sooner.
    pub grpc_timeout_ms: u64,
    /// How long a client may take to send a request's header, and how long a REST connection may be idle between
    /// requests; 0 sets no limit.
    pub header_timeout_ms: u64,
}

impl ServerConfig {
    /// # Errors
    /// `InvalidArgument` when a limit is zero that cannot be.
    pub(crate) fn validate(&self) -> Result<()> {
        let limits = &self.limits;
        let positive = [
            ("max_body_bytes", limits.max_body_bytes),
            ("max_inflated_bytes", limits.max_inflated_bytes),
            ("max_tensor_bytes", limits.max_tensor_bytes),
            ("max_connections", limits.max_connections),
            ("max_queued_requests", limits.max_queued_requests),
        ];
        let traffic = [
            ("shadow_threads", self.traffic.shadow_threads),
            ("max_shadow_requests", self.traffic.max_shadow_requests),
            ("feedback_capacity", self.traffic.feedback_capacity),
        ];
        let positive = positive.map(|limit| ("limits", limit)).into_iter();
        let mut positive = positive.chain(traffic.map(|limit| ("traffic", limit)));
        match positive.find(|(_, (_, value))| *value == 0) {
            Some((section, (name, _))) => Err(Error::invalid(format!("{section}.{name} must be at least 1"))),
            None => self.http2.validate(),
        }
    }

    pub(crate) fn io_threads(&self) -> usize {
        or_cores(self.io_threads)
    }

    pub(crate) fn compute_threads(&self) -> usize {
        or_cores(self.compute_threads)
    }

    pub(crate) fn batch_threads(&self) -> usize {
        or_cores(self.batch_threads)
    }
}

impl Limits {
    pub(crate) fn request_timeout(&self) -> Option<Duration> {
        milliseconds(self.request_timeout_ms)
    }

    pub(crate) fn grpc_timeout(&self) -> Option<Duration> {
        milliseconds(self.grpc_timeout_ms)
    }

    pub(crate) fn header_timeout(&self) -> Option<Duration> {
        milliseconds(self.header_timeout_ms)
    }
}

/// A time of 0 is none.
pub(crate) fn milliseconds(value: u64) -> Option<Duration> {
    (value > 0).then(|| Duration::from_millis(value))
}

fn or_cores(threads: usize) -> usize {
    match threads {
        0 => std::thread::available_parallelism().map_or(1, Into::into),
        threads => threads,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = r#"{"rest": {"host": "127.0.0.1", "port": 0}, "grpc": null, "grpc_socket": null, "tls": null,
        "grpc_health": true, "grpc_profiler": true, "io_threads": 0, "http2": {"max_streams": 1, "max_frame_bytes": 16384, "max_header_bytes": 1,
        "stream_window_bytes": 1, "ping_interval_ms": 0, "ping_timeout_ms": 1, "max_idle_ms": 0, "max_age_ms": 0,
        "age_grace_ms": 0, "max_receive_bytes": 0, "max_send_bytes": 1},
        "compute_threads": 2, "batch_threads": 0, "limits": {"max_body_bytes": 1, "max_inflated_bytes": 1, "max_tensor_bytes": 1,
        "max_connections": 1, "max_queued_requests": 1, "request_timeout_ms": 0, "grpc_timeout_ms": 7, "header_timeout_ms": 5},
        "traffic": {"shadow_threads": 1, "max_shadow_requests": 1, "max_shadow_bytes": 1, "feedback_capacity": 1,
        "max_feedback_bytes": 1, "feedback_window_ms": 7},
        "cors": false, "model_list": true, "artifacts": true, "tensor_content": false, "method_name_check": false, "prometheus": null}"#;

    #[test]
    fn the_document_is_read() {
        let config: ServerConfig = serde_json::from_str(DOCUMENT).unwrap();
        config.validate().unwrap();
        assert!(config.io_threads() >= 1);
        assert_eq!(config.compute_threads(), 2);
        assert_eq!(config.limits.request_timeout(), None);
        assert_eq!(config.limits.grpc_timeout(), Some(Duration::from_millis(7)));
        assert_eq!(config.limits.header_timeout(), Some(Duration::from_millis(5)));
    }

    #[test]
    fn unknown_and_missing_keys_are_refused() {
        for (from, to) in
            [("\"cors\": false, ", ""), ("\"grpc\": null, ", ""), ("\"cors\"", "\"tsl\": 1, \"cors\""), ("0,", "-1,")]
        {
            assert!(DOCUMENT.contains(from), "{from}");
            let refused = serde_json::from_str::<ServerConfig>(&DOCUMENT.replacen(from, to, 1));
            assert!(refused.is_err(), "{from} as {to} was taken");
        }
    }

    #[test]
    fn a_limit_of_zero_is_refused_by_its_name() {
        let mut config: ServerConfig = serde_json::from_str(DOCUMENT).unwrap();
        config.limits.max_connections = 0;
        assert!(config.validate().unwrap_err().message.contains("limits.max_connections"));
        config.limits.max_connections = 1;
        config.traffic.feedback_capacity = 0;
        assert!(config.validate().unwrap_err().message.contains("traffic.feedback_capacity"));
        config.traffic.feedback_capacity = 1;
        config.http2.max_frame_bytes = 1000;
        let text = "http2.max_frame_bytes must be between 16384 and 16777215; was 1000";
        assert_eq!(config.validate().unwrap_err().message, text);
    }
}
