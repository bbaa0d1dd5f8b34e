//! Answers that are remembered for a while, so that feedback about a request finds what it is about.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use smallvec::SmallVec;

use super::counts::Verdict;
use super::experiment::Owner;
use super::hash::xxh64;
use super::shadow::ShadowCounts;
use super::top::Tops;
use super::unit::Key;
use crate::config::TrafficConfig;

/// Parts that are locked apart, by the low bits of a key.
const SHARDS: usize = 16;

/// What a request is remembered by.
pub(crate) fn key_of(model: &str, id: &[u8]) -> u64 {
    let mut bytes = Key::from_slice(model.as_bytes());
    bytes.push(0);
    bytes.extend_from_slice(id);
    xxh64(&bytes)
}

/// What is said of an answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Judgement {
    /// The right class of each row.
    Labels(Vec<Vec<u8>>),
    Correct(bool),
    Value(f64),
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    Counted,
    /// The like was said of the request before.
    Again,
    /// No such answer is remembered.
    Unknown,
    /// Labels were given and the answer names no class, or not for that many rows.
    NoClass {
        rows: Option<usize>,
    },
}

/// Answers of the arms and of shadowed requests, and apart from them those of the rest, which are many and must not
/// push the others out.
pub(crate) struct Memory {
    kept: [Ring; 2],
    window: Duration,
    pub(crate) heard: HeardCounts,
}

/// How often each came of feedback.
#[derive(Default)]
pub(crate) struct HeardCounts {
    pub(crate) counted: AtomicU64,
    pub(crate) again: AtomicU64,
    pub(crate) unknown: AtomicU64,
}

impl HeardCounts {
    /// Each by its name.
    pub(crate) fn all(&self) -> [(&'static str, u64); 3] {
        [("counted", &self.counted), ("again", &self.again), ("unknown", &self.unknown)]
            .map(|(name, count)| (name, count.load(Relaxed)))
    }
}

struct Ring {
    shards: [Mutex<Shard>; SHARDS],
    limits: ShardLimits,
}

/// What one shard may hold.
#[derive(Clone, Copy)]
struct ShardLimits {
    entries: usize,
    bytes: usize,
    window: Duration,
}

#[derive(Default)]
struct Shard {
    entries: HashMap<u64, Entry>,
    /// The oldest first. A request that came again under its id is here twice; the later one counts.
    order: VecDeque<(u64, Instant)>,
    /// What the classes of entries take beside them.
    beside: usize,
    /// How many were forgotten before their time.
    forgotten: u64,
}

/// The class of each row, as the hash of its text: of bounded size, whatever a model calls its classes. That two texts
/// share one of 2^64 is left out of account.
type Classes = SmallVec<[u64; 2]>;

struct Entry {
    at: Instant,
    owner: Owner,
    tops: Option<Classes>,
    shadow: Option<(Arc<ShadowCounts>, Classes)>,
    /// Labels that came before a shadow's answer did.
    early: Option<Classes>,
    judged: bool,
    valued: bool,
}

/// An entry with its places in both collections, which have up to twice the room that they need.
const ENTRY_BYTES: usize = 2 * (size_of::<(u64, Entry)>() + size_of::<(u64, Instant)>());

fn classes<'a>(texts: impl IntoIterator<Item = &'a [u8]>) -> Classes {
    texts.into_iter().map(xxh64).collect()
}

/// What classes take outside their entry.
fn beside(classes: &Classes) -> usize {
    if classes.spilled() { classes.capacity() * size_of::<u64>() } else { 0 }
}

impl Memory {
    pub(crate) fn new(config: &TrafficConfig) -> Memory {
        let limits = ShardLimits {
            entries: config.feedback_capacity.div_ceil(SHARDS),
            bytes: config.max_feedback_bytes / SHARDS,
            window: config.feedback_window(),
        };
        let ring = || Ring { shards: std::array::from_fn(|_| Mutex::default()), limits };
        Memory { kept: [ring(), ring()], window: limits.window, heard: HeardCounts::default() }
    }

    /// Remembers an answer; `rest` whether it is one of many.
    pub(super) fn remember(&self, key: u64, rest: bool, owner: Owner, tops: Option<Tops>, now: Instant) {
        let ring = &self.kept[usize::from(rest)];
        let tops = tops.map(|tops| classes(tops.iter().map(Key::as_slice)));
        let entry = Entry { at: now, owner, tops, shadow: None, early: None, judged: false, valued: false };
        let mut shard = ring.shard(key);
        shard.insert(key, entry);
        shard.forget(now, ring.limits);
    }

    /// The classes that a shadow put first for a remembered request. Labels may have come before.
    pub(super) fn shadowed(&self, key: u64, counts: &Arc<ShadowCounts>, tops: &Tops) {
        let tops = classes(tops.iter().map(Key::as_slice));
        let [ring, _] = &self.kept;
        let mut shard = ring.shard(key);
        shard.change(key, |entry| {
            entry.shadow = Some((Arc::clone(counts), tops));
            if let Some(labels) = entry.early.take() {
                entry.compare(labels);
            }
        });
        shard.trim(ring.limits);
    }

