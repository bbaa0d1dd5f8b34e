//! The load generator.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use taxiway_engine::Result;
use taxiway_load::{Different, Target, Window};

use crate::errors::{raise, read, seconds};

/// What asks one server the same requests, window after window.
#[pyclass(frozen, module = "taxiway._server")]
pub(crate) struct Load(Mutex<taxiway_load::Load>);

/// A request, its first answer, others with their counts, and how many were not kept.
type Told<'py> = (usize, Bound<'py, PyBytes>, Vec<(Bound<'py, PyBytes>, u64)>, u64);

#[pymethods]
impl Load {
    #[new]
    fn new(target: &str, requests: Vec<(String, Vec<u8>)>) -> PyResult<Load> {
        let target: Target = read("whom to ask", target).map_err(raise)?;
        let requests = requests.into_iter().map(|(path, message)| (path, Bytes::from(message))).collect();
        taxiway_load::Load::new(&target, requests).map(|load| Load(Mutex::new(load))).map_err(raise)
    }

    /// Begin a window of load; returns at once.
    fn start(&self, window: &str) -> PyResult<()> {
        let window: Window = read("a window of load", window).map_err(raise)?;
        self.held().start(window).map_err(raise)
    }

    /// Wait for the window's end, at most so long. Returns whether it has ended.
    fn wait(&self, py: Python<'_>, timeout_seconds: f64) -> PyResult<bool> {
        let longest = seconds(timeout_seconds).map_err(raise)?;
        Ok(py.detach(|| self.held().wait(longest)))
    }

    /// JSON: what the window came to. One that still runs is ended at once.
    fn finish(&self, py: Python<'_>) -> PyResult<String> {
        let document: Result<_> = py.detach(|| self.held().finish());
        document.map(|document| document.to_string()).map_err(raise)
    }

    /// The requests whose answers were not always the same bytes.
    fn different<'py>(&self, py: Python<'py>) -> Vec<Told<'py>> {
        let bytes = |answer: &Bytes| PyBytes::new(py, answer);
        let told = |one: Different| {
            let others = one.others.iter().map(|(answer, count)| (bytes(answer), *count)).collect();
            (one.request, bytes(&one.first), others, one.not_kept)
        };
        self.held().different().into_iter().map(told).collect()
    }
}

impl Load {
    fn held(&self) -> MutexGuard<'_, taxiway_load::Load> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
