//! The server.

use std::time::Instant;

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use taxiway_engine::{Error, ErrorKind, Result};
use taxiway_runtimes::{Candidates, LoadSpec, Threads, candidates};
use taxiway_server::batch::Batching;
use taxiway_server::request_log::LogConfig;
use taxiway_server::{Choice, Contenders, Fresh, Priority, WarmUpOptions, choose};

use crate::errors::{lowered, raise, read, seconds};
use crate::loaded::LoadedVersion;

/// The server: its listeners, its table, its loaded versions.
#[pyclass(frozen, module = "taxiway._server")]
pub(crate) struct Server(taxiway_server::Server);

#[pymethods]
impl Server {
    #[new]
    fn new(config: &str) -> PyResult<Server> {
        let config = read("a server's configuration", config).map_err(raise)?;
        taxiway_server::Server::new(config).map(Server).map_err(raise)
    }

    /// Open the ports. JSON: the addresses that were bound.
    fn start(&self, py: Python<'_>) -> PyResult<String> {
        let addresses = py.detach(|| self.0.start()).map_err(raise)?;
        let shown = |address: Option<std::net::SocketAddr>| address.map(|address| address.to_string());
        Ok(serde_json::json!({"rest": shown(addresses.rest), "grpc": shown(addresses.grpc)}).to_string())
    }

    /// Load and warm a version; blocks with the lock released.
    fn load(&self, py: Python<'_>, spec: &str) -> PyResult<LoadedVersion> {
        let spec: LoadSpec = read("a version to load", spec).map_err(raise)?;
        let batching = match &spec.batching {
            None => Batching::Off,
            Some(word) if word == "auto" => Batching::Auto,
            Some(params) => Batching::Asked(read("a version's batching", &params.to_string()).map_err(raise)?),
        };
        let log = spec.request_log.as_ref().map(|config| read("a version's request log", &config.to_string()));
        let log = log.transpose().map_err(raise)?;
        py.detach(|| load(&self.0, &spec, batching, log)).map_err(raise)
    }

    /// Replace the table by one pointer swap.
    fn publish(&self, py: Python<'_>, table: &str) -> PyResult<()> {
        py.detach(|| self.0.publish(table)).map_err(raise)
    }

    /// JSON: what the requests of a model's experiment came to; ``null`` when it never had one.
    fn outcomes(&self, py: Python<'_>, model: &str) -> String {
        py.detach(|| self.0.outcomes(model).to_string())
    }

    /// Let ``handler`` answer HandleReloadConfigRequest; it is called on a thread of the server's, one call at a time.
    fn on_reload(&self, handler: Py<PyAny>) -> PyResult<()> {
        self.0.on_reload(Box::new(move |request| reload(&handler, request))).map_err(raise)
    }

    /// The value of a counter of the metrics pages; 0 when there is none of that name.
    fn counter(&self, py: Python<'_>, name: &str) -> u64 {
        py.detach(|| self.0.counter(name))
    }

    /// JSON: counters and gauges of the moment.
    fn stats(&self, py: Python<'_>) -> String {
        py.detach(|| self.0.stats().to_string())
    }

    /// Refuse new connections, finish requests for at most ``drain_seconds``, close.
    fn stop(&self, py: Python<'_>, drain_seconds: f64) -> PyResult<bool> {
        let drain = seconds(drain_seconds).map_err(raise)?;
        Ok(py.detach(|| self.0.stop(drain)))
    }
}

/// The interpreter's lock is taken here and nowhere else on a thread of the server's.
fn reload(handler: &Py<PyAny>, request: &[u8]) -> Result<Vec<u8>> {
    let answer = Python::try_attach(|py| {
        let answer = handler.call1(py, (PyBytes::new(py, request),)).and_then(|answer| answer.extract(py));
        answer.map_err(|error| lowered(py, &error))
    });
    answer.unwrap_or_else(|| Err(Error::new(ErrorKind::Unavailable, "the interpreter is ending")))
}

/// What may run a version, and how to go on. Threads that a runtime begins for requests must not have a low priority: a
/// load that begins some is one of the usual, to its end.
fn opened(spec: &LoadSpec, priority: Priority) -> Result<(Candidates, Priority)> {
    if priority == Priority::Low
        && let Some(found) = priority.run(|| candidates(spec, Threads::None))?
    {
        return Ok((found, priority));
    }
    let found = candidates(spec, Threads::Any)?;
    let found = found.ok_or_else(|| Error::internal("a load that may begin any thread was not done"))?;
    Ok((found, Priority::Usual))
}

/// The engine that runs a version, and why; found out where that is open.
fn chosen(
    spec: &LoadSpec,
    candidates: Candidates,
    batch_rows: Option<usize>,
    max_tensor_bytes: usize,
) -> Result<Choice> {
    let mut choice = match candidates.litert {
        Some(second) => {
            let first = candidates.engine;
            let contenders = Contenders { first, second, shown: &spec.shown, batch_rows, max_tensor_bytes };
            let Choice { engine, evidence } = choose(&contenders, &spec.path);
            Choice { engine, evidence: serde_json::json!({"why": "", "signatures": evidence}) }
        }
        None if candidates.why.is_empty() => Choice { engine: candidates.engine, evidence: serde_json::Value::Null },
        None => {
            let evidence = serde_json::json!({"why": candidates.why, "signatures": {}});
            Choice { engine: candidates.engine, evidence }
        }
    };
    choice.engine = taxiway_runtimes::with_faults(choice.engine, spec)?;
    Ok(choice)
}

fn load(
    server: &taxiway_server::Server,
    spec: &LoadSpec,
    batching: Batching,
    request_log: Option<LogConfig>,
) -> Result<LoadedVersion> {
    let began = Instant::now();
    let rows = match &batching {
        Batching::Asked(params) => Some(params.max_batch_size),
        Batching::Off | Batching::Auto => None,
    };
    let wanted = if spec.urgent { Priority::Usual } else { server.load_priority() };
    let found = opened(spec, wanted).and_then(|(candidates, priority)| {
        let choice = priority.run(|| chosen(spec, candidates, rows, server.max_tensor_bytes()))?;
        Ok((choice, priority))
    });
    let (Choice { engine, evidence: choice }, priority) =
        found.inspect_err(|_| server.count_failed_load(&spec.path))?;
    let fresh = Fresh {
        name: spec.name.clone(),
        version: spec.version,
        engine,
        choice,
        load_time: began.elapsed(),
        batching,
        request_log,
        priority,
    };
    let warm_up = WarmUpOptions {
        enabled: spec.warm_up.enabled,
        iterations: spec.warm_up.iterations,
        max_tensor_bytes: server.max_tensor_bytes(),
    };
    let added = server.add(fresh, &spec.path, warm_up).map(LoadedVersion);
    taxiway_runtimes::give_back(); // after the warm-up, in which TensorFlow optimises the graph
    added
}