    /// Takes what is said of an answer.
    pub(crate) fn hear(&self, key: u64, judgement: &Judgement, now: Instant) -> Heard {
        let heard = self.kept.iter().find_map(|ring| {
            let mut shard = ring.shard(key);
            shard.forget(now, ring.limits);
            let heard = shard.change(key, |entry| entry.hear(judgement));
            shard.trim(ring.limits);
            heard
        });
        let heard = heard.unwrap_or(Heard::Unknown);
        match heard {
            Heard::Counted => self.heard.counted.fetch_add(1, Relaxed),
            Heard::Again => self.heard.again.fetch_add(1, Relaxed),
            Heard::Unknown => self.heard.unknown.fetch_add(1, Relaxed),
            Heard::NoClass { .. } => 0,
        };
        heard
    }

    /// Forgets what is too old, so that what is counted of closed windows is up to date.
    pub(crate) fn sweep(&self, now: Instant) {
        for ring in &self.kept {
            for shard in &ring.shards {
                lock(shard).forget(now, ring.limits);
            }
        }
    }

    /// How many answers were forgotten before their time for feedback was over.
    pub(crate) fn forgotten(&self) -> u64 {
        self.shards().map(|shard| lock(shard).forgotten).sum()
    }

    /// What those that are remembered take.
    pub(crate) fn bytes(&self) -> usize {
        self.shards().map(|shard| lock(shard).bytes()).sum()
    }

    fn shards(&self) -> impl Iterator<Item = &Mutex<Shard>> {
        self.kept.iter().flat_map(|ring| &ring.shards)
    }

    /// How long an answer is remembered at most.
    pub(crate) fn window(&self) -> Duration {
        self.window
    }
}

impl Ring {
    fn shard(&self, key: u64) -> MutexGuard<'_, Shard> {
        lock(&self.shards[key as usize % SHARDS])
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shard {
    fn bytes(&self) -> usize {
        self.order.len() * ENTRY_BYTES + self.beside
    }

    fn insert(&mut self, key: u64, entry: Entry) {
        self.order.push_back((key, entry.at));
        self.beside += entry.beside();
        if let Some(before) = self.entries.insert(key, entry) {
            self.gone(&before);
        }
    }

    /// Changes an entry; what it then takes is taken into account.
    fn change<T>(&mut self, key: u64, change: impl FnOnce(&mut Entry) -> T) -> Option<T> {
        let entry = self.entries.get_mut(&key)?;
        self.beside -= entry.beside();
        let changed = change(entry);
        self.beside += entry.beside();
        Some(changed)
    }

    /// Forgets what is too old, and the oldest of what is too much.
    fn forget(&mut self, now: Instant, limits: ShardLimits) {
        let is_over = |at| now.saturating_duration_since(at) > limits.window;
        while self.order.front().is_some_and(|&(_, at)| is_over(at)) {
            self.forget_oldest();
        }
        self.trim(limits);
    }

    /// Forgets the oldest of what is too much.
    fn trim(&mut self, limits: ShardLimits) {
        while self.order.len() > limits.entries || self.bytes() > limits.bytes {
            self.forgotten += u64::from(self.forget_oldest());
        }
    }

    /// Whether there was an answer; a request that came again has its place only.
    fn forget_oldest(&mut self) -> bool {
        let Some((key, at)) = self.order.pop_front() else { return false };
        if self.entries.get(&key).is_none_or(|entry| entry.at != at) {
            return false;
        }
        self.entries.remove(&key).inspect(|entry| self.gone(entry)).is_some()
    }

    fn gone(&mut self, entry: &Entry) {
        self.beside -= entry.beside();
        entry.close();
    }
}

impl Entry {
    fn hear(&mut self, judgement: &Judgement) -> Heard {
        let said = match judgement {
            Judgement::Value(_) => &mut self.valued,
            Judgement::Labels(_) | Judgement::Correct(_) => &mut self.judged,
        };
        if *said {
            return Heard::Again;
        }
        let labels = match judgement {
            Judgement::Labels(labels) => Some(classes(labels.iter().map(Vec::as_slice))),
            _ => None,
        };
        let verdict = match (judgement, &labels, &self.tops) {
            (Judgement::Value(value), ..) => Verdict::Value(*value),
            (Judgement::Correct(correct), ..) => Verdict::of([*correct].into_iter()),
            (_, Some(labels), Some(tops)) if tops.len() == labels.len() => {
                Verdict::of(tops.iter().zip(labels).map(|(top, label)| top == label))
            }
            (_, _, tops) => return Heard::NoClass { rows: tops.as_ref().map(Classes::len) },
        };
        *said = true;
        self.owner.counter.judged(&verdict);
        if let Some(labels) = labels {
            self.compare(labels);
        }
        Heard::Counted
    }

    /// Who of both versions was right; the labels wait when no shadow has answered yet.
    fn compare(&mut self, labels: Classes) {
        let Some(tops) = &self.tops else { return };
        match &self.shadow {
            None => self.early = Some(labels),
            Some((counts, shadow)) => {
                let rows = tops.iter().zip(shadow).zip(&labels);
                counts.judged(rows.map(|((stable, shadow), label)| (stable == label, shadow == label)));
            }
        }
    }

    /// What its classes take beside it.
    fn beside(&self) -> usize {
        let shadow = self.shadow.as_ref().map(|(_, classes)| classes);
        [self.tops.as_ref(), shadow, self.early.as_ref()].into_iter().flatten().map(beside).sum()
    }

    /// Its time for feedback is over.
    fn close(&self) {
        self.owner.closed(self.judged);
    }
}

#[cfg(test)]
mod tests;
