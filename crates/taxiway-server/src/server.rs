//! The whole data plane: listeners, table, loaded versions.

mod gathering;
mod registry;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use serde_json::{Value, json};
use taxiway_engine::{Error, ErrorKind, Result};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};

pub(crate) use registry::Registry;

use crate::batch::{BatchThreads, Batcher, Batching, Gathering};
use crate::choose::{Gathers, gathers};
use crate::config::{Http2, Limits, Prometheus, ServerConfig};
use crate::execute::Pool;
use crate::loaded::{Fresh, LoadedVersion, Ready, description};
use crate::metrics::Protocol;
use crate::metrics::{Counted, Gauges, Metrics};
use crate::priority::Priority;
use crate::reload::{ReloadHandler, Reloads};
use crate::request_log::{LogConfig, RequestLog};
use crate::table::Table;
use crate::threads::LAST_RUNS;
use crate::traffic::{Experiments, Memory, Shadows};
use crate::transport::{Checked, Door, Listener, RequestIds, Scope, SocketFile, acceptor, serve_unix};
use crate::warm_up::{WarmUpOptions, WarmedUp, warm_up};

/// What every request sees of the server.
pub(crate) struct Core {
    pub(crate) limits: Limits,
    pub(crate) http2: Http2,
    pub(crate) cors: bool,
    pub(crate) model_list: bool,
    pub(crate) artifacts: bool,
    pub(crate) tensor_content: bool,
    pub(crate) method_name_check: bool,
    pub(crate) prometheus: Option<Prometheus>,
    pub(crate) table: ArcSwap<Table>,
    pub(crate) pool: Pool,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) ids: RequestIds,
    pub(crate) reloads: Reloads,
    pub(crate) experiments: Experiments,
    pub(crate) shadows: Shadows,
    pub(crate) memory: Arc<Memory>,
    pub(crate) checked: Arc<Checked>,
    registry: Arc<Registry>,
    /// Whether gRPC's health service is served.
    pub(crate) health: bool,
    /// Whether TensorFlow's profiler service is served.
    pub(crate) profiler: bool,
    /// Whether requests are wanted: from the first model or ready table until the stop.
    pub(crate) serving: watch::Sender<bool>,
    /// Becomes true when the server stops.
    pub(crate) stop: watch::Sender<bool>,
    draining: AtomicBool,
}

/// The data plane. Its methods may be called from any thread that is not one of its own.
pub struct Server {
    config: ServerConfig,
    core: Arc<Core>,
    batch_threads: Mutex<Option<Arc<BatchThreads>>>,
    logs: Mutex<BTreeMap<PathBuf, Weak<RequestLog>>>,
    running: Mutex<Option<Running>>,
}

/// What there is between start and stop.
struct Running {
    runtime: Runtime,
    /// Removed last.
    socket_file: Option<SocketFile>,
    /// Yields nothing, and ends when the last connection has.
    connections: mpsc::Receiver<()>,
}

/// Where a started server listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    /// REST's address.
    pub rest: Option<SocketAddr>,
    /// gRPC's address.
    pub grpc: Option<SocketAddr>,
}

impl Server {
    /// A server that does not listen yet.
    ///
    /// # Errors
    /// `InvalidArgument` when a limit makes no sense.
    pub fn new(config: ServerConfig) -> Result<Server> {
        config.validate()?;
        let core = Core {
            limits: config.limits.clone(),
            http2: config.http2.clone(),
            cors: config.cors,
            model_list: config.model_list,
            artifacts: config.artifacts,
            tensor_content: config.tensor_content,
            method_name_check: config.method_name_check,
            prometheus: config.prometheus.clone(),
            table: ArcSwap::default(),
            pool: Pool::start("taxiway-run", config.compute_threads(), config.limits.max_queued_requests)?,
            metrics: Arc::default(),
            ids: RequestIds::new(),
            reloads: Reloads::new(),
            experiments: Experiments::default(),
            shadows: Shadows::start(&config.traffic)?,
            memory: Arc::new(Memory::new(&config.traffic)),
            checked: Arc::default(),
            registry: Arc::default(),
            health: config.grpc_health,
            profiler: config.grpc_profiler,
            serving: watch::Sender::new(false),
            stop: watch::Sender::new(false),
            draining: AtomicBool::new(false),
        };
        Ok(Server {
            config,
            core: Arc::new(core),
            batch_threads: Mutex::default(),
            logs: Mutex::default(),
            running: Mutex::default(),
        })
    }

