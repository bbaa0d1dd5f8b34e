//! Ports and connections.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::os::unix::net::UnixListener;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{Domain, Protocol as Transport, Socket, Type};
use taxiway_engine::{Error, ErrorKind, Result};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsAcceptor;

use super::authority::PlainAuthority;
use super::{http, http2};
use crate::admit::Deadline;
use crate::config::Endpoint;
use crate::metrics::Protocol;
use crate::server::Core;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;

/// How long to wait before accepting again when the system has run out of something, such as file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

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
    /// Whether clients come through a file, and may name it as who they speak to.
    pub(crate) file: bool,
    /// `None` for connections in the clear.
    pub(crate) tls: Option<TlsAcceptor>,
}

/// A connection, whatever carries it.
pub(super) trait Wire: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

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
    let open = Open { metrics, protocol: door.protocol, _counted: scope.open.clone() };
    open.metrics.open_connections(door.protocol).fetch_add(1, Ordering::Relaxed);
    let (scope, door) = (scope.clone(), door.clone());
    tokio::spawn(async move {
        match door.tls {
            None => converse(stream, scope, (door.protocol, door.file)).await,
            Some(tls) => {
                let mut stopped = scope.stopped.clone();
                let shaken = Deadline::sooner(scope.core.limits.header_timeout(), None).bound(tls.accept(stream));
                let shaken = tokio::select! {
                    shaken = shaken => shaken,
                    _ = stopped.wait_for(|stopped| *stopped) => None,
                };
                // One that does not prove itself was told so by TLS.
                if let Some(Ok(stream)) = shaken {
                    converse(stream, scope, (door.protocol, door.file)).await;
                }
            }
        }
        drop(open);
    });
}

async fn converse(stream: impl Wire, scope: Scope, (protocol, file): (Protocol, bool)) {
    match protocol {
        Protocol::Rest => serve_http1(stream, scope).await,
        Protocol::Grpc if file => http2::serve(PlainAuthority::new(stream), scope).await,
        Protocol::Grpc => http2::serve(stream, scope).await,
    }
}

/// Counts a connection while it is open.
struct Open {
    metrics: Arc<crate::metrics::Metrics>,
    protocol: Protocol,
    /// The server has not stopped before it is counted as closed.
    _counted: mpsc::Sender<()>,
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
