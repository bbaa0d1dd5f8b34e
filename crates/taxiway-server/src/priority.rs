//! Letting requests go first.

use std::panic::resume_unwind;

use taxiway_engine::{Error, ErrorKind, Result};

/// How nice a thread of low priority is; 19 is the nicest. It gets a tenth of a core that one other thread wants all of,
/// and less beside several.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

/// What the runtimes are used to. It costs what of it is touched.
const STACK_BYTES: usize = 8 << 20;

/// How work beside requests is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// On the calling thread, as it is.
    Usual,
    /// On a thread of its own, to which all others are preferred. Threads that the work begins are like it, for good.
    Low,
}

impl Priority {
    /// Runs `work` to its end.
    ///
    /// # Errors
    /// Its own; `ResourceExhausted` when there is no thread to be had.
    pub fn run<T: Send>(self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        if self == Priority::Usual {
            return work();
        }
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().name("taxiway-aside".to_owned()).stack_size(STACK_BYTES);
            let lowered = || {
                lower();
                work()
            };
            let running = thread.spawn_scoped(scope, lowered).map_err(|error| {
                Error::new(ErrorKind::ResourceExhausted, format!("no thread to work beside requests: {error}"))
            })?;
            running.join().unwrap_or_else(|panic| resume_unwind(panic))
        })
    }
}

/// Lowers the priority of the calling thread, once. On Linux alone a thread has one of its own; elsewhere nothing is
/// done.
pub(crate) fn lower() {
    #[cfg(target_os = "linux")]
    {
        thread_local!(static DONE: std::cell::Cell<bool> = const { std::cell::Cell::new(false) });
        if !DONE.replace(true) {
            // A system that does not let us be nice lets us run all the same; a process that is nicer stays so.
            if rustix::process::getpriority_process(None).is_ok_and(|now| now < NICENESS) {
                let _ = rustix::process::setpriority_process(None, NICENESS);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    fn niceness() -> i32 {
        rustix::process::getpriority_process(None).unwrap()
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn low_work_is_nice_and_leaves_the_caller_as_it_was() {
        let before = niceness();
        assert_eq!(Priority::Low.run(|| Ok(niceness())), Ok(NICENESS.max(before)));
        assert_eq!(Priority::Usual.run(|| Ok(niceness())), Ok(before));
    }

    #[test]
    fn errors_and_panics_of_the_work_are_the_callers() {
        let refused = || Err::<(), _>(Error::invalid("no"));
        assert_eq!(Priority::Low.run(refused), refused());
        let panic = std::panic::catch_unwind(|| Priority::Low.run::<()>(|| panic!("lost")));
        assert_eq!(*panic.unwrap_err().downcast::<&str>().unwrap(), "lost");
    }
}
