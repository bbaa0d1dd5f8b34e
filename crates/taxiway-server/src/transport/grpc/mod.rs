//! gRPC: unary calls over HTTP/2.
//!
//! A call is one length-prefixed message each way and a status in the trailers, so it is read and written here: the
//! tensors of a request are then slices of the one buffer that its frames were gathered in.

mod call;
mod examples;
mod health;
mod message;
mod methods;
mod reflection;
mod reply;
mod stream;

use std::convert::Infallible;
use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use taxiway_engine::{Error, ErrorKind, Result};

use super::body::{self, Unread};
use super::request_id::{ARM, REQUEST_ID, VERSION};
use crate::admit::{Deadline, timed_out};
use crate::metrics::Protocol::Grpc;
use crate::metrics::Tracked;
use crate::server::Core;
use crate::traffic::Caller;
use reply::{Body, Reply};

/// Answers a call, whatever it is.
pub(super) async fn answer(core: Arc<Core>, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    if !is_grpc(&request) {
        return Ok(reply::not_grpc());
    }
    let id = core.ids.of(request.headers());
    if let Some(streamed) = stream::find(request.uri().path(), &core) {
        let mut response = streamed.call(core, request.into_body());
        response.headers_mut().insert(REQUEST_ID, id);
        return Ok(response);
    }
    let (parts, incoming) = request.into_parts();
    let mut tracked = Tracked::begin(&core.metrics, Grpc, Caller { id: &id, headers: &parts.headers });
    let result = call(&core, &parts, incoming, &mut tracked).await;
    tracked.ended(&result);
    let mut response = reply::response(result);
    for (name, value) in [(VERSION, tracked.version()), (ARM, tracked.arm())] {
        if let Some(value) = value {
            response.headers_mut().insert(name, value.clone());
        }
    }
    drop(tracked);
    response.headers_mut().insert(REQUEST_ID, id);
    Ok(response)
}

fn is_grpc(request: &Request<Incoming>) -> bool {
    let content_type = request.headers().get(http::header::CONTENT_TYPE).map(|value| value.as_bytes());
    request.method() == Method::POST && content_type.is_some_and(|value| value.starts_with(b"application/grpc"))
}

async fn call(core: &Core, parts: &Parts, mut incoming: Incoming, tracked: &mut Tracked<'_>) -> Result<Reply> {
    let asked = call::timeout(&parts.headers)?;
    let method = methods::find(parts.uri.path(), core)?;
    let limit = method.limit(&core.limits);
    if asked.is_some_and(|asked| limit.is_none_or(|limit| asked < limit)) {
        tracked.hurried();
    }
    let deadline = Deadline::sooner(limit, asked);
    let reading = Deadline::sooner(core.limits.grpc_timeout(), asked);
    let frame = read_frame(core, &mut incoming, reading).await?;
    let message = message::unwrap(
        frame,
        encoding(&parts.headers),
        core.limits.max_inflated_bytes.min(core.http2.max_receive_bytes),
    )?;
    // Checked again where work begins: the message may have taken its time.
    deadline.left()?;
    let reply = method.call(core, message, deadline, tracked).await?;
    match reply.frame.len() - message::PREFIX_BYTES {
        length if length > core.http2.max_send_bytes => Err(Error::new(
            ErrorKind::ResourceExhausted,
            format!("the answer of {length} bytes is larger than the limit of {} bytes", core.http2.max_send_bytes),
        )),
        _ => Ok(reply),
    }
}

fn encoding(headers: &HeaderMap) -> Option<&[u8]> {
    headers.get("grpc-encoding").map(|value| value.as_bytes())
}

async fn read_frame(core: &Core, incoming: &mut Incoming, deadline: Deadline) -> Result<bytes::Bytes> {
    let most = core.limits.max_body_bytes.min(core.http2.max_receive_bytes);
    let max_bytes = most.saturating_add(message::PREFIX_BYTES);
    match deadline.bound(body::read(incoming, max_bytes, message::expected_bytes)).await {
        None => Err(timed_out()),
        Some(Err(Unread::Broken)) => Err(Error::new(ErrorKind::Cancelled, "the request is not whole")),
        Some(Err(Unread::TooLarge)) => Err(Error::new(
            ErrorKind::ResourceExhausted,
            format!("the message is larger than the limit of {most} bytes"),
        )),
        Some(Ok(frame)) => Ok(frame),
    }
}

/// HTTP's way of saying that this is not gRPC.
const NOT_GRPC: StatusCode = StatusCode::UNSUPPORTED_MEDIA_TYPE;
