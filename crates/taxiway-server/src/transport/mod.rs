//! The wire: connections, HTTP/1.1 and HTTP/2, one request at a time.

mod body;
mod grpc;
mod http;
mod listen;
mod request_id;

pub(crate) use listen::{Listener, Scope};
pub(crate) use request_id::RequestIds;
