//! Every loaded version, by the id that tables use.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::lease::Lease;
use crate::loaded::{Fresh, Loaded, Ready};

/// The loaded versions that a table may name.
#[derive(Default)]
pub(crate) struct Registry(Mutex<Entries>);

#[derive(Default)]
struct Entries {
    loaded: BTreeMap<u64, Arc<Loaded>>,
    last_id: u64,
}

impl Registry {
    /// Takes a version and gives it an id that was never used before.
    pub(crate) fn add(&self, fresh: Fresh, ready: Ready) -> Arc<Loaded> {
        let mut entries = self.entries();
        entries.last_id += 1;
        let id = entries.last_id;
        let loaded = Arc::new(Loaded::new(id, fresh, ready));
        entries.loaded.insert(id, Arc::clone(&loaded));
        loaded
    }

    /// A lease for a table. Taken under the lock, so that none is given out once [`Registry::forget`] has returned.
    pub(crate) fn lease(&self, id: u64) -> Option<Lease> {
        self.entries().loaded.get(&id).map(Lease::new)
    }

    /// No table can name this version any more.
    pub(crate) fn forget(&self, id: u64) {
        self.entries().loaded.remove(&id);
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries().loaded.is_empty()
    }

    /// All of them, by id.
    pub(crate) fn all(&self) -> Vec<Arc<Loaded>> {
        self.entries().loaded.values().cloned().collect()
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
