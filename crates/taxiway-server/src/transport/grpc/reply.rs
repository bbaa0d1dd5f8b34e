//! The answer to a call: headers, one message, trailers.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use http_body::{Body as HttpBody, Frame};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use taxiway_engine::{Error, Result};
use tokio::sync::mpsc;

use super::NOT_GRPC;

const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");

/// What gRPC encodes in a status message, beside what is not ASCII.
const NOT_PLAIN: &AsciiSet = &CONTROLS.add(b'%');

/// TensorFlow Serving cuts its messages here, and says so.
const MAX_MESSAGE_CHARACTERS: usize = 1024;
const CUT: &str = "...TRUNCATED";

/// What a call gives.
pub(super) struct Reply {
    /// The framed message.
    pub(super) frame: Bytes,
}

/// What follows the headers.
pub(crate) enum Body {
    /// At most one message, then the status.
    Once(Option<Bytes>, Option<HeaderMap>),
    /// Messages as they come, the status last.
    Stream(mpsc::Receiver<Frame<Bytes>>),
}

impl Default for Body {
    fn default() -> Body {
        Body::Once(None, None)
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut *self {
            Body::Once(frame, trailers) => {
                let data = frame.take().map(Frame::data);
                Poll::Ready(data.or_else(|| trailers.take().map(Frame::trailers)).map(Ok))
            }
            Body::Stream(frames) => frames.poll_recv(context).map(|frame| frame.map(Ok)),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Body::Once(None, None))
    }
}

/// The response: a message and OK, or headers that already hold the error.
pub(super) fn response(result: Result<Reply>) -> Response<Body> {
    let mut response = match result {
        Ok(Reply { frame }) => {
            let trailers = HeaderMap::from_iter([(STATUS, HeaderValue::from_static("0"))]);
            Response::new(Body::Once(Some(frame), Some(trailers)))
        }
        Err(error) => failure(&error),
    };
    response.headers_mut().insert(CONTENT_TYPE, GRPC);
    response
}

fn failure(error: &Error) -> Response<Body> {
    let mut response = Response::new(Body::default());
    *response.headers_mut() = status(error);
    response
}

fn status(error: &Error) -> HeaderMap {
    let mut headers = HeaderMap::from_iter([(STATUS, HeaderValue::from(error.kind.code()))]);
    if let Ok(message) = HeaderValue::try_from(encode(&cut(&error.message))) {
        headers.insert(MESSAGE, message);
    }
    headers
}

/// A message as a header's value. HTTP/2 allows no space at either end of one, and peers that insist on it would refuse
/// the whole answer.
fn encode(message: &str) -> String {
    let encoded = utf8_percent_encode(message, NOT_PLAIN).to_string();
    let tail = encoded.trim_start_matches(' ');
    let inner = tail.trim_end_matches(' ');
    let spaces = |count| "%20".repeat(count);
    format!("{}{inner}{}", spaces(encoded.len() - tail.len()), spaces(tail.len() - inner.len()))
}

/// The response to a call with more than one message.
pub(super) fn stream(frames: mpsc::Receiver<Frame<Bytes>>) -> Response<Body> {
    let mut response = Response::new(Body::Stream(frames));
    response.headers_mut().insert(CONTENT_TYPE, GRPC);
    response
}

/// How such a call ends.
pub(super) fn trailers(result: &Result<()>) -> HeaderMap {
    match result {
        Ok(()) => HeaderMap::from_iter([(STATUS, HeaderValue::from_static("0"))]),
        Err(error) => status(error),
    }
}

fn cut(message: &str) -> String {
    match message.char_indices().nth(MAX_MESSAGE_CHARACTERS) {
        None => message.to_owned(),
        Some((end, _)) => format!("{}{CUT}", &message[..end]),
    }
}

/// The response to a request that is no call.
pub(super) fn not_grpc() -> Response<Body> {
    let mut response = Response::new(Body::default());
    *response.status_mut() = NOT_GRPC;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_messages_are_cut_and_say_so() {
        assert_eq!(cut(&"é".repeat(1024)), "é".repeat(1024));
        assert_eq!(cut(&"é".repeat(1025)), format!("{}...TRUNCATED", "é".repeat(1024)));
    }

    #[test]
    fn messages_are_encoded() {
        let response = failure(&Error::invalid("50% of\n\"é\""));
        assert_eq!(response.headers()["grpc-status"], "3");
        assert_eq!(response.headers()["grpc-message"], "50%25 of%0A\"%C3%A9\"");
    }

    #[test]
    fn no_message_begins_or_ends_with_a_space() {
        for (message, encoded) in [("no label: ", "no label:%20"), ("  a b ", "%20%20a b%20"), (" ", "%20"), ("", "")] {
            assert_eq!(encode(message), encoded);
        }
    }
}
