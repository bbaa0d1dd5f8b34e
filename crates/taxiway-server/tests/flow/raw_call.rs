//! A gRPC call that is only what the test says: tonic keeps a `grpc-timeout` itself, and gives up before the server.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use taxiway_server::proto::PredictRequest;

/// Calls Predict with a `grpc-timeout` on a connection of its own; the status and its text.
pub(crate) fn predict_within(server: SocketAddr, timeout: &str, message: &PredictRequest) -> (String, String) {
    let encoded = prost::Message::encode_to_vec(message);
    let frame = [&[0][..], &(encoded.len() as u32).to_be_bytes(), &encoded].concat();
    let request = Request::post("http://server/tensorflow.serving.PredictionService/Predict")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("grpc-timeout", timeout)
        .body(Full::new(Bytes::from(frame)))
        .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(server).await.unwrap();
        let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        let connection = tokio::spawn(connection);
        let (head, body) = sender.send_request(request).await.unwrap().into_parts();
        let trailers = body.collect().await.unwrap().trailers().cloned();
        drop(sender);
        connection.await.unwrap().unwrap();
        let said = trailers.unwrap_or(head.headers);
        (text(&said, "grpc-status"), text(&said, "grpc-message"))
    })
}

fn text(headers: &HeaderMap, name: &str) -> String {
    headers.get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
}
