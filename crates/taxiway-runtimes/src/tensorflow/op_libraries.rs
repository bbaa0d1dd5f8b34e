//! Libraries of more operations: TF Text's, or a team's own.
//!
//! TensorFlow registers the operations of a library for the whole process, and for as long as it lives. So a library
//! is loaded once, by the first version that names it, and later versions find it there.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use taxiway_engine::{Error, ErrorKind, Result};

use super::library::Functions;
use super::status::Status;

/// Libraries loaded so far. A library that failed is not among them and is tried again.
static LOADED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// Makes the operations of these libraries known to TensorFlow, in this order.
///
/// # Errors
/// `InvalidArgument` for a path that is not absolute, `NotFound` for a file that is not there, `FailedPrecondition`
/// with TensorFlow's own text for one that it does not take.
pub(crate) fn load(functions: &'static Functions, paths: &[PathBuf]) -> Result<()> {
    // The lock is held while a library is loaded: a second version that needs it has to wait for it anyway.
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    for path in paths {
        if !loaded.contains(path) {
            load_one(functions, path)?;
            loaded.insert(path.clone());
        }
    }
    Ok(())
}

fn load_one(functions: &'static Functions, path: &Path) -> Result<()> {
    let shown = path.display();
    // The linker would look for a bare name in directories of its own.
    if !path.is_absolute() {
        return Err(Error::invalid(format!("the path of op library {shown} is not absolute")));
    }
    if !path.is_file() {
        return Err(Error::new(ErrorKind::NotFound, format!("there is no op library {shown}")));
    }
    let name = CString::new(path.as_os_str().as_bytes())
        .map_err(|_| Error::invalid(format!("the path of op library {shown} contains a zero byte")))?;
    let mut status = Status::new(functions);
    // SAFETY: the name outlives the call. Loading runs the library's initialisers; the operator who named it trusts it
    // as much as this program. The handle is ours to delete, which leaves the library itself where it is.
    unsafe {
        let handle = (functions.TF_LoadLibrary)(name.as_ptr(), status.as_ptr());
        if !handle.is_null() {
            (functions.TF_DeleteLibraryHandle)(handle);
        }
    }
    status.check().map_err(|error| {
        Error::new(
            ErrorKind::FailedPrecondition,
            format!(
                "op library {shown} cannot be loaded, it may be built for another TensorFlow than this {}: {}",
                functions.version(),
                error.message
            ),
        )
    })
}