    /// Opens the ports. They answer from then on; until a table is published, that nothing is there.
    ///
    /// # Errors
    /// `Unavailable` when an address cannot be had; `FailedPrecondition` when the server was started before.
    pub fn start(&self) -> Result<Addresses> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if running.is_some() || self.core.draining() {
            return Err(Error::new(ErrorKind::FailedPrecondition, "the server was started before"));
        }
        let rest = self.config.rest.as_ref().map(Listener::bind).transpose()?;
        let grpc = self.config.grpc.as_ref().map(Listener::bind).transpose()?;
        let unix = self.config.grpc_socket.as_deref().map(SocketFile::bind).transpose()?;
        let (unix, socket_file) = unix.unzip();
        let (rest_door, grpc_door) = (self.door(Protocol::Rest)?, self.door(Protocol::Grpc)?);
        let addresses = Addresses {
            rest: rest.as_ref().map(|listener| listener.address),
            grpc: grpc.as_ref().map(|listener| listener.address),
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(self.config.io_threads())
            .thread_name("taxiway-io")
            .enable_all()
            .build()
            .map_err(|error| Error::new(ErrorKind::ResourceExhausted, format!("cannot start threads: {error}")))?;
        let (open, connections) = mpsc::channel(1);
        let scope = Scope { core: Arc::clone(&self.core), stopped: self.core.stop.subscribe(), open };
        runtime.block_on(async {
            if let Some(listener) = rest {
                listener.serve(scope.clone(), rest_door)?;
            }
            if let Some(listener) = grpc {
                listener.serve(scope.clone(), grpc_door.clone())?;
            }
            if let Some(socket) = unix {
                serve_unix(socket, scope.clone(), Door { file: true, ..grpc_door })?;
            }
            Ok::<_, Error>(())
        })?;
        *running = Some(Running { runtime, socket_file, connections });
        Ok(addresses)
    }

    /// How to load a version now: beside those that may be asked meanwhile, or at full speed when there is none.
    pub fn load_priority(&self) -> Priority {
        if self.core.registry.is_empty() { Priority::Usual } else { Priority::Low }
    }

    fn door(&self, protocol: Protocol) -> Result<Door> {
        let tls = self.config.tls.as_ref().map(|tls| acceptor(tls, protocol)).transpose()?;
        Ok(Door { protocol, file: false, tls })
    }

    /// Warms up a version and takes it; a table can name it from then on. `directory` is where its requests are.
    ///
    /// # Errors
    /// Those of its warm-up requests.
    pub fn add(&self, mut fresh: Fresh, directory: &Path, options: WarmUpOptions) -> Result<LoadedVersion> {
        let graphs = Arc::clone(&self.core.metrics.graphs);
        let bare = Arc::clone(&fresh.engine);
        fresh.engine = Arc::new(Counted { engine: fresh.engine, graphs });
        let (load_time, choice) = (fresh.load_time, std::mem::take(&mut fresh.choice));
        let metrics = self.core.metrics.version(&fresh.name, fresh.version);
        let batcher = match &fresh.batching {
            Batching::Asked(params) => Some(self.batcher(&fresh, params, &metrics)?),
            Batching::Off | Batching::Auto => None,
        };
        let warmed = self.warmed(&fresh, batcher.as_ref(), directory, options)?;
        let Gathers { signatures, evidence } = match fresh.batching {
            // Warm by now: what is measured is how it will serve.
            Batching::Auto => fresh.priority.run(|| Ok(gathers(bare.as_ref(), directory, options.max_tensor_bytes)))?,
            Batching::Off | Batching::Asked(_) => Gathers::default(),
        };
        let gathering = batcher.map_or_else(|| self.found(&signatures, &metrics), Gathering::Asked);
        let log = fresh.request_log.clone().map(|config| self.request_log(config)).transpose()?;
        let ready = Ready { metrics, run_time: warmed.run_time, gathering, log };
        let loaded = self.core.registry.add(fresh, ready);
        let description = description(&loaded, &choice, &evidence, load_time, &warmed);
        Ok(LoadedVersion::new(loaded, &self.core.registry, &description))
    }

