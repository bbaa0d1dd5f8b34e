//! Ports and connections.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::os::unix::net::UnixListener;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use socket2::{Domain, Protocol as Transport, Socket, Type};
use taxiway_engine::{Error, ErrorKind, Result};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, BufReader};
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsAcceptor;

use super::{grpc, http};
use crate::admit::Deadline;
use crate::config::Endpoint;
use crate::metrics::Protocol;
use crate::server::Core;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;

/// How long to wait before accepting again when the system has run out of something, such as file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What is read ahead to see whether an HTTP/2 client speaks.
const FIRST_BYTES: usize = 512;

/// HTTP/2: how much a client may send ahead of what was read, of one request and of all on one connection. Large
/// enough for one image at a time without a pause, small enough to be multiplied by the connections.
const STREAM_WINDOW_BYTES: u32 = 1 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 4 << 20;
const MAX_FRAME_BYTES: u32 = 256 << 10;
/// HTTP/2: requests at once on one connection.
const MAX_STREAMS: u32 = 1024;
/// HTTP/2: the most that all headers of a request may take.
const MAX_HEADER_BYTES: u32 = 64 << 10;
/// HTTP/2: how often an idle client is asked whether it is still there, and how long it may take to say so.
const PING_INTERVAL: Duration = Duration::from_secs(60);
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// What a connection needs.
#[derive(Clone)]
pub(crate) struct Scope {
    pub(crate) core: Arc<Core>,
    /// Becomes true when the server stops.
    pub(crate) stopped: watch::Receiver<bool>,
    /// Held by everything that must end before the server has stopped.
    pub(crate) open: mpsc::Sender<()>,
}

/// A bound port.
pub(crate) struct Listener {
    socket: TcpListener,
    pub(crate) address: SocketAddr,
}

impl Listener {
    /// Binds an address.
    ///
    /// # Errors
    /// `Unavailable`, with the address and the system's reason.
    pub(crate) fn bind(endpoint: &Endpoint) -> Result<Listener> {
        let Endpoint { host, port } = endpoint;
        let refuse = |error: &dyn std::fmt::Display| {
            Error::new(ErrorKind::Unavailable, format!("cannot listen on {host} port {port}: {error}"))
        };
        let addresses = (host.as_str(), *port).to_socket_addrs().map_err(|error| refuse(&error))?;
        let mut reason = refuse(&"the name has no address");
        for address in addresses {
            match bind(address).and_then(|socket| Ok((socket.local_addr()?, socket))) {
                Ok((address, socket)) => return Ok(Listener { socket, address }),
                Err(error) => reason = refuse(&error),
            }
        }
        Err(reason)
    }

    /// Serves a protocol until the scope stops. Returns at once; must be called in the runtime.
    pub(crate) fn serve(self, scope: Scope, door: Door) -> Result<()> {
        let listener = tokio::net::TcpListener::from_std(self.socket)
            .map_err(|error| Error::internal(format!("cannot listen on {}: {error}", self.address)))?;
        tokio::spawn(accept_all(scope, door, async move || {
            let (stream, _) = listener.accept().await?;
            // An answer is written as one piece; holding it back for more would only add a delay.
            let _ = stream.set_nodelay(true);
            Ok(stream)
        }));
        Ok(())
    }
}

/// Serves a protocol on a Unix socket until the scope stops. Returns at once; must be called in the runtime.
pub(crate) fn serve_unix(socket: UnixListener, scope: Scope, door: Door) -> Result<()> {
    let listener = tokio::net::UnixListener::from_std(socket)
        .map_err(|error| Error::internal(format!("cannot listen on a Unix socket: {error}")))?;
    tokio::spawn(accept_all(scope, door, async move || Ok(listener.accept().await?.0)));
    Ok(())
}

/// How connections of a listener are spoken with.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) protocol: Protocol,
    /// `None` for connections in the clear.
    pub(crate) tls: Option<TlsAcceptor>,
}

/// A connection, whatever carries it.
trait Wire: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Wire for T {}

async fn accept_all<S: Wire>(scope: Scope, door: Door, accept: impl AsyncFn() -> io::Result<S>) {
    let mut stopped = scope.stopped.clone();
    loop {
        let accepted = tokio::select! {
            accepted = accept() => accepted,
            _ = stopped.wait_for(|stopped| *stopped) => return,
        };
        match accepted {
            Ok(stream) => admit(stream, &scope, &door),
            Err(error) if is_fleeting(&error) => {}
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Transport::TCP))?;
    socket.set_reuse_address(true)?; // a restart must not wait for the old connections' last minute
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Whether an error of accepting is that connection's alone.
fn is_fleeting(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

/// Serves a connection on a task of its own, if there is room for it.
fn admit(stream: impl Wire, scope: &Scope, door: &Door) {
    let metrics = Arc::clone(&scope.core.metrics);
    if metrics.connections() >= scope.core.limits.max_connections {
        metrics.refused_connections().fetch_add(1, Ordering::Relaxed);
        return;
    }
    let open = Open { metrics, protocol: door.protocol };
    open.metrics.open_connections(door.protocol).fetch_add(1, Ordering::Relaxed);
    let (scope, door) = (scope.clone(), door.clone());
    tokio::spawn(async move {
        match door.tls {
            None => converse(stream, scope, door.protocol).await,
            Some(tls) => {
                let mut stopped = scope.stopped.clone();
                let shaken = Deadline::sooner(scope.core.limits.header_timeout(), None).bound(tls.accept(stream));
                let shaken = tokio::select! {
                    shaken = shaken => shaken,
                    _ = stopped.wait_for(|stopped| *stopped) => None,
                };
                // One that does not prove itself was told so by TLS.
                if let Some(Ok(stream)) = shaken {
                    converse(stream, scope, door.protocol).await;
                }
            }
        }
        drop(open);
    });
}

async fn converse(stream: impl Wire, scope: Scope, protocol: Protocol) {
    match protocol {
        Protocol::Rest => serve_http1(stream, scope).await,
        Protocol::Grpc => serve_http2(stream, scope).await,
    }
}

/// Counts a connection while it is open.
struct Open {
    metrics: Arc<crate::metrics::Metrics>,
    protocol: Protocol,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.metrics.open_connections(self.protocol).fetch_sub(1, Ordering::Relaxed);
    }
}

async fn serve_http1(stream: impl Wire, scope: Scope) {
    let Scope { core, stopped, open: _open } = scope;
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(core.limits.header_timeout());
    let service = hyper::service::service_fn(move |request| http::answer(Arc::clone(&core), request));
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    until_stopped(pin!(connection), stopped, |connection| connection.graceful_shutdown()).await;
}

async fn serve_http2(stream: impl Wire, scope: Scope) {
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

/// Drives a connection to its end. When the server stops it is asked to finish the requests it has and close.
async fn until_stopped<C, E>(
    mut connection: Pin<&mut C>,
    mut stopped: watch::Receiver<bool>,
    finish: impl Fn(Pin<&mut C>),
) where
    C: Future<Output = Result<(), E>>,
{
    // How a connection ended is of no interest here: each of its requests was answered or counted as given up.
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = stopped.wait_for(|stopped| *stopped) => {}
    }
    finish(connection.as_mut());
    let _ = connection.await;
}
