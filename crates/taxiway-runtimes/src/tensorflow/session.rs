//! A SavedModel in a session.

use std::ffi::{CString, c_char, c_int};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicBool, Ordering};

use smallvec::SmallVec;
use taxiway_engine::{Error, Result};

use super::library::{Functions, Graph, Output, RawBuffer, RawSession, SessionConfig};
use super::status::Status;
use super::tensor::Handle;

/// Tensors of one run.
pub(crate) type Handles = SmallVec<[Handle; 4]>;

/// Whether a session was made in this process. TensorFlow's pools are made with the first one.
static MADE: AtomicBool = AtomicBool::new(false);

/// Whether TensorFlow has begun the threads that all its sessions share.
pub(crate) fn has_threads() -> bool {
    MADE.load(Ordering::Relaxed)
}

/// A SavedModel in a session, its variables restored and its initialisers run.
pub(crate) struct Session {
    functions: &'static Functions,
    graph: *mut Graph,
    session: *mut RawSession,
}

// SAFETY: TensorFlow's sessions and graphs may be used from several threads at once.
unsafe impl Send for Session {}
// SAFETY: as above.
unsafe impl Sync for Session {}

impl Session {
    /// Loads the graph with these tags from a directory. `config` is a serialised `ConfigProto`. Returned with the
    /// session is the serialised `MetaGraphDef`.
    ///
    /// # Errors
    /// TensorFlow's own code and text.
    pub(crate) fn load(
        functions: &'static Functions,
        directory: &Path,
        tags: &[String],
        config: &[u8],
    ) -> Result<(Session, Buffer)> {
        let directory = c_string(directory.as_os_str().as_bytes())?;
        let tags = tags.iter().map(|tag| c_string(tag.as_bytes())).collect::<Result<Vec<_>>>()?;
        let tag_pointers: Vec<*const c_char> = tags.iter().map(|tag| tag.as_ptr()).collect();
        let options = Options::new(functions, config)?;
        let meta_graph = Buffer::empty(functions);
        let mut status = Status::new(functions);
        // SAFETY: everything passed outlives the call. The graph is filled by it and freed by the session's drop.
        let session = unsafe {
            let graph = (functions.TF_NewGraph)();
            let session = (functions.TF_LoadSessionFromSavedModel)(
                options.raw,
                null(),
                directory.as_ptr(),
                tag_pointers.as_ptr(),
                tag_pointers.len() as c_int,
                graph,
                meta_graph.raw,
                status.as_ptr(),
            );
            Session { functions, graph, session }
        };
        status.check()?;
        MADE.store(true, Ordering::Relaxed);
        Ok((session, meta_graph))
    }

    /// The tensor of this name (`serving_default_x:0`), `None` when the graph has none.
    pub(crate) fn output(&self, tensor: &str) -> Option<Output> {
        let (operation, index) = tensor.rsplit_once(':').unwrap_or((tensor, "0"));
        let (operation, index) = (c_string(operation.as_bytes()).ok()?, index.parse::<c_int>().ok()?);
        // SAFETY: the graph is alive and the name is a C string.
        unsafe {
            let operation = (self.functions.TF_GraphOperationByName)(self.graph, operation.as_ptr());
            let exists =
                !operation.is_null() && (0..(self.functions.TF_OperationNumOutputs)(operation)).contains(&index);
            exists.then_some(Output { operation, index })
        }
    }

    /// Runs the graph from `feeds`, whose values are `inputs`, to `fetches`. `options` are serialised `RunOptions`.
    ///
    /// # Errors
    /// TensorFlow's own code and text.
    pub(crate) fn run(
        &self,
        options: &Buffer,
        feeds: &[Output],
        inputs: &Handles,
        fetches: &[Output],
    ) -> Result<Handles> {
        debug_assert_eq!(feeds.len(), inputs.len());
        let values: SmallVec<[_; 4]> = inputs.iter().map(Handle::as_ptr).collect();
        let mut answers: SmallVec<[_; 4]> = SmallVec::from_elem(null_mut(), fetches.len());
        let mut status = Status::new(self.functions);
        // SAFETY: the arrays are as long as is said, and everything passed outlives the call.
        unsafe {
            (self.functions.TF_SessionRun)(
                self.session,
                options.raw,
                feeds.as_ptr(),
                values.as_ptr(),
                values.len() as c_int,
                fetches.as_ptr(),
                answers.as_mut_ptr(),
                answers.len() as c_int,
                null(),
                0,
                null_mut(),
                status.as_ptr(),
            );
        }
        status.check()?;
        // SAFETY: a run that succeeded hands its answers over.
        answers.into_iter().map(|answer| unsafe { Handle::take(self.functions, answer) }).collect()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let mut status = Status::new(self.functions);
        // SAFETY: nobody runs the session any more, as a run borrows it. A load that failed leaves it null.
        unsafe {
            if !self.session.is_null() {
                (self.functions.TF_CloseSession)(self.session, status.as_ptr());
                (self.functions.TF_DeleteSession)(self.session, status.as_ptr());
            }
            (self.functions.TF_DeleteGraph)(self.graph);
        }
    }
}

/// An owned `TF_Buffer`.
pub(crate) struct Buffer {
    functions: &'static Functions,
    raw: *mut RawBuffer,
}

// SAFETY: its bytes are not written to once it is made.
unsafe impl Send for Buffer {}
// SAFETY: as above.
unsafe impl Sync for Buffer {}

impl Buffer {
    fn empty(functions: &'static Functions) -> Buffer {
        // SAFETY: has no precondition.
        Buffer { functions, raw: unsafe { (functions.TF_NewBuffer)() } }
    }

    /// A copy of these bytes.
    pub(crate) fn new(functions: &'static Functions, bytes: &[u8]) -> Buffer {
        // SAFETY: the bytes are copied.
        Buffer { functions, raw: unsafe { (functions.TF_NewBufferFromString)(bytes.as_ptr().cast(), bytes.len()) } }
    }

    /// What is in it.
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: a buffer's data is as long as it says and lives as long as the buffer.
        unsafe {
            let buffer = &*self.raw;
            if buffer.data.is_null() { &[] } else { std::slice::from_raw_parts(buffer.data.cast(), buffer.length) }
        }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: it is ours, and nothing else holds it.
        unsafe { (self.functions.TF_DeleteBuffer)(self.raw) }
    }
}

/// An owned `TF_SessionOptions`.
struct Options {
    functions: &'static Functions,
    raw: *mut SessionConfig,
}

impl Options {
    fn new(functions: &'static Functions, config: &[u8]) -> Result<Options> {
        let mut status = Status::new(functions);
        // SAFETY: the bytes are read before the call returns.
        let options = unsafe {
            let raw = (functions.TF_NewSessionOptions)();
            (functions.TF_SetConfig)(raw, config.as_ptr().cast(), config.len(), status.as_ptr());
            Options { functions, raw }
        };
        status.check()?;
        Ok(options)
    }
}

impl Drop for Options {
    fn drop(&mut self) {
        // SAFETY: it is ours, and sessions copy what they need of it.
        unsafe { (self.functions.TF_DeleteSessionOptions)(self.raw) }
    }
}

fn c_string(bytes: &[u8]) -> Result<CString> {
    CString::new(bytes).map_err(|_| Error::invalid("a path, tag or tensor name contains a zero byte"))
}
