//! Handing HandleReloadConfigRequest to whoever keeps the configuration, which is not the data plane.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use taxiway_engine::{Error, ErrorKind, Result};
use tokio::sync::Semaphore;

use crate::admit::{Deadline, timed_out};

/// Answers an encoded ReloadConfigRequest with an encoded ReloadConfigResponse. It may block for long.
pub type ReloadHandler = Box<dyn Fn(&[u8]) -> Result<Vec<u8>> + Send + Sync>;

/// The way to the handler. One call is on it at a time: others wait without a thread, each as long as its caller does.
pub(crate) struct Reloads {
    handler: OnceLock<Arc<ReloadHandler>>,
    turn: Arc<Semaphore>,
}

impl Reloads {
    pub(crate) fn new() -> Reloads {
        Reloads { handler: OnceLock::new(), turn: Arc::new(Semaphore::new(1)) }
    }

    /// # Errors
    /// `FailedPrecondition` when there is a handler already.
    pub(crate) fn handled_by(&self, handler: ReloadHandler) -> Result<()> {
        self.handler
            .set(Arc::new(handler))
            .map_err(|_| Error::new(ErrorKind::FailedPrecondition, "reloads have a handler already"))
    }

    /// Calls the handler on a thread that may block. A caller that stops waiting does not stop it.
    ///
    /// # Errors
    /// The handler's own; `Unimplemented` without one; `DeadlineExceeded`.
    pub(crate) async fn call(&self, request: Bytes, deadline: Deadline) -> Result<Vec<u8>> {
        let Some(handler) = self.handler.get().map(Arc::clone) else {
            let message = "this server's configuration does not come by HandleReloadConfigRequest";
            return Err(Error::new(ErrorKind::Unimplemented, message));
        };
        let turn = Arc::clone(&self.turn).acquire_owned();
        let turn = deadline.bound(turn).await.ok_or_else(timed_out)?;
        let answered = tokio::task::spawn_blocking(move || {
            let answer = handler(&request);
            drop(turn); // not before: the next call must find what this one left
            answer
        });
        match deadline.bound(answered).await {
            None => Err(timed_out()),
            Some(Ok(answer)) => answer,
            Some(Err(_)) => Err(Error::internal("the reload ended without an answer")),
        }
    }
}
