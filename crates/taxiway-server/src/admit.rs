//! What a request must pass before anything is spent on it.

use std::time::{Duration, Instant};

use taxiway_engine::{Error, ErrorKind, Result};

/// When the caller stops waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Deadline(Option<Instant>);

impl Deadline {
    /// The sooner of the server's limit and the caller's own, both counted from now; `None` is no limit.
    pub(crate) fn sooner(limit: Option<Duration>, asked: Option<Duration>) -> Deadline {
        let timeout = match (limit, asked) {
            (Some(limit), Some(asked)) => Some(limit.min(asked)),
            (limit, asked) => limit.or(asked),
        };
        // A deadline beyond what the clock can name is none.
        Deadline(timeout.and_then(|timeout| Instant::now().checked_add(timeout)))
    }

    /// The moment itself; `None` is never.
    pub(crate) fn at(self) -> Option<Instant> {
        self.0
    }

    /// What is left.
    ///
    /// # Errors
    /// `DeadlineExceeded` when nothing is: the work must not begin.
    pub(crate) fn left(self) -> Result<Option<Duration>> {
        let Some(at) = self.0 else { return Ok(None) };
        match at.checked_duration_since(Instant::now()) {
            Some(left) if !left.is_zero() => Ok(Some(left)),
            _ => Err(timed_out()),
        }
    }

    /// Waits for `work` until then; `None` when the time was up first. Nothing is registered with the timer for work
    /// that is ready at once.
    pub(crate) async fn bound<T>(self, work: impl Future<Output = T>) -> Option<T> {
        match self.0 {
            None => Some(work.await),
            Some(at) => tokio::time::timeout_at(at.into(), work).await.ok(),
        }
    }
}

/// TensorFlow Serving's words for a request that took too long.
pub(crate) fn timed_out() -> Error {
    Error::new(ErrorKind::DeadlineExceeded, "Timed out waiting for notification")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sooner_one_counts() {
        let (short, long) = (Some(Duration::from_secs(1)), Some(Duration::from_secs(1000)));
        for (limit, asked) in [(short, long), (long, short), (short, None), (None, short)] {
            let left = Deadline::sooner(limit, asked).left().unwrap().unwrap();
            assert!(left <= Duration::from_secs(1));
        }
        assert_eq!(Deadline::sooner(None, None).left().unwrap(), None);
        assert_eq!(Deadline::sooner(None, Some(Duration::MAX)).left().unwrap(), None);
    }

    #[test]
    fn a_passed_deadline_is_an_error() {
        let error = Deadline::sooner(None, Some(Duration::ZERO)).left().unwrap_err();
        assert_eq!(
            (error.kind, error.message.as_str()),
            (ErrorKind::DeadlineExceeded, "Timed out waiting for notification")
        );
    }
}
