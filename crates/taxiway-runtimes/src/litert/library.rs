//! LiteRT's C API (2.3), as far as serving needs it.

use std::collections::BTreeMap;
use std::ffi::{c_char, c_int, c_void};
use std::path::{Path, PathBuf};
use std::ptr::null_mut;
use std::sync::{Mutex, PoisonError};

use taxiway_engine::{Error, ErrorKind, Result};

use crate::symbols::{open_library, symbols};

/// Any of LiteRT's handles: pointers to what only it can look into.
pub(crate) type Raw = *mut c_void;

/// The most extents a tensor has.
pub(crate) const MAX_RANK: usize = 8;

/// `LiteRtLayout`, 68 bytes: the rank in the low 7 bits, then extents and strides.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Layout {
    rank_and_flag: u32,
    dimensions: [i32; MAX_RANK],
    strides: [u32; MAX_RANK],
}

impl Layout {
    /// A dense layout; `None` when there are too many extents, or one does not fit.
    pub(crate) fn new(shape: &[usize]) -> Option<Layout> {
        let mut layout = Layout::default();
        for (slot, &extent) in layout.dimensions.get_mut(..shape.len())?.iter_mut().zip(shape) {
            *slot = i32::try_from(extent).ok()?;
        }
        layout.rank_and_flag = shape.len() as u32; // at most 8
        Some(layout)
    }

    /// The extents; a negative one is open.
    pub(crate) fn extents(&self) -> &[i32] {
        let rank = (self.rank_and_flag & 0x7f) as usize;
        &self.dimensions[..rank.min(MAX_RANK)]
    }
}

/// `LiteRtRankedTensorType`, 72 bytes.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct TensorType {
    pub(crate) element: c_int,
    pub(crate) layout: Layout,
}

/// `LiteRtEnvOption`, 24 bytes, with an integer in it.
#[repr(C)]
pub(crate) struct EnvironmentOption {
    tag: c_int,
    kind: i64, // a C int and its padding
    value: i64,
}

/// `kLiteRtEnvOptionTagMinLoggerSeverity` = `kLiteRtLogSeverityError`: below that it tells of every resize, and of
/// every accelerator that a machine does not have.
static ONLY_ERRORS: EnvironmentOption = EnvironmentOption { tag: 25, kind: 2, value: 3 };

// A header that says otherwise is of another LiteRT.
const _: () =
    assert!(size_of::<Layout>() == 68 && size_of::<TensorType>() == 72 && size_of::<EnvironmentOption>() == 24);

symbols! {
    /// The functions that are used.
    Functions {
        LiteRtCreateEnvironment: fn(c_int, *const EnvironmentOption, *mut Raw) -> c_int;
        LiteRtCreateModelFromFile: fn(Raw, *const c_char, *mut Raw) -> c_int;
        LiteRtDestroyModel: fn(Raw);
        LiteRtGetModelMetadata: fn(Raw, *const c_char, *mut *const c_void, *mut usize) -> c_int;
        LiteRtGetNumModelSignatures: fn(Raw, *mut usize) -> c_int;
        LiteRtGetModelSignature: fn(Raw, usize, *mut Raw) -> c_int;
        LiteRtGetSignatureKey: fn(Raw, *mut *const c_char) -> c_int;
        LiteRtGetNumSignatureInputs: fn(Raw, *mut usize) -> c_int;
        LiteRtGetSignatureInputName: fn(Raw, usize, *mut *const c_char) -> c_int;
        LiteRtGetSignatureInputTensorByIndex: fn(Raw, usize, *mut Raw) -> c_int;
        LiteRtGetNumSignatureOutputs: fn(Raw, *mut usize) -> c_int;
        LiteRtGetSignatureOutputName: fn(Raw, usize, *mut *const c_char) -> c_int;
        LiteRtGetSignatureOutputTensorByIndex: fn(Raw, usize, *mut Raw) -> c_int;
        LiteRtGetTensorName: fn(Raw, *mut *const c_char) -> c_int;
        LiteRtGetRankedTensorType: fn(Raw, *mut TensorType) -> c_int;
        LiteRtCreateOptions: fn(*mut Raw) -> c_int;
        LiteRtDestroyOptions: fn(Raw);
        LiteRtSetOptionsHardwareAccelerators: fn(Raw, c_int) -> c_int;
        LiteRtCreateOpaqueOptions: fn(
            *const c_char, *mut c_void, unsafe extern "C" fn(*mut c_void), *mut Raw,
        ) -> c_int;
        LiteRtAddOpaqueOptions: fn(Raw, Raw) -> c_int;
        LiteRtCreateCompiledModel: fn(Raw, Raw, Raw, *mut Raw) -> c_int;
        LiteRtDestroyCompiledModel: fn(Raw);
        LiteRtCompiledModelResizeInputTensor: fn(Raw, usize, usize, *const c_int, usize) -> c_int;
        LiteRtCompiledModelResizeInputTensorNonStrict: fn(Raw, usize, usize, *const c_int, usize) -> c_int;
        LiteRtSetCompiledModelCancellationFunction: fn(
            Raw, *mut c_void, unsafe extern "C" fn(*mut c_void) -> bool,
        ) -> c_int;
        LiteRtGetCompiledModelOutputTensorLayouts: fn(Raw, usize, usize, *mut Layout, bool) -> c_int;
        LiteRtRunCompiledModel: fn(Raw, usize, usize, *mut Raw, usize, *mut Raw) -> c_int;
        LiteRtCreateTensorBufferFromHostMemory: fn(
            *const TensorType, *mut c_void, usize, *const c_void, *mut Raw,
        ) -> c_int;
        LiteRtDestroyTensorBuffer: fn(Raw);
    }
}

