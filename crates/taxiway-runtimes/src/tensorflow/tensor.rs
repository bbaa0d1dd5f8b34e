//! Tensors into TensorFlow and out of it.

use std::ffi::{c_char, c_int, c_void};

use aligned_vec::{AVec, ConstAlign};
use bytes::Bytes;
use smallvec::SmallVec;
use taxiway_engine::{ALIGNMENT, DType, Error, ErrorKind, Result, Shape, Strings, StringsBuilder, Tensor};

use super::library::{Functions, RawString, RawTensor};

/// An owned `TF_Tensor`.
pub(crate) struct Handle {
    functions: &'static Functions,
    raw: *mut RawTensor,
}

// SAFETY: a tensor may be read and deleted on any thread; nobody writes to one.
unsafe impl Send for Handle {}
// SAFETY: as above.
unsafe impl Sync for Handle {}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: it is ours, and nothing else holds it.
        unsafe { (self.functions.TF_DeleteTensor)(self.raw) }
    }
}

impl Handle {
    /// Takes a tensor that TensorFlow made.
    ///
    /// # Errors
    /// `Internal` for null, which TensorFlow does not return from a run that succeeded.
    ///
    /// # Safety
    /// Nobody else deletes it.
    pub(crate) unsafe fn take(functions: &'static Functions, raw: *mut RawTensor) -> Result<Handle> {
        if raw.is_null() {
            return Err(Error::internal("TensorFlow made no tensor"));
        }
        Ok(Handle { functions, raw })
    }

    /// The tensor to pass to TensorFlow.
    pub(crate) fn as_ptr(&self) -> *mut RawTensor {
        self.raw
    }

    /// A tensor for TensorFlow. Plain elements are lent when they are aligned, and copied once when not; strings are
    /// copied, as a graph may keep them (in a table) for longer than it keeps the tensor.
    ///
    /// # Errors
    /// `ResourceExhausted` when TensorFlow refuses the shape.
    pub(crate) fn from_tensor(functions: &'static Functions, tensor: &Tensor) -> Result<Handle> {
        let extents: SmallVec<[i64; 4]> = tensor.shape().iter().map(|&extent| extent as i64).collect();
        match (tensor.aligned_bytes(), tensor.strings()) {
            (Some(bytes), _) => {
                let (data, length) = (bytes.as_ptr().cast_mut().cast(), bytes.len());
                let owner = Box::into_raw(Box::new(bytes)).cast();
                // SAFETY: `data` stays valid until `free_bytes` is called with `owner`. TensorFlow does not write to
                // memory whose deallocator is not its own.
                unsafe { new_tensor(functions, tensor.dtype(), &extents, (data, length), (free_bytes, owner)) }
            }
            (None, Some(strings)) => {
                let mut block = Box::new(StringBlock::new(functions, strings));
                let (data, length) = (block.strings.as_mut_ptr().cast(), size_of_val(&block.strings[..]));
                let owner = Box::into_raw(block).cast();
                // SAFETY: `data` holds that many initialised strings until `free_strings` is called with `owner`.
                unsafe { new_tensor(functions, DType::String, &extents, (data, length), (free_strings, owner)) }
            }
            (None, None) => Err(Error::internal("a tensor has neither bytes nor strings")),
        }
    }

    /// The tensor, its plain elements still where TensorFlow put them.
    ///
    /// # Errors
    /// `Unimplemented` for a type that cannot cross the wire.
    pub(crate) fn into_tensor(self) -> Result<Tensor> {
        // SAFETY: the tensor is alive.
        let number = unsafe { (self.functions.TF_TensorType)(self.raw) };
        let dtype = DType::from_number(number).ok_or_else(|| {
            Error::new(ErrorKind::Unimplemented, format!("an output of type number {number} cannot cross the wire"))
        })?;
        let shape = self.shape()?;
        if dtype == DType::String {
            return Tensor::from_strings(shape, self.strings());
        }
        Tensor::from_bytes(dtype, shape, Bytes::from_owner(self))
    }

