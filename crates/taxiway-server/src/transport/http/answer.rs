//! An answer over HTTP/1.1.

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};

use super::Refusal;
use super::outgoing::Outgoing;
use crate::json;

pub(super) const JSON: &str = "application/json";
pub(super) const PLAIN_TEXT: &str = "text/plain; charset=utf-8";
pub(super) const METRICS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What is answered.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) content_type: &'static str,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn ok(content_type: &'static str, body: Vec<u8>) -> Answer {
        Answer { status: StatusCode::OK, content_type, body }
    }

    pub(super) fn error(status: StatusCode, message: &str) -> Answer {
        let mut body = Vec::with_capacity(message.len() + 32);
        json::write_error(message, &mut body);
        Answer { status, content_type: JSON, body }
    }

    pub(super) fn into_response(self) -> Response<Outgoing> {
        let mut response = Response::new(Outgoing::whole(self.body));
        *response.status_mut() = self.status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        response
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Answer {
        Answer::error(refusal.status, &refusal.error.message)
    }
}
