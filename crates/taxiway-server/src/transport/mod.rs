//! The wire: connections, HTTP/1.1 and HTTP/2, one request at a time.

mod authority;
mod body;
mod grpc;
mod http;
mod http2;
mod lifetime;
mod listen;
mod request_id;
mod socket_file;
mod tls;

pub(crate) use http::Checked;
pub(crate) use listen::{Door, Listener, Scope, serve_unix};
pub(crate) use request_id::RequestIds;
pub(crate) use socket_file::SocketFile;
pub(crate) use tls::acceptor;
