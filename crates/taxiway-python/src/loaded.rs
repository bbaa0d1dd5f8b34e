//! A version in memory.

use pyo3::prelude::*;

use crate::errors::{raise, seconds};

/// A version in memory, warmed and ready to be published.
#[pyclass(frozen, module = "taxiway._server")]
pub(crate) struct LoadedVersion(pub(crate) taxiway_server::LoadedVersion);

#[pymethods]
impl LoadedVersion {
    /// What a table calls it; never used twice by one server.
    #[getter]
    fn id(&self) -> u64 {
        self.0.id()
    }

    /// JSON: engine, signatures, load and warm-up times.
    fn describe(&self) -> &str {
        self.0.describe()
    }

    /// How many requests and tables hold it now.
    fn leases(&self) -> usize {
        self.0.leases()
    }

    /// Give up this claim, wait until every lease is returned, and free the memory.
    fn release(&self, py: Python<'_>, timeout_seconds: f64) -> PyResult<bool> {
        let timeout = seconds(timeout_seconds).map_err(raise)?;
        Ok(py.detach(|| self.0.release(timeout)))
    }
}
