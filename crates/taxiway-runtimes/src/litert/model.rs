//! A `.tflite` file: its signatures as LiteRT tells them.

use std::ffi::{CStr, CString, c_char, c_int};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::{null, null_mut};

use taxiway_engine::{DType, Error, ErrorKind, Result};

use super::library::{Library, Raw, TensorType};

/// An owned `LiteRtModel`; the file is mapped once, whatever number of instances run it.
pub(crate) struct Model {
    pub(crate) library: &'static Library,
    pub(crate) raw: Raw,
}

// SAFETY: a model is not changed after it is read.
unsafe impl Send for Model {}
// SAFETY: as above.
unsafe impl Sync for Model {}

impl Drop for Model {
    fn drop(&mut self) {
        // SAFETY: it is ours, and the instances that run it hold it.
        unsafe { (self.library.functions.LiteRtDestroyModel)(self.raw) }
    }
}

/// A signature in the file. The order of its tensors is that of the buffers of a run.
#[derive(Debug, Clone)]
pub(crate) struct FileSignature {
    pub(crate) key: String,
    pub(crate) inputs: Vec<FileTensor>,
    pub(crate) outputs: Vec<FileTensor>,
}

/// A tensor of a signature in the file.
#[derive(Debug, Clone)]
pub(crate) struct FileTensor {
    /// The name in the signature.
    pub(crate) name: String,
    /// The name in the graph.
    pub(crate) tensor: String,
    pub(crate) dtype: DType,
    /// LiteRT's number for the type.
    pub(crate) element: c_int,
    /// -1 is open.
    pub(crate) extents: Vec<i64>,
}

type GetName = unsafe extern "C" fn(Raw, usize, *mut *const c_char) -> c_int;
type GetTensor = unsafe extern "C" fn(Raw, usize, *mut Raw) -> c_int;

impl Model {
    /// Reads a file.
    ///
    /// # Errors
    /// LiteRT's own, with the path.
    pub(crate) fn read(library: &'static Library, path: &Path) -> Result<Model> {
        let name =
            CString::new(path.as_os_str().as_bytes()).map_err(|_| Error::invalid("a path contains a zero byte"))?;
        let mut raw = null_mut();
        // SAFETY: the environment is alive for ever, and name and handle outlive the call.
        let status =
            unsafe { (library.functions.LiteRtCreateModelFromFile)(library.environment, name.as_ptr(), &raw mut raw) };
        library.check(status, || format!("LiteRT cannot read {}", path.display()))?;
        Ok(Model { library, raw })
    }

    /// The signatures, each in the order of its index.
    ///
    /// # Errors
    /// `Unimplemented` for a type that cannot cross the wire, or that LiteRT keeps in a form of its own (strings).
    pub(crate) fn signatures(&self) -> Result<Vec<FileSignature>> {
        let functions = &self.library.functions;
        // SAFETY: the model is alive, and the number's place outlives the call.
        let count = self.read_value(|place| unsafe { (functions.LiteRtGetNumModelSignatures)(self.raw, place) }, 0)?;
        (0..count).map(|index| self.signature(index)).collect()
    }

    fn signature(&self, index: usize) -> Result<FileSignature> {
        let functions = &self.library.functions;
        // SAFETY (all four): the handles belong to the model, which is alive; places outlive the calls.
        let signature = self
            .read_value(|place| unsafe { (functions.LiteRtGetModelSignature)(self.raw, index, place) }, null_mut())?;
        let key = self.read_value(|place| unsafe { (functions.LiteRtGetSignatureKey)(signature, place) }, null())?;
        let inputs =
            self.read_value(|place| unsafe { (functions.LiteRtGetNumSignatureInputs)(signature, place) }, 0)?;
        let outputs =
            self.read_value(|place| unsafe { (functions.LiteRtGetNumSignatureOutputs)(signature, place) }, 0)?;
        let (input, output) = (
            (functions.LiteRtGetSignatureInputName, functions.LiteRtGetSignatureInputTensorByIndex),
            (functions.LiteRtGetSignatureOutputName, functions.LiteRtGetSignatureOutputTensorByIndex),
        );
        Ok(FileSignature {
            key: text(key),
            inputs: (0..inputs).map(|index| self.tensor(signature, index, input)).collect::<Result<_>>()?,
            outputs: (0..outputs).map(|index| self.tensor(signature, index, output)).collect::<Result<_>>()?,
        })
    }

    fn tensor(&self, signature: Raw, index: usize, (name, tensor): (GetName, GetTensor)) -> Result<FileTensor> {
        // SAFETY (all four): as in `signature`.
        let name = text(self.read_value(|place| unsafe { name(signature, index, place) }, null())?);
        let handle = self.read_value(|place| unsafe { tensor(signature, index, place) }, null_mut())?;
        let ranked = |place| unsafe { (self.library.functions.LiteRtGetRankedTensorType)(handle, place) };
        let of = self.read_value(ranked, TensorType::default())?;
        let dtype = dtype(of.element).ok_or_else(|| {
            Error::new(
                ErrorKind::Unimplemented,
                format!("tensor \"{name}\" has LiteRT's element type number {}, which is not served", of.element),
            )
        })?;
        let tensor = |place| unsafe { (self.library.functions.LiteRtGetTensorName)(handle, place) };
        let tensor = text(self.read_value(tensor, null())?);
        let extents = of.layout.extents().iter().map(|&extent| i64::from(extent).max(-1)).collect();
        Ok(FileTensor { name, tensor, dtype, element: of.element, extents })
    }

    /// The bytes that the file carries under this key beside the graph, `None` when it has no such key.
    pub(crate) fn metadata(&self, key: &CStr) -> Option<&[u8]> {
        let (mut start, mut length) = (null(), 0);
        // SAFETY: the model is alive, the key is a C string, and the places outlive the call.
        let status = unsafe {
            (self.library.functions.LiteRtGetModelMetadata)(self.raw, key.as_ptr(), &raw mut start, &raw mut length)
        };
        let is_there = status == 0 && !start.is_null();
        // SAFETY: LiteRT checked the file when it read it, and keeps the bytes for as long as the model.
        is_there.then(|| unsafe { std::slice::from_raw_parts(start.cast(), length) })
    }

    fn read_value<T>(&self, read: impl FnOnce(*mut T) -> c_int, mut value: T) -> Result<T> {
        let status = read(&raw mut value);
        self.library.check(status, || "LiteRT cannot tell the signatures of the model".to_owned())?;
        Ok(value)
    }
}

fn text(pointer: *const c_char) -> String {
    if pointer.is_null() {
        return String::new();
    }
    // SAFETY: LiteRT's names are C strings that live as long as the model.
    unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned()
}

/// LiteRT's element types that are plain elements.
fn dtype(element: c_int) -> Option<DType> {
    Some(match element {
        1 => DType::Float,
        2 => DType::Int32,
        3 => DType::Uint8,
        4 => DType::Int64,
        6 => DType::Bool,
        7 => DType::Int16,
        8 => DType::Complex64,
        9 => DType::Int8,
        10 => DType::Half,
        11 => DType::Double,
        12 => DType::Complex128,
        13 => DType::Uint64,
        16 => DType::Uint32,
        17 => DType::Uint16,
        19 => DType::Bfloat16,
        _ => return None,
    })
}
