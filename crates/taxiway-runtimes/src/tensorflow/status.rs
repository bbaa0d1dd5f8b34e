//! What a call into TensorFlow came to.

use std::ffi::CStr;

use taxiway_engine::{Error, ErrorKind, Result};

use super::library::{Functions, RawStatus};

/// An owned `TF_Status`.
pub(crate) struct Status {
    functions: &'static Functions,
    raw: *mut RawStatus,
}

impl Status {
    pub(crate) fn new(functions: &'static Functions) -> Status {
        // SAFETY: has no precondition.
        Status { functions, raw: unsafe { (functions.TF_NewStatus)() } }
    }

    /// For the call that is to fill it.
    pub(crate) fn as_ptr(&mut self) -> *mut RawStatus {
        self.raw
    }

    /// What the last call came to.
    ///
    /// # Errors
    /// TensorFlow's code and text.
    pub(crate) fn check(&self) -> Result<()> {
        // SAFETY: the status is ours and alive, and its text lives until the next call that takes it.
        let (code, message) = unsafe {
            match (self.functions.TF_GetCode)(self.raw) {
                0 => return Ok(()),
                code => (code, CStr::from_ptr((self.functions.TF_Message)(self.raw)).to_string_lossy().into_owned()),
            }
        };
        Err(Error::new(ErrorKind::from_code(code).unwrap_or(ErrorKind::Unknown), message))
    }
}

impl Drop for Status {
    fn drop(&mut self) {
        // SAFETY: it is ours, and nothing else holds it.
        unsafe { (self.functions.TF_DeleteStatus)(self.raw) }
    }
}
