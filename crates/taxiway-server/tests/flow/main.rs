//! The data plane from the outside: real sockets, engines without a runtime.
#![allow(clippy::unwrap_used)] // a test stops where it is wrong

mod artifacts;
mod counted;
mod deadline;
mod drain;
mod errors;
mod feedback;
mod grpc_client;
mod hanging;
mod http2;
mod http_client;
mod limits;
mod logged;
mod parity;
mod profile;
mod raw_call;
mod serving;
mod swap;
mod traffic;
mod urls;
mod wire;
