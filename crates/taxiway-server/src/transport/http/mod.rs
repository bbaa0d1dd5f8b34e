//! HTTP/1.1: TensorFlow Serving's REST API, health, metrics.

mod answer;
mod examples;
mod gzip;
mod operations;
mod path;
mod rest;

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::header::CONNECTION;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use taxiway_engine::{Error, ErrorKind, Result};

use super::request_id::REQUEST_ID;
use crate::config::Prometheus;
use crate::metrics::Protocol::Rest;
use crate::metrics::Tracked;
use crate::render;
use crate::server::Core;
use answer::{Answer, JSON};

/// Answers a request, whatever it is.
pub(super) async fn answer(core: Arc<Core>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let id = core.ids.of(request.headers());
    let path = request.uri().path_and_query().map_or("", |path| path.as_str());
    let mut response = if path::is_api(path) {
        let mut answered = match request.method() {
            &Method::OPTIONS => preflight(&core, &request),
            _ => api(&core, request).await,
        };
        if core.cors {
            allow_any_origin(&mut answered);
        }
        answered
    } else if let Some(prometheus) = core.prometheus.as_ref().filter(|page| page.is_at(request.uri().path())) {
        serving_metrics(&core, prometheus, request.method(), path).into_response()
    } else {
        operations::answer(&core, request.method(), path).into_response()
    };
    response.headers_mut().insert(REQUEST_ID, id);
    if core.draining() {
        // The connection is closed after this answer; a client that is told does not try to use it again.
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

async fn api(core: &Core, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let mut tracked = Tracked::begin(&core.metrics, Rest);
    let result = rest::answer(core, request, &mut tracked).await;
    tracked.ended(&result.as_ref().map_err(|refusal| refusal.error.clone()).map(|_| ()));
    result.unwrap_or_else(Answer::from).into_response()
}

/// A browser asks whether a page may call us.
fn preflight(core: &Core, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let mut tracked = Tracked::begin(&core.metrics, Rest);
    let origin = request.headers().get(http::header::ORIGIN).and_then(|origin| origin.to_str().ok());
    let is_web = origin.is_some_and(|origin| origin.contains("http://") || origin.contains("https://"));
    let status = if is_web { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    let no_origin = || Error::new(ErrorKind::FailedPrecondition, "Origin header is missing in CORS preflight");
    tracked.ended(&if is_web { Ok(()) } else { Err(no_origin()) });
    Answer { status, content_type: JSON, version: None, body: Vec::new() }.into_response()
}

fn allow_any_origin(response: &mut Response<Full<Bytes>>) {
    use http::header::{ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN};
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST, GET"));
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("Content-Type"));
}

/// TensorFlow Serving's metrics page, where it was configured to be.
fn serving_metrics(core: &Core, page: &Prometheus, method: &Method, path: &str) -> Answer {
    let text =
        |status, body: String| Answer { status, content_type: "text/plain", version: None, body: body.into_bytes() };
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
