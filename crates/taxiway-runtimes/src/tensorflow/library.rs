//! TensorFlow's C API, as far as serving needs it.

use std::collections::BTreeMap;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use taxiway_engine::{Error, ErrorKind, Result};

use crate::TensorFlowLibraries;
use crate::symbols::{open_library, symbols};

/// Types that only TensorFlow can look into.
macro_rules! opaque {
    ($($name:ident),*) => {
        $(#[repr(C)]
        pub(crate) struct $name {
            _private: [u8; 0],
        })*
    };
}

opaque!(Graph, OpLibrary, Operation, RawSession, RawStatus, RawTensor, SessionConfig);

/// `TF_Output`: one output of an operation.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Output {
    pub(crate) operation: *mut Operation,
    pub(crate) index: c_int,
}

// SAFETY: it only names an operation, which is immutable and lives as long as its graph.
unsafe impl Send for Output {}
// SAFETY: as above.
unsafe impl Sync for Output {}

/// `TF_Buffer`: bytes and how to free them.
#[repr(C)]
pub(crate) struct RawBuffer {
    pub(crate) data: *const c_void,
    pub(crate) length: usize,
    pub(crate) free: Option<unsafe extern "C" fn(*mut c_void, usize)>,
}

/// `TF_TString`: 24 bytes whose inside is TensorFlow's own business.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
pub(crate) struct RawString {
    pub(crate) inside: [u8; 24],
}

pub(crate) type FreeTensor = unsafe extern "C" fn(*mut c_void, usize, *mut c_void);

symbols! {
    /// The functions that are used.
    Functions {
        TF_Version: fn() -> *const c_char;
        TF_LoadLibrary: fn(*const c_char, *mut RawStatus) -> *mut OpLibrary;
        TF_DeleteLibraryHandle: fn(*mut OpLibrary);
        TF_NewStatus: fn() -> *mut RawStatus;
        TF_DeleteStatus: fn(*mut RawStatus);
        TF_GetCode: fn(*const RawStatus) -> c_int;
        TF_Message: fn(*const RawStatus) -> *const c_char;
        TF_NewBuffer: fn() -> *mut RawBuffer;
        TF_NewBufferFromString: fn(*const c_void, usize) -> *mut RawBuffer;
        TF_DeleteBuffer: fn(*mut RawBuffer);
        TF_NewGraph: fn() -> *mut Graph;
        TF_DeleteGraph: fn(*mut Graph);
        TF_GraphOperationByName: fn(*mut Graph, *const c_char) -> *mut Operation;
        TF_OperationNumOutputs: fn(*mut Operation) -> c_int;
        TF_NewSessionOptions: fn() -> *mut SessionConfig;
        TF_SetConfig: fn(*mut SessionConfig, *const c_void, usize, *mut RawStatus);
        TF_DeleteSessionOptions: fn(*mut SessionConfig);
        TF_LoadSessionFromSavedModel: fn(
            *const SessionConfig, *const RawBuffer, *const c_char, *const *const c_char, c_int, *mut Graph,
            *mut RawBuffer, *mut RawStatus,
        ) -> *mut RawSession;
        TF_CloseSession: fn(*mut RawSession, *mut RawStatus);
        TF_DeleteSession: fn(*mut RawSession, *mut RawStatus);
        TF_SessionRun: fn(
            *mut RawSession, *const RawBuffer, *const Output, *const *mut RawTensor, c_int, *const Output,
            *mut *mut RawTensor, c_int, *const *const Operation, c_int, *mut RawBuffer, *mut RawStatus,
        );
        TF_NewTensor: fn(c_int, *const i64, c_int, *mut c_void, usize, FreeTensor, *mut c_void) -> *mut RawTensor;
        TF_DeleteTensor: fn(*mut RawTensor);
        TF_TensorType: fn(*const RawTensor) -> c_int;
        TF_NumDims: fn(*const RawTensor) -> c_int;
        TF_Dim: fn(*const RawTensor, c_int) -> i64;
        TF_TensorByteSize: fn(*const RawTensor) -> usize;
        TF_TensorData: fn(*const RawTensor) -> *mut c_void;
        TF_StringInit: fn(*mut RawString);
        TF_StringCopy: fn(*mut RawString, *const c_char, usize);
        TF_StringGetDataPointer: fn(*const RawString) -> *const c_char;
        TF_StringGetSize: fn(*const RawString) -> usize;
        TF_StringDealloc: fn(*mut RawString);
    }
}

/// Libraries opened so far, by the path of the core.
static OPENED: Mutex<BTreeMap<PathBuf, &'static Functions>> = Mutex::new(BTreeMap::new());

/// TensorFlow from these files, opened on the first call.
///
/// # Errors
/// `FailedPrecondition` when a file cannot be opened, or is of a TensorFlow without a function that is needed.
pub(crate) fn load(files: &TensorFlowLibraries) -> Result<&'static Functions> {
    let mut opened = OPENED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(functions) = opened.get(&files.core) {
        return Ok(functions);
    }
    // The core needs the framework, and the linker takes one that is already there, wherever it came from.
    open_library("TensorFlow", &files.framework)?;
    let core = open_library("TensorFlow", &files.core)?;
    let refuse = |version: &str, why: &str| {
        let path = files.core.display();
        let message = format!("the TensorFlow library {path} ({version}) {why}: TensorFlow {SUPPORTED} is needed");
        Error::new(ErrorKind::FailedPrecondition, message)
    };
    let version = version_of(core);
    if version.as_deref().is_some_and(|version| !is_supported(version)) {
        return Err(refuse(&format!("version {}", version.unwrap_or_default()), "is not supported"));
    }
    // SAFETY: the types above are those of TensorFlow's headers, and the library is never closed.
    let functions = unsafe { Functions::bind(core) }.map_err(|symbol| {
        let version =
            version.as_deref().map_or("of unknown version".to_owned(), |version| format!("version {version}"));
        refuse(&version, &format!("has no function {symbol}"))
    })?;
    let functions: &'static Functions = Box::leak(Box::new(functions));
    opened.insert(files.core.clone(), functions);
    Ok(functions)
}

/// The TensorFlows whose C API is the one above, for messages.
const SUPPORTED: &str = "2.16 or a newer 2";

/// Whether a version is one of them; one that cannot be read is left to the search for the functions.
fn is_supported(version: &str) -> bool {
    let mut numbers = version.split(['.', '-', '+']).map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => major == 2 && minor >= 16,
        _ => true,
    }
}

/// The version a library says it is; `None` when it says nothing.
fn version_of(library: &libloading::os::unix::Library) -> Option<String> {
    // SAFETY: the function has this type in every TensorFlow, and returns a constant.
    unsafe {
        let version = library.get::<unsafe extern "C" fn() -> *const c_char>(b"TF_Version").ok()?;
        Some(CStr::from_ptr(version()).to_string_lossy().into_owned())
    }
}

impl Functions {
    /// The library's version, `2.21.0`.
    pub(crate) fn version(&self) -> String {
        // SAFETY: it returns a constant.
        unsafe { CStr::from_ptr((self.TF_Version)()) }.to_string_lossy().into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_before_2_16_and_after_2_are_not_supported() {
        for version in ["2.16.0", "2.21.0-rc1", "2.100.3", "nightly"] {
            assert!(is_supported(version), "{version}");
        }
        for version in ["1.15.5", "2.9.1", "2.15.0", "3.0.0"] {
            assert!(!is_supported(version), "{version}");
        }
    }
}
