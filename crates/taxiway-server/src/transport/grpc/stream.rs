//! Calls with more than one message: watching health, and reflection.

use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use http::Response;
use http_body::Frame;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use prost::Message;
use taxiway_engine::{Error, ErrorKind, Result};
use tokio::sync::mpsc;

use super::reflection::Served;
use super::reply::{self, Body};
use super::{health, message, reflection};
use crate::grpc_proto::health::HealthCheckRequest;
use crate::grpc_proto::reflection::ServerReflectionRequest;
use crate::server::Core;

/// Longer than any question these services take, in bytes.
const MAX_QUESTION_BYTES: usize = 64 << 10;

/// Answers that may wait for their reader.
const AHEAD: usize = 4;

/// What can be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Streamed {
    Watch,
    Reflect,
}

/// The method at a path, if it is one of these.
pub(super) fn find(path: &str, core: &Core) -> Option<Streamed> {
    match path {
        "/grpc.health.v1.Health/Watch" if core.health => Some(Streamed::Watch),
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
        | "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo" => Some(Streamed::Reflect),
        _ => None,
    }
}

impl Streamed {
    /// Begins the call. It goes on by itself until its client leaves, has asked everything, or the server stops.
    pub(super) fn call(self, core: Arc<Core>, questions: Incoming) -> Response<Body> {
        let (answers, body) = mpsc::channel(AHEAD);
        tokio::spawn(async move {
            let mut stopped = core.stop.subscribe();
            let exchange = Exchange { questions, received: BytesMut::new(), answers: answers.clone() };
            let result = tokio::select! {
                result = exchange.run(self, &core) => result,
                _ = stopped.wait_for(|stopped| *stopped) => Err(Error::new(ErrorKind::Unavailable, "the server stops")),
            };
            let _ = answers.send(Frame::trailers(reply::trailers(&result))).await; // a client that left needs no status
        });
        reply::stream(body)
    }
}

/// Both directions of a call.
struct Exchange {
    questions: Incoming,
    received: BytesMut,
    answers: mpsc::Sender<Frame<Bytes>>,
}

impl Exchange {
    async fn run(mut self, called: Streamed, core: &Core) -> Result<()> {
        match called {
            Streamed::Watch => self.watch(core).await,
            Streamed::Reflect => self.reflect(core).await,
        }
    }

    /// Says the state now and whenever it changes.
    async fn watch(&mut self, core: &Core) -> Result<()> {
        let question: Option<HealthCheckRequest> = self.next().await?;
        let service = question.unwrap_or_default().service;
        let mut serving = core.serving.subscribe();
        loop {
            let now = *serving.borrow_and_update();
            self.say(&health::state(&service, now)).await?;
            tokio::select! {
                changed = serving.changed() => changed.map_err(|_| gone())?,
                () = self.answers.closed() => return Err(gone()),
            }
        }
    }

    async fn reflect(&mut self, core: &Core) -> Result<()> {
        let served = Served { health: core.health, profiler: core.profiler };
        while let Some(question) = self.next::<ServerReflectionRequest>().await? {
            self.say(&reflection::answer(question, served)).await?;
        }
        Ok(())
    }

    async fn say(&self, answer: &impl Message) -> Result<()> {
        self.answers.send(Frame::data(message::wrap(answer)?)).await.map_err(|_| gone())
    }

    /// The next question; `None` when there are no more.
    async fn next<M: Message + Default>(&mut self) -> Result<Option<M>> {
        loop {
            if let Some(length) = message::expected_bytes(&self.received) {
                if length > MAX_QUESTION_BYTES {
                    return Err(Error::new(ErrorKind::ResourceExhausted, "the message is too large"));
                }
                if self.received.len() >= length {
                    let frame = self.received.split_to(length).freeze();
                    let question = M::decode(message::unwrap(frame, None, MAX_QUESTION_BYTES)?);
                    return question.map(Some).map_err(|error| message::does_not_parse(&error));
                }
            }
            match self.questions.frame().await {
                None if self.received.has_remaining() => return Err(Error::internal("the stream ends in a message")),
                None => return Ok(None),
                Some(Err(_)) => return Err(gone()),
                Some(Ok(frame)) => self.received.extend_from_slice(&frame.into_data().unwrap_or_default()),
            }
        }
    }
}

/// The client has left.
fn gone() -> Error {
    Error::new(ErrorKind::Cancelled, "the client left")
}