    fn shape(&self) -> Result<Shape> {
        // SAFETY: the tensor is alive, and indices are below its rank.
        let extents = unsafe {
            let rank = (self.functions.TF_NumDims)(self.raw);
            (0..rank).map(|index| (self.functions.TF_Dim)(self.raw, index)).collect::<SmallVec<[i64; 4]>>()
        };
        let read =
            |extent: i64| usize::try_from(extent).map_err(|_| Error::internal("an output has a negative extent"));
        extents.into_iter().map(read).collect()
    }

    fn strings(&self) -> Strings {
        let bytes = self.as_ref();
        let mut builder = StringsBuilder::default();
        for index in 0..bytes.len() / size_of::<RawString>() {
            // SAFETY: the data of a string tensor is an array of strings, and `index` is below their number. The
            // pointer of an empty string may be anything.
            unsafe {
                let string = bytes.as_ptr().cast::<RawString>().add(index);
                let length = (self.functions.TF_StringGetSize)(string);
                let start = (self.functions.TF_StringGetDataPointer)(string);
                builder.push(if length == 0 { &[] } else { std::slice::from_raw_parts(start.cast(), length) });
            }
        }
        builder.finish()
    }
}

/// The memory of the elements.
impl AsRef<[u8]> for Handle {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: the data is that long, is not written to any more, and lives as long as the tensor.
        unsafe {
            let length = (self.functions.TF_TensorByteSize)(self.raw);
            let data = (self.functions.TF_TensorData)(self.raw);
            if length == 0 || data.is_null() { &[] } else { std::slice::from_raw_parts(data.cast(), length) }
        }
    }
}

type Deallocator = (super::library::FreeTensor, *mut c_void);

/// # Safety
/// The memory holds the elements of the shape until the deallocator is called, which TensorFlow does once.
unsafe fn new_tensor(
    functions: &'static Functions,
    dtype: DType,
    extents: &[i64],
    (data, length): (*mut c_void, usize),
    (free, owner): Deallocator,
) -> Result<Handle> {
    let rank = extents.len() as c_int; // ranks are checked by TensorFlow, and are far below its limit here
    // SAFETY: the caller vouches for the memory.
    let raw = unsafe { (functions.TF_NewTensor)(dtype.number(), extents.as_ptr(), rank, data, length, free, owner) };
    if raw.is_null() {
        return Err(Error::new(ErrorKind::InvalidArgument, format!("TensorFlow takes no tensor of shape {extents:?}")));
    }
    Ok(Handle { functions, raw })
}

/// Gives lent bytes back.
unsafe extern "C" fn free_bytes(_data: *mut c_void, _length: usize, owner: *mut c_void) {
    // SAFETY: `owner` came out of `Box::into_raw`, and TensorFlow calls this once.
    drop(unsafe { Box::from_raw(owner.cast::<Bytes>()) });
}

/// Frees strings made for TensorFlow.
unsafe extern "C" fn free_strings(_data: *mut c_void, _length: usize, owner: *mut c_void) {
    // SAFETY: `owner` came out of `Box::into_raw`, and TensorFlow calls this once.
    drop(unsafe { Box::from_raw(owner.cast::<StringBlock>()) });
}

/// Strings in TensorFlow's form.
struct StringBlock {
    functions: &'static Functions,
    strings: AVec<RawString, ConstAlign<ALIGNMENT>>,
}

impl StringBlock {
    fn new(functions: &'static Functions, strings: &Strings) -> StringBlock {
        let empty = RawString { inside: [0; 24] };
        let mut block = AVec::with_capacity(ALIGNMENT, strings.len());
        for string in strings.iter() {
            block.push(empty);
            let last = block.len() - 1;
            // SAFETY: the string is initialised before it is written to, and TensorFlow copies the bytes.
            unsafe {
                (functions.TF_StringInit)(&raw mut block[last]);
                (functions.TF_StringCopy)(&raw mut block[last], string.as_ptr().cast::<c_char>(), string.len());
            }
        }
        StringBlock { functions, strings: block }
    }
}

impl Drop for StringBlock {
    fn drop(&mut self) {
        for string in self.strings.iter_mut() {
            // SAFETY: every string was initialised.
            unsafe { (self.functions.TF_StringDealloc)(string) }
        }
    }
}