    /// Counts a version that its runtime did not load. One that it did is counted by [`Server::add`].
    pub fn count_failed_load(&self, directory: &Path) {
        self.core.metrics.loads.attempted(&directory.to_string_lossy(), None);
    }

    fn warmed(
        &self,
        fresh: &Fresh,
        batcher: Option<&Batcher>,
        directory: &Path,
        options: WarmUpOptions,
    ) -> Result<WarmedUp> {
        let loads = &self.core.metrics.loads;
        let path = directory.to_string_lossy();
        loads.attempted(&path, Some(fresh.load_time));
        let began = Instant::now();
        // Batches run on their own threads, which a slow hand must not keep waiting.
        let priority = if batcher.is_some() { Priority::Usual } else { fresh.priority };
        let warmed = priority.run(|| warm_up(fresh.engine.as_ref(), batcher, directory, options));
        let records = warmed.as_ref().map(|warmed| warmed.requests);
        if options.enabled && records != Ok(0) {
            loads.warmed(&path, began.elapsed(), records);
        }
        warmed
    }

    /// The log with a prefix: files have one writer, whichever versions write to them.
    fn request_log(&self, config: LogConfig) -> Result<Arc<RequestLog>> {
        let mut logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        logs.retain(|_, log| log.strong_count() > 0);
        if let Some(running) = logs.get(&config.prefix).and_then(Weak::upgrade) {
            return Ok(running);
        }
        let prefix = config.prefix.clone();
        let log = Arc::new(RequestLog::start(config)?);
        logs.insert(prefix, Arc::downgrade(&log));
        Ok(log)
    }

    /// Lets `handler` answer HandleReloadConfigRequest, one call at a time; without one the call is not implemented.
    ///
    /// # Errors
    /// `FailedPrecondition` when there is a handler already.
    pub fn on_reload(&self, handler: ReloadHandler) -> Result<()> {
        self.core.reloads.handled_by(handler)
    }

    /// The value of a counter of either metrics page: the sum of its samples, 0 when there is none of that name.
    /// TensorFlow's way to write a name, `/tensorflow/serving/request_count`, is understood.
    pub fn counter(&self, name: &str) -> u64 {
        let name = name.replace('/', ":");
        // Asked for by reloads, which are rare: what the pages say is all that there is to know.
        let pages = [self.core.metrics_page(), self.core.serving_metrics_page("")];
        pages.iter().map(|page| crate::metrics::counter(page, &name)).sum()
    }

    /// The largest tensor a request may ask for, in bytes.
    pub fn max_tensor_bytes(&self) -> usize {
        self.core.limits.max_tensor_bytes
    }

    /// Replaces the table; a request sees the old one or the new one, never a mixture.
    ///
    /// # Errors
    /// Those of a table that is not right; the old one then stays.
    pub fn publish(&self, document: &str) -> Result<()> {
        let table = Table::read(document, &self.core.registry, &self.core.experiments)?;
        let wanted = table.readiness.ready || table.models().iter().any(|(_, model)| model.readiness().ready);
        for loaded in self.core.registry.all() {
            loaded.on_trial.store(table.is_on_trial(&loaded), Ordering::Relaxed);
        }
        self.core.table.store(Arc::new(table));
        if wanted && !self.core.draining() {
            // For good: one model that comes or goes must not take the traffic of the others away.
            self.core.serving.send_if_modified(|serving| !std::mem::replace(serving, true));
        }
        Ok(())
    }

