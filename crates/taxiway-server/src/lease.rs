//! Leases: counted claims on a loaded version, which outlive any table.

use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::loaded::Loaded;

/// How many claims there are on one version, and who waits for their end.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    count: AtomicUsize,
    gate: Mutex<()>,
    none_left: Condvar,
}

/// One claim; dropping it gives it back.
#[derive(Debug)]
struct Claim(Arc<Claims>);

/// The right to run a loaded version. While it is held the version stays in memory, whatever tables say.
///
/// Who holds a lease may clone it. Who does not can only get one through a table, which holds leases itself: so once
/// the last lease is returned there will never be another.
pub(crate) struct Lease {
    // The order matters: a waiter that sees no claim may rely on the version's memory being its own to free.
    loaded: Arc<Loaded>,
    claim: Claim,
}

impl Claims {
    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// Waits until there is none, for at most `timeout`. Whether there is none.
    pub(crate) fn wait_for_none(&self, timeout: Duration) -> bool {
        let gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.none_left.wait_timeout_while(gate, timeout, |()| self.count() > 0);
        let _gate = waited.unwrap_or_else(PoisonError::into_inner);
        self.count() == 0
    }
}

impl Claim {
    fn new(claims: &Arc<Claims>) -> Claim {
        claims.count.fetch_add(1, Ordering::Relaxed);
        Claim(Arc::clone(claims))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if self.0.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            // Under the gate, so that it cannot fall between a waiter's look at the count and its wait.
            let _gate = self.0.gate.lock().unwrap_or_else(PoisonError::into_inner);
            self.0.none_left.notify_all();
        }
    }
}

impl Lease {
    /// A first lease, for a table.
    pub(crate) fn new(loaded: &Arc<Loaded>) -> Lease {
        Lease { loaded: Arc::clone(loaded), claim: Claim::new(&loaded.claims) }
    }
}

impl Clone for Lease {
    fn clone(&self) -> Lease {
        Lease { loaded: Arc::clone(&self.loaded), claim: Claim::new(&self.claim.0) }
    }
}

impl Deref for Lease {
    type Target = Loaded;

    fn deref(&self) -> &Loaded {
        &self.loaded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_claim_wakes_who_waits() {
        let claims = Arc::new(Claims::default());
        let (first, second) = (Claim::new(&claims), Claim::new(&claims));
        assert_eq!(claims.count(), 2);
        assert!(!claims.wait_for_none(Duration::ZERO));
        let waiter = std::thread::spawn({
            let claims = Arc::clone(&claims);
            move || claims.wait_for_none(Duration::from_secs(60))
        });
        drop(first);
        drop(second);
        assert!(waiter.join().unwrap());
        assert_eq!(claims.count(), 0);
    }
}
