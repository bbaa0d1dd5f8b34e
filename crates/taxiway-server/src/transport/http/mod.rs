//! HTTP/1.1: TensorFlow Serving's REST API, health, metrics.

mod answer;
mod checked;
mod download;
mod examples;
mod feedback;
mod gzip;
mod operations;
mod outgoing;
mod path;
mod rest;

pub(crate) use checked::Checked;

use std::convert::Infallible;
use std::sync::Arc;

use http::header::{CONNECTION, EXPECT};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body::Body;
use hyper::body::Incoming;
use taxiway_engine::{Error, ErrorKind, Result};

use super::body;
use super::request_id::{ARM, REQUEST_ID, VERSION};
use crate::admit::Deadline;
use crate::config::Prometheus;
use crate::metrics::Protocol::Rest;
use crate::metrics::Tracked;
use crate::render;
use crate::server::Core;
use crate::traffic::Caller;
use answer::{Answer, JSON};
use outgoing::Outgoing;

/// Answers a request, whatever it is.
pub(super) async fn answer(core: Arc<Core>, request: Request<Incoming>) -> Result<Response<Outgoing>, Infallible> {
    let whole = Deadline::sooner(core.limits.request_timeout(), None);
    let (parts, mut incoming) = request.into_parts();
    let id = core.ids.of(&parts.headers);
    let path = parts.uri.path_and_query().map_or("", |path| path.as_str());
    let mut response = if path::is_api(path) {
        let mut answered = match parts.method {
            Method::OPTIONS => preflight(&core, Caller { id: &id, headers: &parts.headers }),
            Method::TRACE | Method::CONNECT => not_implemented(&parts.method),
            _ => api(&core, &id, &parts, &mut incoming).await,
        };
        if core.cors {
            allow_any_origin(&mut answered);
        }
        answered
    } else if let Some(prometheus) = core.prometheus.as_ref().filter(|page| page.is_at(parts.uri.path())) {
        serving_metrics(&core, prometheus, &parts.method, path).into_response()
    } else {
        operations::answer(&core, &parts.method, path).into_response()
    };
    response.headers_mut().insert(REQUEST_ID, id);
    let reusable = whole.bound(read_to_its_end(&core, &parts.headers, &mut incoming)).await.unwrap_or(false);
    if core.draining() || !reusable {
        // The connection is closed after this answer; a client that is told does not try to use it again.
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

/// Reads what is left of a body that its answer did not need, so that the connection can be used again, and a client
/// which only reads once it has written everything gets to read its answer. Whether the body has come to its end.
async fn read_to_its_end(core: &Core, headers: &HeaderMap, incoming: &mut Incoming) -> bool {
    if incoming.is_end_stream() {
        return true;
    }
    // A client that asks first has not begun to send, and must not be told to now.
    if headers.contains_key(EXPECT) && incoming.size_hint().exact().is_some() {
        return false;
    }
    body::discard(incoming, core.limits.max_body_bytes).await
}

async fn api(core: &Core, id: &HeaderValue, parts: &Parts, incoming: &mut Incoming) -> Response<Outgoing> {
    let mut tracked = Tracked::begin(&core.metrics, Rest, Caller { id, headers: &parts.headers });
    let result = match download::find(core, parts) {
        Some(asked) => download::answer(core, &parts.headers, asked, &mut tracked).await,
        None => rest::answer(core, parts, incoming, &mut tracked).await.map(Answer::into_response),
    };
    tracked.ended(&result.as_ref().map_err(|refusal| refusal.error.clone()).map(|_| ()));
    let mut response = result.unwrap_or_else(|refusal| Answer::from(refusal).into_response());
    for (name, value) in [(VERSION, tracked.version()), (ARM, tracked.arm())] {
        if let Some(value) = value {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response
}

/// A browser asks whether a page may call us.
fn preflight(core: &Core, caller: Caller<'_>) -> Response<Outgoing> {
    let mut tracked = Tracked::begin(&core.metrics, Rest, caller);
    let origin = caller.headers.get(http::header::ORIGIN).and_then(|origin| origin.to_str().ok());
    let is_web = origin.is_some_and(|origin| origin.contains("http://") || origin.contains("https://"));
    let status = if is_web { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    let no_origin = || Error::new(ErrorKind::FailedPrecondition, "Origin header is missing in CORS preflight");
    tracked.ended(&if is_web { Ok(()) } else { Err(no_origin()) });
    Answer { status, content_type: JSON, body: Vec::new() }.into_response()
}

/// Methods that TensorFlow Serving's HTTP library does not know.
fn not_implemented(method: &Method) -> Response<Outgoing> {
    Answer::error(StatusCode::NOT_IMPLEMENTED, &format!("{method} is not implemented")).into_response()
}

fn allow_any_origin(response: &mut Response<Outgoing>) {
    use http::header::{ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN};
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST, GET"));
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("Content-Type"));
}

/// TensorFlow Serving's metrics page, where it was configured to be.
fn serving_metrics(core: &Core, page: &Prometheus, method: &Method, path: &str) -> Answer {
    let text = |status, body: String| Answer { status, content_type: "text/plain", body: body.into_bytes() };
    match path == page.path {
        _ if !matches!(*method, Method::GET | Method::HEAD) => {
            text(StatusCode::METHOD_NOT_ALLOWED, format!("{} is asked for with GET, not {method}", page.path))
        }
        true => text(StatusCode::OK, core.serving_metrics_page(&page.thread_pool_name)),
        false => text(StatusCode::BAD_REQUEST, format!("Unexpected path: {path}. Should be {}", page.path)),
    }
}

/// An error, and the status it is given when that is not its kind's own.
#[derive(Debug)]
struct Refusal {
    status: StatusCode,
    error: Error,
}

impl Refusal {
    fn new(status: StatusCode, kind: ErrorKind, message: impl Into<String>) -> Refusal {
        Refusal { status, error: Error::new(kind, message) }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Refusal {
        Refusal { status: render::http_status(error.kind), error }
    }
}
