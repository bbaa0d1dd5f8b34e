//! The data plane: what answers requests.
//!
//! A request flows through the modules in this order, whatever protocol brought it:
//!
//! 1. `transport`: a connection within the limit, its bytes made one request of one protocol;
//! 2. `admit`: limits and the deadline, before anything is spent;
//! 3. `table`: name, version and label become a [`lease::Lease`] on a loaded version, by way of `traffic` when the
//!    model's requests are shared out between versions;
//! 4. `execute`: the engine runs, on this thread or on a pool;
//! 5. `render`: the answer, straight from the tensors.
//!
//! `api` holds what the protocols share, so that they agree by construction. [`Server`] is the whole of it.
#![forbid(unsafe_code)]

mod admit;
mod api;
pub mod batch;
mod choose;
mod config;
mod execute;
pub mod json;
mod lease;
mod loaded;
mod metrics;
mod priority;
mod profile;
mod reload;
mod render;
pub mod request_log;
mod server;
mod table;
mod threads;
mod traffic;
mod transport;
mod warm_up;

/// TensorFlow Serving's messages, generated from `proto/tensorflow_serving`.
#[allow(missing_docs, clippy::all, unreachable_pub)]
pub mod proto {
    include!(concat!(env!("OUT_DIR"), "/tensorflow.serving.rs"));
}

/// The messages of gRPC's own services, generated from this crate's `proto/grpc`.
#[allow(missing_docs, clippy::all, unreachable_pub)]
pub(crate) mod grpc_proto {
    pub(crate) mod health {
        include!(concat!(env!("OUT_DIR"), "/grpc.health.v1.rs"));
    }
    /// Of `v1`; those of `v1alpha` are the same on the wire.
    pub(crate) mod reflection {
        include!(concat!(env!("OUT_DIR"), "/grpc.reflection.v1.rs"));
    }
}

/// Our own messages, generated from `proto/taxiway/v1`.
#[allow(missing_docs, clippy::all, unreachable_pub)]
pub mod own_proto {
    include!(concat!(env!("OUT_DIR"), "/own/taxiway.v1.rs"));
}

/// The messages of TensorFlow's profiler service, generated from `proto/tsl`.
#[allow(missing_docs, clippy::all, unreachable_pub)]
pub mod profile_proto {
    include!(concat!(env!("OUT_DIR"), "/profile/tensorflow.rs"));
    /// Traces.
    pub mod profiler {
        include!(concat!(env!("OUT_DIR"), "/profile/tensorflow.profiler.rs"));
    }
}

pub use choose::{Choice, Contenders, choose};
pub use config::{Endpoint, Http2, Limits, Prometheus, ServerConfig, TlsConfig, TrafficConfig};
pub use loaded::{Fresh, LoadedVersion};
pub use priority::Priority;
pub use reload::ReloadHandler;
pub use server::{Addresses, Server};
pub use warm_up::WarmUpOptions;
