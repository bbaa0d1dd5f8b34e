//! Answers that are remembered for a while, so that feedback about a request finds what it is about.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

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
    /// Of one shard.
    capacity: usize,
}

#[derive(Default)]
struct Shard {
    entries: HashMap<u64, Entry>,
    /// The oldest first. A request that came again under its id is here twice; the later one counts.
    order: VecDeque<(u64, Instant)>,
}

struct Entry {
    at: Instant,
    owner: Owner,
    tops: Option<Tops>,
    shadow: Option<(Arc<ShadowCounts>, Tops)>,
    judged: bool,
    valued: bool,
}

impl Memory {
    pub(crate) fn new(config: &TrafficConfig) -> Memory {
        let ring = || Ring {
            shards: std::array::from_fn(|_| Mutex::default()),
            capacity: config.feedback_capacity.div_ceil(SHARDS),
        };
        Memory { kept: [ring(), ring()], window: config.feedback_window(), heard: HeardCounts::default() }
    }

    /// Remembers an answer; `rest` whether it is one of many.
    pub(super) fn remember(&self, key: u64, rest: bool, owner: Owner, tops: Option<Tops>, now: Instant) {
        let ring = &self.kept[usize::from(rest)];
        let mut shard = ring.shard(key);
        shard.forget(now, self.window, ring.capacity.saturating_sub(1));
        let entry = Entry { at: now, owner, tops, shadow: None, judged: false, valued: false };
        if let Some(before) = shard.entries.insert(key, entry) {
            before.close();
        }
        shard.order.push_back((key, now));
    }

    /// The classes that a shadow put first for a remembered request.
    pub(super) fn shadowed(&self, key: u64, counts: &Arc<ShadowCounts>, tops: Tops) {
        if let Some(entry) = self.kept[0].shard(key).entries.get_mut(&key) {
            entry.shadow = Some((Arc::clone(counts), tops));
        }
    }

    /// Takes what is said of an answer.
    pub(crate) fn hear(&self, key: u64, judgement: &Judgement, now: Instant) -> Heard {
        let heard = self.kept.iter().find_map(|ring| {
            let mut shard = ring.shard(key);
            shard.forget(now, self.window, ring.capacity);
            shard.entries.get_mut(&key).map(|entry| entry.hear(judgement))
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
                lock(shard).forget(now, self.window, ring.capacity);
            }
        }
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
    /// Forgets what is older than `window`, and the oldest beyond `capacity`.
    fn forget(&mut self, now: Instant, window: Duration, capacity: usize) {
        while let Some(&(key, at)) = self.order.front() {
            if self.order.len() <= capacity && now.saturating_duration_since(at) <= window {
                return;
            }
            self.order.pop_front();
            if self.entries.get(&key).is_some_and(|entry| entry.at == at)
                && let Some(entry) = self.entries.remove(&key)
            {
                entry.close();
            }
        }
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
        let verdict = match judgement {
            Judgement::Value(value) => Verdict::Value(*value),
            Judgement::Correct(correct) => Verdict::of([*correct].into_iter()),
            Judgement::Labels(labels) => match &self.tops {
                Some(tops) if tops.len() == labels.len() => {
                    Verdict::of(tops.iter().zip(labels).map(|(top, label)| top.as_slice() == label))
                }
                tops => return Heard::NoClass { rows: tops.as_ref().map(Tops::len) },
            },
        };
        *said = true;
        self.owner.counter.judged(&verdict);
        self.compare(judgement);
        Heard::Counted
    }

    /// Who of both versions was right, where a shadow answered too.
    fn compare(&self, judgement: &Judgement) {
        let (Some((counts, shadow)), Some(tops), Judgement::Labels(labels)) = (&self.shadow, &self.tops, judgement)
        else {
            return;
        };
        let rows = tops.iter().zip(shadow).zip(labels);
        counts.judged(rows.map(|((stable, shadow), label)| (stable.as_slice() == label, shadow.as_slice() == label)));
    }

    /// Its time for feedback is over.
    fn close(&self) {
        self.owner.closed(self.judged);
    }
}

#[cfg(test)]
mod tests;
