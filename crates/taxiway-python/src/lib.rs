//! The module `taxiway._server`: the data plane as Python sees it, and the load generator beside it.
//!
//! Each call takes and gives one JSON document, and lets go of the interpreter while it waits. The contract stands in
//! `src/taxiway/_server.pyi`.
#![forbid(unsafe_code)]

mod errors;
mod load;
mod loaded;
mod server;

use mimalloc::MiMalloc;
use pyo3::prelude::*;

/// A request asks for some dozens of blocks; glibc's allocator sweeps its small free ones whenever a body is among them.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// JSON: what was compiled in (version, protocols).
#[pyfunction]
fn libraries() -> String {
    serde_json::json!({
        "version": env!("CARGO_PKG_VERSION"),
        "protocols": ["rest", "grpc"],
        "engines": ["tensorflow", "litert"],
    })
    .to_string()
}

#[pymodule]
fn _server(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("ServerError", module.py().get_type::<errors::ServerError>())?;
    module.add_class::<load::Load>()?;
    module.add_class::<loaded::LoadedVersion>()?;
    module.add_class::<server::Server>()?;
    module.add_function(wrap_pyfunction!(libraries, module)?)
}
