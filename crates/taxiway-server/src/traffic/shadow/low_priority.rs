//! Letting everything else go first.

/// How nice a shadow's thread is; 19 is the nicest.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

/// Lowers the priority of the calling thread, once. On Linux alone a thread has one of its own; elsewhere the bounds of
/// the queue must do.
pub(super) fn lower() {
    #[cfg(target_os = "linux")]
    {
        thread_local!(static DONE: std::cell::Cell<bool> = const { std::cell::Cell::new(false) });
        if !DONE.replace(true) {
            // A system that does not let us be nice lets us run all the same.
            let _ = rustix::process::setpriority_process(None, NICENESS);
        }
    }
}
