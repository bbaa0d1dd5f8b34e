//! HTTP/2, as gRPC's clients speak it.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http2::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::watch;

use super::grpc;
use super::lifetime::{Calls, about};
use super::listen::{Scope, Wire};
use crate::admit::Deadline;
use crate::config::{Http2, milliseconds};

/// What is read ahead to see whether an HTTP/2 client speaks.
const FIRST_BYTES: usize = 512;

/// How much a client may send ahead of what was read, as a multiple of what it may of one request.
const CONNECTION_WINDOWS: u32 = 4;

/// Serves a connection to its end.
pub(super) async fn serve(stream: impl Wire, scope: Scope) {
    let Scope { core, mut stopped, open: _open } = scope;
    let mut stream = BufReader::with_capacity(FIRST_BYTES, stream);
    if !speaks_in_time(&mut stream, core.limits.header_timeout(), &mut stopped).await {
        return;
    }
    let lifetime = Lifetime::of(&core.http2);
    let builder = builder(&core.http2);
    let stream = TokioIo::new(stream);
    match milliseconds(core.http2.max_idle_ms) {
        // Without a limit nobody asks what is open, and nothing is counted.
        None => {
            let service = service_fn(move |request| grpc::answer(Arc::clone(&core), request));
            let connection = pin!(builder.serve_connection(stream, service));
            lifetime.drive(connection, std::future::pending(), stopped, |it| it.graceful_shutdown()).await;
        }
        Some(limit) => {
            let calls = Calls::new();
            let counted = calls.clone();
            let service = service_fn(move |request| counted.clone().during(grpc::answer(Arc::clone(&core), request)));
            let connection = pin!(builder.serve_connection(stream, service));
            lifetime.drive(connection, calls.idle_for(limit), stopped, |it| it.graceful_shutdown()).await;
        }
    }
}

fn builder(config: &Http2) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    let connection_window = config.stream_window_bytes.saturating_mul(CONNECTION_WINDOWS).min(i32::MAX as u32);
    builder
        .timer(TokioTimer::new())
        .initial_stream_window_size(config.stream_window_bytes)
        .initial_connection_window_size(connection_window)
        .max_frame_size(config.max_frame_bytes)
        .max_concurrent_streams(config.max_streams)
        .max_header_list_size(config.max_header_bytes)
        .keep_alive_interval(milliseconds(config.ping_interval_ms));
    if let Some(timeout) = milliseconds(config.ping_timeout_ms) {
        builder.keep_alive_timeout(timeout);
    }
    builder
}

/// How long a connection is kept.
struct Lifetime {
    age: Option<Duration>,
    grace: Option<Duration>,
}

impl Lifetime {
    fn of(config: &Http2) -> Lifetime {
        Lifetime { age: milliseconds(config.max_age_ms).map(about), grace: milliseconds(config.age_grace_ms) }
    }

    /// Drives a connection to its end. When it is idle or too old, or the server stops, it is asked to finish the
    /// requests it has and close; one that is too old is closed after its grace whatever it still has.
    async fn drive<C, E>(
        self,
        mut connection: Pin<&mut C>,
        idle: impl Future<Output = ()>,
        mut stopped: watch::Receiver<bool>,
        finish: impl Fn(Pin<&mut C>),
    ) where
        C: Future<Output = Result<(), E>>,
    {
        // How a connection ended is of no interest here: each of its requests was answered or counted as given up.
        let grace = tokio::select! {
            _ = connection.as_mut() => return,
            () = after(self.age) => self.grace,
            () = idle => None,
            _ = stopped.wait_for(|stopped| *stopped) => None,
        };
        finish(connection.as_mut());
        tokio::select! {
            _ = connection => {}
            () = after(grace) => {}
        }
    }
}

/// Waits so long; `None` is for ever.
async fn after(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
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
