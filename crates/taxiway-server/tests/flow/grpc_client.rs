//! gRPC, with a client that is not ours.

use std::net::SocketAddr;

use bytes::{Buf, BufMut, Bytes};
use prost::Message;
use taxiway_server::proto;
use tokio::runtime::Runtime;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Response, Status};

const PREDICT: &str = "/tensorflow.serving.PredictionService/Predict";

/// One connection.
pub(crate) struct GrpcClient {
    runtime: Runtime,
    channel: Channel,
}

impl GrpcClient {
    pub(crate) fn connect(address: SocketAddr) -> GrpcClient {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let endpoint = Endpoint::try_from(format!("http://{address}")).unwrap();
        let channel = runtime.block_on(endpoint.connect()).unwrap();
        GrpcClient { runtime, channel }
    }

    /// Calls a method with an encoded request.
    pub(crate) fn call(&self, path: &'static str, request: Request<Bytes>) -> Result<Response<Bytes>, Status> {
        let mut client = tonic::client::Grpc::new(self.channel.clone());
        self.runtime.block_on(async {
            client.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
            client.unary(request, path.parse().unwrap(), Raw).await
        })
    }

    pub(crate) fn predict(&self, request: &proto::PredictRequest) -> Result<Response<proto::PredictResponse>, Status> {
        self.ask(PREDICT, request)
    }

    /// Bytes that need not be a request.
    pub(crate) fn predict_bytes(&self, request: impl Into<Bytes>) -> Result<Response<Bytes>, Status> {
        self.call(PREDICT, Request::new(request.into()))
    }

    /// Calls a method with a message.
    pub(crate) fn ask<A: Message + Default>(
        &self,
        path: &'static str,
        request: &impl Message,
    ) -> Result<Response<A>, Status> {
        let response = self.call(path, Request::new(request.encode_to_vec().into()))?;
        Ok(response.map(|answer| A::decode(answer).unwrap()))
    }
}

/// The code and the text of a refusal.
pub(crate) fn refusal<T>(result: Result<T, Status>) -> (Code, String) {
    let status = result.map(|_| ()).unwrap_err();
    (status.code(), status.message().to_owned())
}

/// A spec of a model's default version.
pub(crate) fn spec(model: &str) -> proto::ModelSpec {
    proto::ModelSpec { name: model.to_owned(), ..proto::ModelSpec::default() }
}

/// Messages as they are.
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Raw;
    type Decoder = Raw;

    fn encoder(&mut self) -> Raw {
        Raw
    }

    fn decoder(&mut self) -> Raw {
        Raw
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.put(message);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}