    /// What the requests of a model's experiment came to; null when it never had one.
    pub fn outcomes(&self, model: &str) -> Value {
        self.core.memory.sweep(Instant::now());
        self.core.experiments.document(model).unwrap_or(Value::Null)
    }

    /// Counters and gauges of the moment.
    pub fn stats(&self) -> Value {
        let leases: serde_json::Map<String, Value> = self
            .core
            .registry
            .all()
            .iter()
            .map(|loaded| (loaded.id.to_string(), loaded.claims.count().into()))
            .collect();
        json!({
            "connections": self.core.metrics.connections(),
            "requests_total": self.core.metrics.requests(),
            "requests_in_flight": self.core.metrics.in_flight(),
            "queued": self.core.pool.queued(),
            "draining": self.core.draining(),
            "leases": leases,
        })
    }

    /// Refuses new connections, lets requests in flight finish for at most `drain`, closes every connection and gives
    /// back the table's leases. Returns whether all had finished, runs whose callers had left among them. A stopped server
    /// does not start again.
    pub fn stop(&self, drain: Duration) -> bool {
        self.core.draining.store(true, Ordering::Relaxed);
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.core.serving.send_replace(false);
        let Some(Running { runtime, socket_file, mut connections }) = running else { return true };
        let began = Instant::now();
        drop(socket_file); // nobody new comes in
        self.core.stop.send_replace(true);
        let answered = runtime.block_on(async { tokio::time::timeout(drain, connections.recv()).await.is_ok() });
        self.core.pool.close();
        self.core.shadows.stop();
        // Nobody may wait for an answer any more while a run goes on whose caller left.
        let finished = answered && self.core.pool.join(drain.saturating_sub(began.elapsed()).max(LAST_RUNS));
        // Not waiting for what is left: a run that never ends must not keep the process.
        runtime.shutdown_background();
        self.core.table.store(Arc::default());
        let logs: Vec<_> = {
            let logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
            logs.values().filter_map(Weak::upgrade).collect()
        };
        // Whoever still holds a version must not keep its file half named.
        logs.iter().for_each(|log| log.complete());
        finished
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop(Duration::ZERO);
    }
}

impl Core {
    /// Whether the server is stopping.
    pub(crate) fn draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// What TensorFlow Serving counts, as it writes it; `thread_pool` names the batch threads.
    pub(crate) fn serving_metrics_page(&self, thread_pool: &str) -> String {
        let loaded = self.registry.all();
        let mut logs: Vec<(&str, &Arc<RequestLog>)> = Vec::new();
        for (name, log) in loaded.iter().filter_map(|one| Some((one.name.as_str(), one.log.as_ref()?))) {
            if logs.iter().all(|(_, known)| !Arc::ptr_eq(known, log)) {
                logs.push((name, log));
            }
        }
        let logs: Vec<_> = logs.into_iter().map(|(name, log)| (name, log.counts())).collect();
        crate::metrics::write_serving(&self.metrics, thread_pool, &logs)
    }

    /// Everything that is counted, as Prometheus reads it.
    pub(crate) fn metrics_page(&self) -> String {
        let loaded = self.registry.all();
        let table = self.table.load();
        let gauges = Gauges {
            queued: self.pool.queued(),
            feedback: self.memory.heard.all(),
            feedback_forgotten: self.memory.forgotten(),
            feedback_bytes: self.memory.bytes(),
            shadows: self.shadows.counts(),
            leases: loaded.iter().map(|l| (l.name.clone(), l.version, l.claims.count())).collect(),
            ready: table.models().iter().map(|(name, model)| ((*name).to_owned(), model.readiness().ready)).collect(),
        };
        crate::metrics::write(&self.metrics, &gauges)
    }
}