/// LiteRT, opened.
pub(crate) struct Library {
    pub(crate) functions: Functions,
    pub(crate) environment: Raw,
}

// SAFETY: an environment is made to be shared by models on several threads.
unsafe impl Send for Library {}
// SAFETY: as above.
unsafe impl Sync for Library {}

/// Libraries opened so far, by path.
static OPENED: Mutex<BTreeMap<PathBuf, &'static Library>> = Mutex::new(BTreeMap::new());

/// LiteRT from this file, opened on the first call.
///
/// # Errors
/// `FailedPrecondition` when the file cannot be opened, or is of a LiteRT without a function that is needed.
pub(crate) fn load(path: &Path) -> Result<&'static Library> {
    let mut opened = OPENED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(library) = opened.get(path) {
        return Ok(library);
    }
    let refuse = |why: &str| {
        let version = version_of(path).map(|version| format!(" (version {version})")).unwrap_or_default();
        let message = format!("the LiteRT library {}{version} {why}: LiteRT {SUPPORTED} is needed", path.display());
        Error::new(ErrorKind::FailedPrecondition, message)
    };
    if version_of(path).is_some_and(|version| !is_supported(&version)) {
        return Err(refuse("is not supported"));
    }
    // SAFETY: the types above are those of LiteRT's headers, and the library is never closed.
    let functions = unsafe { Functions::bind(open_library("LiteRT", path)?) }
        .map_err(|symbol| refuse(&format!("has no function {symbol}")))?;
    let mut library = Library { functions, environment: null_mut() };
    // SAFETY: one option is passed, and the handle's place outlives the call.
    let status =
        unsafe { (functions.LiteRtCreateEnvironment)(1, &raw const ONLY_ERRORS, &raw mut library.environment) };
    library.check(status, || "LiteRT cannot be set up".to_owned())?;
    let library: &'static Library = Box::leak(Box::new(library));
    opened.insert(path.to_owned(), library);
    Ok(library)
}

/// The LiteRTs whose C API is the one above, for messages.
const SUPPORTED: &str = "2.3 or a newer 2";

/// Whether a version is one of them; one that cannot be read is left to the search for the functions.
fn is_supported(version: &str) -> bool {
    let mut numbers = version.split(['.', '-', '+']).map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => major == 2 && minor >= 3,
        _ => true,
    }
}

/// The version of the wheel that a library is in. LiteRT itself tells none, but the directory beside the package's
/// does; `None` when the library is elsewhere.
fn version_of(path: &Path) -> Option<String> {
    let package = path.parent()?;
    let lead = format!("{}-", package.file_name()?.to_str()?);
    let beside = std::fs::read_dir(package.parent()?).ok()?;
    let version = |name: &str| Some(name.strip_prefix(&lead)?.strip_suffix(".dist-info")?.to_owned());
    beside.flatten().find_map(|entry| version(entry.file_name().to_str()?))
}

impl Library {
    /// Turns a status into an error with LiteRT's own word for it.
    ///
    /// # Errors
    /// Unless the status is OK.
    pub(crate) fn check(&self, status: c_int, what: impl FnOnce() -> String) -> Result<()> {
        if status == 0 {
            return Ok(());
        }
        let (kind, word) = read_status(status);
        Err(Error::new(kind, format!("{} (LiteRT's status {status}, {word})", what())))
    }
}

/// LiteRT's statuses as kinds, and its own names for them, which the library does not export.
fn read_status(status: c_int) -> (ErrorKind, &'static str) {
    match status {
        1 => (ErrorKind::InvalidArgument, "invalid argument"),
        2 => (ErrorKind::ResourceExhausted, "memory allocation failure"),
        3 => (ErrorKind::Internal, "runtime failure"),
        4 => (ErrorKind::InvalidArgument, "missing input tensor"),
        5 => (ErrorKind::Unimplemented, "unsupported"),
        6 => (ErrorKind::NotFound, "not found"),
        100 => (ErrorKind::Cancelled, "cancelled"),
        500 => (ErrorKind::DataLoss, "file error"), // the file was there a moment ago,
        501 => (ErrorKind::DataLoss, "invalid flatbuffer"),
        504 => (ErrorKind::FailedPrecondition, "compilation failure"),
        _ => (ErrorKind::Internal, "failure"),
    }
}
