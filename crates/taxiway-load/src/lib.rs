//! Load for a model server: prepared requests, asked again and again over HTTP/1.1 or gRPC.
//!
//! Each unit of concurrency is a connection with one request in flight. In a closed loop it asks again as soon as it was
//! answered; at a rate, requests have their moments, and each one's latency counts from its moment, whether or not a
//! connection was free to send it then. A server that stalls is thus seen to stall by every request that fell due.
#![forbid(unsafe_code)]

mod answers;
mod connection;
mod document;
mod histogram;
mod pace;
mod tally;
mod threads;
mod tls;
mod worker;

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderValue;
use taxiway_engine::{Error, Result};

pub use answers::Different;
pub use document::{Endpoint, Protocol, Target, Tls, Window};

use answers::Answers;
use connection::{Dialer, Prepared};
use threads::Running;

/// What asks one server the same requests, window after window. Answers are held against the first of each request.
pub struct Load {
    dialer: Arc<Dialer>,
    requests: Arc<[Prepared]>,
    answers: Arc<Answers>,
    running: Option<Running>,
}

impl Load {
    /// Nothing is sent yet.
    ///
    /// Each request is the path to send it to and its message: over gRPC without the five bytes before it.
    ///
    /// # Errors
    /// `InvalidArgument` when there is no request, an address is none, or the certificates are not usable.
    pub fn new(target: &Target, requests: Vec<(String, Bytes)>) -> Result<Load> {
        if requests.is_empty() {
            return Err(Error::invalid("there is no request to send"));
        }
        let authority = HeaderValue::from_str(&target.authority)
            .map_err(|_| Error::invalid(format!("{:?} is no name of a server", target.authority)))?;
        let dialer = Dialer::new(target, authority)?;
        let prepared: Result<Vec<_>> = requests.into_iter().map(|(path, body)| dialer.prepare(&path, &body)).collect();
        let requests: Arc<[Prepared]> = prepared?.into();
        let answers = Arc::new(Answers::of(requests.len()));
        Ok(Load { dialer: Arc::new(dialer), requests, answers, running: None })
    }

    /// Begin a window; returns at once.
    ///
    /// # Errors
    /// `FailedPrecondition` while one runs, `InvalidArgument` when it cannot be, `ResourceExhausted` without threads.
    pub fn start(&mut self, window: Window) -> Result<()> {
        if self.running.is_some() {
            return Err(Error::new(taxiway_engine::ErrorKind::FailedPrecondition, "a window is running"));
        }
        window.check()?;
        let (dialer, requests, answers) = (self.dialer.clone(), self.requests.clone(), self.answers.clone());
        self.running = Some(Running::start(window, dialer, requests, answers)?);
        Ok(())
    }

    /// Wait for the window's end, no longer than this. Returns whether it has ended; true when none runs.
    pub fn wait(&self, longest: std::time::Duration) -> bool {
        self.running.as_ref().is_none_or(|running| running.wait(longest))
    }

    /// What the window came to, as a JSON document. One that still runs is ended at once, and its open requests given up.
    ///
    /// # Errors
    /// `FailedPrecondition` when none was begun.
    pub fn finish(&mut self) -> Result<serde_json::Value> {
        match self.running.take() {
            Some(running) => running.finish(),
            None => Err(Error::new(taxiway_engine::ErrorKind::FailedPrecondition, "no window was begun")),
        }
    }

    /// The requests whose answers were not always the same bytes, over all windows so far.
    pub fn different(&self) -> Vec<Different> {
        self.answers.different()
    }
}
