//! Shadow: a sampled copy of what the stable version answered is run on another version, and the answers are compared.
//!
//! It happens behind the answer, on a thread of its own and of low priority. What finds the queue full is dropped and
//! counted; whatever becomes of a copy, its caller never learns of it.

mod compare;
mod counts;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use http::HeaderValue;
use taxiway_engine::{Call, Error, Result, Signature, Tensor};

use super::hash::xxh64;
use super::memory::Memory;
use super::nan::any_nan;
use super::top::tops;
use crate::config::TrafficConfig;
use crate::execute::{Outputs, Pool, guarded};
use crate::lease::Lease;
use compare::compare;
use counts::Case;

pub(crate) use counts::ShadowCounts;

/// How long a shadow may run.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where copies go, and how many.
#[derive(Clone)]
pub(crate) struct ShadowTo {
    pub(super) lease: Lease,
    pub(super) counts: Arc<ShadowCounts>,
    /// The hashes of request ids below it are copied.
    pub(super) below: u128,
    pub(super) tolerance: f64,
}

impl ShadowTo {
    /// Whether the request with this id is in the sample; another part of the ids than an arm has.
    pub(super) fn samples(&self, id: &HeaderValue) -> bool {
        let mut bytes = super::unit::Key::from_slice(b"shadow\0");
        bytes.extend_from_slice(id.as_bytes());
        u128::from(xxh64(&bytes)) < self.below
    }
}

/// What was asked, kept until it is answered. Its tensors are shared, not copied.
pub(crate) struct Asked {
    to: ShadowTo,
    id: HeaderValue,
    /// What the request is remembered by.
    key: u64,
    signature: Arc<Signature>,
    inputs: Vec<Tensor>,
    outputs: Outputs,
    began: Instant,
}

impl Asked {
    pub(super) fn new(to: ShadowTo, id: &HeaderValue, key: u64, run: &crate::execute::Run) -> Asked {
        let (signature, inputs, outputs) = (Arc::clone(&run.signature), run.inputs.clone(), run.outputs.clone());
        Asked { to, id: id.clone(), key, signature, inputs, outputs, began: Instant::now() }
    }
}

/// The queue of copies, and the threads that run them.
pub(crate) struct Shadows {
    pool: Pool,
    bytes: Arc<AtomicUsize>,
    max_bytes: usize,
    stopped: Arc<AtomicBool>,
    taken: AtomicU64,
    dropped: AtomicU64,
}

impl Shadows {
    /// # Errors
    /// `ResourceExhausted` when the system gives no thread.
    pub(crate) fn start(config: &TrafficConfig) -> Result<Shadows> {
        let pool = Pool::start("taxiway-shadow", config.shadow_threads, config.max_shadow_requests)?;
        let (taken, dropped) = (AtomicU64::new(0), AtomicU64::new(0));
        let (bytes, stopped) = (Arc::default(), Arc::default());
        Ok(Shadows { pool, bytes, max_bytes: config.max_shadow_bytes, stopped, taken, dropped })
    }

    /// Takes a copy when there is room, and returns at once.
    pub(super) fn offer(&self, asked: Asked, answer: &[Tensor], memory: &Arc<Memory>) {
        let counts = Arc::clone(&asked.to.counts);
        let size = asked.inputs.iter().chain(answer).map(bytes_of).sum();
        let held = self.bytes.fetch_add(size, Relaxed);
        let room = Room { bytes: Arc::clone(&self.bytes), size };
        if held + size > self.max_bytes {
            return self.picked(&counts, false);
        }
        let took = asked.began.elapsed();
        let (answer, memory, stopped) = (answer.to_vec(), Arc::clone(memory), Arc::clone(&self.stopped));
        let taken = self.pool.submit(None, move || {
            let _room = room;
            if !stopped.load(Relaxed) {
                crate::priority::lower();
                run(&asked, &answer, took, &memory);
            }
        });
        self.picked(&counts, taken.is_ok());
    }

    fn picked(&self, counts: &ShadowCounts, taken: bool) {
        counts.picked(taken);
        let count = if taken { &self.taken } else { &self.dropped };
        count.fetch_add(1, Relaxed);
    }

    /// What came of picking requests, by name.
    pub(crate) fn counts(&self) -> [(&'static str, u64); 2] {
        [("taken", self.taken.load(Relaxed)), ("dropped", self.dropped.load(Relaxed))]
    }

    /// Takes no more and runs no more.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Relaxed);
        self.pool.close();
    }
}

/// Gives bytes back when a copy is done with.
struct Room {
    bytes: Arc<AtomicUsize>,
    size: usize,
}

impl Drop for Room {
    fn drop(&mut self) {
        self.bytes.fetch_sub(self.size, Relaxed);
    }
}

fn bytes_of(tensor: &Tensor) -> usize {
    tensor.bytes().map_or(0, bytes::Bytes::len) + tensor.strings().map_or(0, taxiway_engine::Strings::byte_len)
}

fn run(asked: &Asked, answer: &[Tensor], took: Duration, memory: &Memory) {
    let counts = &asked.to.counts;
    let began = Instant::now();
    let shadow = match shadowed(asked) {
        Ok(shadow) => shadow,
        Err(error) => return counts.ran(Some(&error), false, [began.elapsed(), took]),
    };
    let ran = began.elapsed();
    counts.ran(None, any_nan(&shadow) && !any_nan(answer), [ran, took]);
    let names = asked.signature.inputs.iter().map(|port| port.name.as_str());
    let case = Case {
        id: asked.id.to_str().unwrap_or_default(),
        inputs: names.zip(&asked.inputs).collect(),
        stable: answer,
        shadow: &shadow,
    };
    counts.compared(&compare(answer, &shadow, asked.to.tolerance), &case);
    if let Some(tops) = tops(&shadow) {
        memory.shadowed(asked.key, counts, &tops);
    }
}

/// The shadow version's outputs, those that the request asked for.
fn shadowed(asked: &Asked) -> Result<Vec<Tensor>> {
    let engine = asked.to.lease.engine.as_ref();
    let name = &asked.signature.name;
    let found = engine.signatures().get(name);
    let signature = found.ok_or_else(|| Error::invalid(format!("it has no signature \"{name}\"")))?;
    let signature = signature.map_err(Clone::clone)?;
    let given = |port: &taxiway_engine::Port| {
        let place = asked.signature.inputs.iter().position(|known| known.name == port.name);
        place.map(|place| asked.inputs[place].clone()).or_else(|| port.default.clone())
    };
    let inputs: Option<Vec<Tensor>> = signature.inputs.iter().map(given).collect();
    let inputs = inputs.ok_or_else(|| Error::invalid("it takes other inputs"))?;
    if signature.inputs.iter().zip(&inputs).any(|(port, tensor)| port.dtype != tensor.dtype()) {
        return Err(Error::invalid("it takes inputs of other types"));
    }
    let wanted = asked.outputs.iter().map(|&index| &asked.signature.outputs[index].name);
    let outputs: Option<Outputs> =
        wanted.map(|name| signature.outputs.iter().position(|port| port.name == *name)).collect();
    let outputs = outputs.ok_or_else(|| Error::invalid("it has other outputs"))?;
    guarded(engine, &Call { signature, inputs: &inputs, outputs: &outputs, timeout: Some(PATIENCE) })
}
