//! Stopping a run at its deadline.
//!
//! LiteRT asks before each operation whether to go on, so a loop is stopped at once and one long operation is not.

use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// No deadline.
const NEVER: u64 = u64::MAX;

/// When the run of an instance is to end. It stays where it is for as long as the instance lives.
pub(crate) struct Watch {
    made: Instant,
    /// Nanoseconds after `made`.
    until: AtomicU64,
    has_stopped: AtomicBool,
}

impl Watch {
    pub(crate) fn new() -> Box<Watch> {
        Box::new(Watch { made: Instant::now(), until: AtomicU64::new(NEVER), has_stopped: AtomicBool::new(false) })
    }

    /// Sets the deadline of the next run.
    pub(crate) fn start(&self, timeout: Option<Duration>) {
        let until = timeout.map_or(NEVER, |timeout| nanoseconds(self.made.elapsed().saturating_add(timeout)));
        self.until.store(until, Relaxed);
        self.has_stopped.store(false, Relaxed);
    }

    /// Whether the last run was told to stop.
    pub(crate) fn has_stopped(&self) -> bool {
        self.has_stopped.load(Relaxed)
    }

    /// Whether the run is to stop.
    fn is_over(&self) -> bool {
        let until = self.until.load(Relaxed);
        let is_over = until != NEVER && nanoseconds(self.made.elapsed()) >= until;
        if is_over {
            self.has_stopped.store(true, Relaxed);
        }
        is_over
    }
}

/// What LiteRT calls.
///
/// # Safety
/// `watch` points to a [`Watch`] that is alive.
pub(crate) unsafe extern "C" fn is_over(watch: *mut c_void) -> bool {
    // SAFETY: the caller vouches for it; a watch is only ever shared.
    unsafe { &*watch.cast::<Watch>() }.is_over()
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(NEVER - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_over_at_its_deadline_and_the_next_is_not() {
        let watch = Watch::new();
        assert!(!watch.is_over());
        watch.start(Some(Duration::ZERO));
        assert!(watch.is_over() && watch.has_stopped());
        for timeout in [Some(Duration::from_secs(3600)), Some(Duration::MAX), None] {
            watch.start(timeout);
            assert!(!watch.is_over() && !watch.has_stopped());
        }
    }
}
