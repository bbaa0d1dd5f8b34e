//! A gRPC call that is only what the test says: tonic keeps a `grpc-timeout` itself, and gives up before the server.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use taxiway_server::proto::PredictRequest;
use tokio::task::JoinHandle;

use crate::serving::LONG;

/// A request to Predict.
pub(crate) fn call(message: &PredictRequest) -> Request<Full<Bytes>> {
    let encoded = prost::Message::encode_to_vec(message);
    let frame = [&[0][..], &(encoded.len() as u32).to_be_bytes(), &encoded].concat();
    Request::post("http://server/tensorflow.serving.PredictionService/Predict")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Full::new(Bytes::from(frame)))
        .unwrap()
}

/// A connection, and how it ends.
pub(crate) async fn connect(server: SocketAddr) -> (SendRequest<Full<Bytes>>, JoinHandle<hyper::Result<()>>) {
    let stream = tokio::net::TcpStream::connect(server).await.unwrap();
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    (sender, tokio::spawn(connection))
}

/// The status of an answer and its text.
pub(crate) async fn status(answer: Response<Incoming>) -> (String, String) {
    status_and_length(answer).await.0
}

/// The same, and how long the body is.
pub(crate) async fn status_and_length(answer: Response<Incoming>) -> ((String, String), usize) {
    let (head, body) = answer.into_parts();
    let body = body.collect().await.unwrap();
    let said = body.trailers().cloned().unwrap_or(head.headers);
    ((text(&said, "grpc-status"), text(&said, "grpc-message")), body.to_bytes().len())
}

/// Runs a test's client.
pub(crate) fn run<T>(client: impl Future<Output = T>) -> T {
    run_within(LONG, client)
}

/// Runs a test's client that has more to do.
pub(crate) fn run_within<T>(time: Duration, client: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(time, client).await.unwrap() })
}

/// Calls Predict with a `grpc-timeout` on a connection of its own; the status and its text.
pub(crate) fn predict_within(server: SocketAddr, timeout: &str, message: &PredictRequest) -> (String, String) {
    let mut request = call(message);
    request.headers_mut().insert("grpc-timeout", timeout.parse().unwrap());
    run(async {
        let (mut sender, _connection) = connect(server).await;
        status(sender.send_request(request).await.unwrap()).await
    })
}

fn text(headers: &HeaderMap, name: &str) -> String {
    headers.get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
}
