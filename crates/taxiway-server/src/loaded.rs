//! Loaded versions: an engine with its name, its measurements and its claims.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use http::HeaderValue;
use serde_json::{Value, json};
use taxiway_engine::proto::SignatureDef;
use taxiway_engine::{DType, Engine};

use crate::batch::{Batching, Gathering};
use crate::execute::Pace;
use crate::lease::Claims;
use crate::metrics::VersionMetrics;
use crate::priority::Priority;
use crate::request_log::{LogConfig, RequestLog, Sampled};
use crate::server::Registry;
use crate::traffic::Caller;
use crate::warm_up::WarmedUp;

/// A version fresh from its runtime, which a server has yet to warm up and take.
pub struct Fresh {
    /// The model's name.
    pub name: String,
    /// The version's number.
    pub version: i64,
    /// What runs it.
    pub engine: Arc<dyn Engine>,
    /// Why that runs it, as JSON for the description; null where there was nothing to choose.
    pub choice: Value,
    /// How long the runtime took to load it.
    pub load_time: Duration,
    /// How its requests are gathered.
    pub batching: Batching,
    /// Where a sample of its requests is written; `None` writes none.
    pub request_log: Option<LogConfig>,
    /// How it is warmed up and measured.
    pub priority: Priority,
}

impl Fresh {
    /// An engine and nothing more.
    pub fn new(name: &str, version: i64, engine: Arc<dyn Engine>) -> Fresh {
        Fresh {
            name: name.to_owned(),
            version,
            engine,
            choice: Value::Null,
            load_time: Duration::ZERO,
            batching: Batching::Off,
            request_log: None,
            priority: Priority::Usual,
        }
    }
}

/// What the server adds to a fresh version.
pub(crate) struct Ready {
    pub(crate) metrics: Arc<VersionMetrics>,
    /// The median run of a warm-up request.
    pub(crate) run_time: Option<Duration>,
    pub(crate) gathering: Gathering,
    pub(crate) log: Option<Arc<RequestLog>>,
}

/// A version that requests can run.
pub(crate) struct Loaded {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) version: i64,
    pub(crate) engine: Arc<dyn Engine>,
    /// What gathers its requests, if anything does.
    pub(crate) gathering: Gathering,
    /// Where a sample of its requests goes, if anywhere.
    pub(crate) log: Option<Arc<RequestLog>>,
    /// The version's number as the header of an answer.
    pub(crate) header: HeaderValue,
    pub(crate) metrics: Arc<VersionMetrics>,
    pub(crate) pace: Pace,
    /// Whether a route leads some of the traffic here that the default version would answer.
    pub(crate) on_trial: AtomicBool,
    pub(crate) claims: Arc<Claims>,
}

impl Loaded {
    /// A version that was warmed up, and what gathers its requests.
    pub(crate) fn new(id: u64, fresh: Fresh, ready: Ready) -> Loaded {
        Loaded {
            id,
            name: fresh.name,
            version: fresh.version,
            engine: fresh.engine,
            gathering: ready.gathering,
            log: ready.log,
            header: HeaderValue::from(fresh.version),
            metrics: ready.metrics,
            pace: Pace::new(ready.run_time),
            on_trial: AtomicBool::new(false),
            claims: Arc::default(),
        }
    }

    /// What logs a request of `caller`, when it is to be logged.
    pub(crate) fn sampled(&self, caller: Caller<'_>) -> Option<Sampled<'_>> {
        let log = self.log.as_ref()?;
        if caller.is_unrecorded() { None } else { log.sample() }
    }
}

/// The control plane's hold on a loaded version.
pub struct LoadedVersion {
    id: u64,
    description: String,
    claims: Arc<Claims>,
    held: Mutex<Option<Arc<Loaded>>>,
    registry: Weak<Registry>,
}

impl LoadedVersion {
    pub(crate) fn new(loaded: Arc<Loaded>, registry: &Arc<Registry>, description: &Value) -> LoadedVersion {
        LoadedVersion {
            id: loaded.id,
            description: description.to_string(),
            claims: Arc::clone(&loaded.claims),
            held: Mutex::new(Some(loaded)),
            registry: Arc::downgrade(registry),
        }
    }

    /// What a table calls it.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Engine, signatures, load and warm-up times, as a JSON document.
    pub fn describe(&self) -> &str {
        &self.description
    }

    /// How many requests and tables hold it now.
    pub fn leases(&self) -> usize {
        self.claims.count()
    }

    /// Gives up this hold, waits until every lease is returned, and frees the memory on the calling thread. From the
    /// call on no table can name it. Returns whether it was freed in time; when not, the last request frees it.
    pub fn release(&self, timeout: Duration) -> bool {
        let held = self.give_up();
        let none_left = self.claims.wait_for_none(timeout);
        drop(held); // only now, so that the freeing does not fall on a request's thread
        none_left
    }

    fn give_up(&self) -> Option<Arc<Loaded>> {
        if let Some(registry) = self.registry.upgrade() {
            registry.forget(self.id);
        }
        self.held.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for LoadedVersion {
    fn drop(&mut self) {
        self.give_up();
    }
}

/// The description of a version: see the seam's `describe`.
pub(crate) fn description(
    loaded: &Loaded,
    choice: &Value,
    batching: &Value,
    load_time: Duration,
    warmed: &WarmedUp,
) -> Value {
    let signatures = loaded.engine.signatures().definitions();
    let signatures: serde_json::Map<String, Value> =
        signatures.iter().map(|(name, definition)| (name.clone(), describe_signature(definition))).collect();
    json!({
        "id": loaded.id,
        "name": loaded.name,
        "version": loaded.version,
        "engine": loaded.engine.name(),
        "choice": choice,
        "batching": batching,
        "load_ms": milliseconds(load_time),
        "warm_up_ms": milliseconds(warmed.time),
        "warm_up_requests": warmed.requests,
        "run_us": warmed.run_time.map(|time| time.as_secs_f64() * 1e6),
        "signatures": signatures,
    })
}

fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

fn describe_signature(definition: &SignatureDef) -> Value {
    let ports = |infos: &std::collections::BTreeMap<String, taxiway_engine::proto::TensorInfo>| -> Value {
        infos.iter().map(|(alias, info)| (alias.clone(), describe_port(info))).collect::<serde_json::Map<_, _>>().into()
    };
    json!({
        "method_name": definition.method_name,
        "inputs": ports(&definition.inputs),
        "outputs": ports(&definition.outputs),
    })
}

fn describe_port(info: &taxiway_engine::proto::TensorInfo) -> Value {
    use taxiway_engine::proto::tensor_info::Encoding;
    let tensor = match &info.encoding {
        Some(Encoding::Name(name)) => name.as_str(),
        _ => "",
    };
    let shape = info.tensor_shape.as_ref().filter(|shape| !shape.unknown_rank);
    let shape = shape.map(|shape| shape.dim.iter().map(|dim| dim.size.max(-1)).collect::<Vec<_>>());
    let dtype = DType::from_number(info.dtype).map_or_else(|| format!("type {}", info.dtype), |d| d.name().to_owned());
    json!({"dtype": dtype, "shape": shape, "tensor": tensor})
}
