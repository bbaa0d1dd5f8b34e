//! Refusals, as Python sees them.

use std::time::Duration;

use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use taxiway_engine::{Error, ErrorKind, Result};

pyo3::create_exception!(
    _server,
    ServerError,
    PyException,
    "A refusal of the data plane. ``args`` is ``(kind, message)``, the kind a gRPC code's name."
);

/// An error as an exception.
pub(crate) fn raise(error: Error) -> PyErr {
    ServerError::new_err((error.kind.name(), error.message))
}

/// An exception as an error: a `ServerError` says its kind, anything else is `Internal`.
pub(crate) fn lowered(py: Python<'_>, error: &PyErr) -> Error {
    let said: Option<(String, String)> = match error.is_instance_of::<ServerError>(py) {
        true => error.value(py).getattr("args").and_then(|args| args.extract()).ok(),
        false => None,
    };
    match said {
        Some((kind, message)) => Error::new(kind_of(&kind), message),
        None => Error::internal(error.to_string()),
    }
}

fn kind_of(name: &str) -> ErrorKind {
    (1..).map_while(ErrorKind::from_code).find(|kind| kind.name() == name).unwrap_or(ErrorKind::Unknown)
}

/// A document from Python.
///
/// # Errors
/// `InvalidArgument` when it is not what is expected.
pub(crate) fn read<T: serde::de::DeserializeOwned>(what: &str, document: &str) -> Result<T> {
    serde_json::from_str(document).map_err(|error| Error::invalid(format!("not {what}: {error}")))
}

/// A time in seconds from Python.
///
/// # Errors
/// `InvalidArgument` when it is negative or no number; infinity is as long as can be.
pub(crate) fn seconds(value: f64) -> Result<Duration> {
    /// Longer than any process lives, short enough to be added to a clock.
    const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
    if value.is_nan() || value < 0.0 {
        return Err(Error::invalid(format!("{value} is not a time in seconds")));
    }
    Ok(Duration::try_from_secs_f64(value).unwrap_or(FOR_EVER).min(FOR_EVER))
}
