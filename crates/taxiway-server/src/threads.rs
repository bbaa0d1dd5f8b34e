//! Waiting for threads that are to end.

use std::sync::mpsc;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// The least time that threads get to end, also when that of the drain is used up.
pub(crate) const LAST_RUNS: Duration = Duration::from_millis(500);

/// Waits for threads that have nothing left to do but what they are at, and returns whether all have ended in time. The
/// others are left behind: a run that never ends must not keep the process.
pub(crate) fn join_within(threads: Vec<JoinHandle<()>>, time: Duration) -> bool {
    let (told, ended) = mpsc::channel();
    let join = move || {
        // Whoever asked for what panicked was told.
        threads.into_iter().for_each(|thread| drop(thread.join()));
        let _ = told.send(());
    };
    let joining = Builder::new().name("taxiway-join".into()).spawn(join);
    joining.is_ok() && ended.recv_timeout(time).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_end_are_waited_for_and_those_that_do_not_are_left() {
        let (gate, opened) = mpsc::channel::<()>();
        let (told, tells) = mpsc::channel();
        let hangs = std::thread::spawn(move || {
            let _ = opened.recv();
            told.send(()).unwrap();
        });
        let ends = std::thread::spawn(|| ());
        assert!(!join_within(vec![ends, hangs], Duration::from_millis(5)));
        drop(gate);
        tells.recv().unwrap();
        let panics = std::thread::spawn(|| panic!("its own fault"));
        assert!(join_within(vec![panics], Duration::from_secs(60)));
    }
}
