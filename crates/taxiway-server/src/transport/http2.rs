//! HTTP/2, as gRPC's clients speak it.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::watch;

use super::grpc;
use super::listen::{Scope, Wire, until_stopped};
use crate::admit::Deadline;

/// What is read ahead to see whether an HTTP/2 client speaks.
const FIRST_BYTES: usize = 512;

/// How much a client may send ahead of what was read, of one request and of all on one connection. Large enough for
/// one image at a time without a pause, small enough to be multiplied by the connections.
const STREAM_WINDOW_BYTES: u32 = 1 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 4 << 20;
const MAX_FRAME_BYTES: u32 = 256 << 10;
/// Requests at once on one connection.
const MAX_STREAMS: u32 = 1024;
/// The most that all headers of a request may take.
const MAX_HEADER_BYTES: u32 = 64 << 10;
/// How often an idle client is asked whether it is still there, and how long it may take to say so.
const PING_INTERVAL: Duration = Duration::from_secs(60);
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// Serves a connection to its end.
pub(super) async fn serve(stream: impl Wire, scope: Scope) {
    let Scope { core, mut stopped, open: _open } = scope;
    let mut stream = BufReader::with_capacity(FIRST_BYTES, stream);
    if !speaks_in_time(&mut stream, core.limits.header_timeout(), &mut stopped).await {
        return;
    }
    let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(MAX_FRAME_BYTES)
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEADER_BYTES)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT);
    let service = hyper::service::service_fn(move |request| grpc::answer(Arc::clone(&core), request));
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    until_stopped(pin!(connection), stopped, |connection| connection.graceful_shutdown()).await;
}

/// Waits for the first byte of an HTTP/2 client, which speaks first; what it says is left to be read. HTTP/1.1 has a
/// timeout for this of its own.
async fn speaks_in_time(
    stream: &mut BufReader<impl Wire>,
    timeout: Option<Duration>,
    stopped: &mut watch::Receiver<bool>,
) -> bool {
    let speaks = Deadline::sooner(timeout, None).bound(stream.fill_buf());
    tokio::select! {
        spoke = speaks => matches!(spoke, Some(Ok(first)) if !first.is_empty()),
        _ = stopped.wait_for(|stopped| *stopped) => false,
    }
}
