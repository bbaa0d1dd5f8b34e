//! A connection to the server, and one request on it.

use std::io;

use bytes::{BufMut, Bytes, BytesMut};
use http::header::{CONTENT_TYPE, HOST, TE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use taxiway_engine::{Error, ErrorKind, Result};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::document::{Endpoint, Protocol, Target};
use crate::tls;

/// How much of an answer the server may send before we have read it.
const WINDOW_BYTES: u32 = 16 << 20;
/// What stands before a message: whether it is compressed, which we do not offer, and its length.
const PREFIX_BYTES: usize = 5;
/// What is kept of a refusal's text.
const MAX_MESSAGE_BYTES: usize = 1000;

/// A request, ready to be sent any number of times.
pub(crate) struct Prepared {
    uri: Uri,
    body: Bytes,
}

/// What came back.
pub(crate) enum Reply {
    Answer(Bytes),
    /// The server's code and words.
    Refused {
        code: String,
        message: String,
    },
}

/// Makes connections.
pub(crate) struct Dialer {
    protocol: Protocol,
    endpoint: Endpoint,
    authority: String,
    headers: HeaderMap,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

/// A connection with nothing in flight.
pub(crate) enum Connection {
    Rest(http1::SendRequest<Full<Bytes>>),
    Grpc(http2::SendRequest<Full<Bytes>>),
}

trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Wire for S {}

impl Dialer {
    pub(crate) fn new(target: &Target, authority: HeaderValue) -> Result<Dialer> {
        let mut headers = HeaderMap::new();
        match target.protocol {
            Protocol::Rest => {
                headers.insert(HOST, authority);
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            }
            Protocol::Grpc => {
                headers.insert(TE, HeaderValue::from_static("trailers"));
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
            }
        }
        Ok(Dialer {
            protocol: target.protocol,
            endpoint: target.endpoint.clone(),
            authority: target.authority.clone(),
            headers,
            tls: target.tls.as_ref().map(|tls| tls::connector(tls, target.protocol)).transpose()?,
        })
    }

    pub(crate) fn prepare(&self, path: &str, message: &Bytes) -> Result<Prepared> {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let (text, body) = match self.protocol {
            Protocol::Rest => (path.to_owned(), message.clone()),
            Protocol::Grpc => (format!("{scheme}://{}{path}", self.authority), framed(message)?),
        };
        let uri = text.parse().map_err(|error| Error::invalid(format!("{text:?} is no address: {error}")))?;
        Ok(Prepared { uri, body })
    }

    pub(crate) async fn connect(&self) -> io::Result<Connection> {
        match &self.endpoint {
            Endpoint::Unix(path) => self.shaken(UnixStream::connect(path).await?).await,
            Endpoint::Tcp(address) => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                match &self.tls {
                    None => self.shaken(stream).await,
                    Some((connector, name)) => self.shaken(connector.connect(name.clone(), stream).await?).await,
                }
            }
        }
    }

    async fn shaken(&self, stream: impl Wire + 'static) -> io::Result<Connection> {
        match self.protocol {
            Protocol::Rest => {
                let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
                // How it ended is told by the request that was under way.
                tokio::spawn(connection);
                Ok(Connection::Rest(sender))
            }
            Protocol::Grpc => {
                let mut builder = http2::Builder::new(TokioExecutor::new());
                builder.initial_stream_window_size(WINDOW_BYTES).initial_connection_window_size(WINDOW_BYTES);
                let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
                tokio::spawn(connection);
                Ok(Connection::Grpc(sender))
            }
        }
    }

    pub(crate) async fn ask(&self, connection: &mut Connection, prepared: &Prepared) -> hyper::Result<Reply> {
        let mut request = Request::new(Full::new(prepared.body.clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = prepared.uri.clone();
        *request.headers_mut() = self.headers.clone();
        match connection {
            Connection::Rest(sender) => rest(sender.send_request(request).await?).await,
            Connection::Grpc(sender) => grpc(sender.send_request(request).await?).await,
        }
    }
}

impl Connection {
    /// Waits until a request can be sent; false when the server has closed it.
    pub(crate) async fn is_open(&mut self) -> bool {
        match self {
            Connection::Rest(sender) => sender.ready().await.is_ok(),
            Connection::Grpc(sender) => sender.ready().await.is_ok(),
        }
    }
}

async fn rest(response: Response<Incoming>) -> hyper::Result<Reply> {
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    Ok(match status {
        StatusCode::OK => Reply::Answer(body),
        _ => Reply::Refused { code: format!("HTTP {}", status.as_u16()), message: text(&body) },
    })
}

async fn grpc(response: Response<Incoming>) -> hyper::Result<Reply> {
    let (parts, body) = response.into_parts();
    if parts.status != StatusCode::OK {
        let code = format!("HTTP {}", parts.status.as_u16());
        return Ok(Reply::Refused { code, message: text(&body.collect().await?.to_bytes()) });
    }
    let collected = body.collect().await?;
    // A call that is refused at once has its status where headers are.
    let trailers = collected.trailers().unwrap_or(&parts.headers);
    let said = trailers.get("grpc-status").and_then(|value| value.to_str().ok()?.parse::<i32>().ok());
    if said == Some(0) {
        let body = collected.to_bytes();
        return Ok(match body.len() {
            ..PREFIX_BYTES => Reply::Refused { code: "NO MESSAGE".to_owned(), message: String::new() },
            _ => Reply::Answer(body.slice(PREFIX_BYTES..)),
        });
    }
    let code = said.and_then(ErrorKind::from_code).map_or("NO STATUS", ErrorKind::name);
    let message = trailers.get("grpc-message").map_or(String::new(), |value| text(value.as_bytes()));
    Ok(Reply::Refused { code: code.to_owned(), message })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_MESSAGE_BYTES)]).into_owned()
}

/// A message with its length before it, not compressed.
fn framed(message: &Bytes) -> Result<Bytes> {
    let length = u32::try_from(message.len())
        .map_err(|_| Error::invalid(format!("a message of {} bytes is more than gRPC can carry", message.len())))?;
    let mut framed = BytesMut::with_capacity(message.len() + PREFIX_BYTES);
    framed.put_u8(0);
    framed.put_u32(length);
    framed.extend_from_slice(message);
    Ok(framed.freeze())
}
