//! Memory that LiteRT reads from and writes to.
//!
//! It is ours and larger than what it holds, not memory lent by a request: LiteRT's kernels read a little past the
//! end of an input, and LiteRT trusts whoever says how large an output's buffer is to be right.

use std::alloc::{Layout as Allocation, alloc_zeroed, dealloc};
use std::ptr::{NonNull, null, null_mut};

use taxiway_engine::{Error, ErrorKind, Result};

use super::library::{Layout, Library, Raw, TensorType};

/// Room behind an input, for reads past its end.
pub(crate) const INPUT_SLACK: usize = 256;

/// Room behind an output, for writes past its end. Its first bytes are the guard.
pub(crate) const OUTPUT_SLACK: usize = 64 << 10;

/// What LiteRT asks of memory that it is lent.
const ALIGNMENT: usize = 64;

/// What stands behind an output before a run, and must stand there after it.
const GUARD: [u8; 64] = [0xa5; 64];

/// A buffer of one tensor of one instance.
pub(crate) struct Buffer {
    library: &'static Library,
    memory: NonNull<u8>,
    allocation: Allocation,
    raw: Raw,
}

// SAFETY: it is used by whoever holds the instance, one thread at a time.
unsafe impl Send for Buffer {}

impl Buffer {
    /// A buffer for a tensor of this shape, `length` bytes, with `slack` bytes of room behind.
    ///
    /// # Errors
    /// `InvalidArgument` for a shape that LiteRT cannot take, `ResourceExhausted` when there is no memory for it.
    pub(crate) fn new(
        library: &'static Library,
        element: i32,
        shape: &[usize],
        length: usize,
        slack: usize,
    ) -> Result<Buffer> {
        let too_large = || Error::invalid(format!("LiteRT takes no tensor of shape {shape:?}"));
        let layout = Layout::new(shape).ok_or_else(too_large)?;
        let size = length.checked_add(slack).ok_or_else(too_large)?;
        let allocation = Allocation::from_size_align(size, ALIGNMENT).map_err(|_| too_large())?;
        let memory = allocate(allocation)?;
        let mut buffer = Buffer { library, memory, allocation, raw: null_mut() };
        let of = TensorType { element, layout };
        // SAFETY: the memory lives as long as the buffer, which destroys the handle first; no deallocator is passed.
        let status = unsafe {
            (library.functions.LiteRtCreateTensorBufferFromHostMemory)(
                &raw const of,
                memory.as_ptr().cast(),
                size,
                null(),
                &raw mut buffer.raw,
            )
        };
        library.check(status, || format!("LiteRT takes no tensor of shape {shape:?}"))?;
        Ok(buffer)
    }

    /// The handle to pass to a run.
    pub(crate) fn as_raw(&self) -> Raw {
        self.raw
    }

    /// Writes an input.
    pub(crate) fn fill(&mut self, bytes: &[u8]) {
        self.bytes_mut()[..bytes.len()].copy_from_slice(bytes);
    }

    /// Puts the guard behind an output of this length.
    pub(crate) fn guard(&mut self, length: usize) {
        self.bytes_mut()[length..length + GUARD.len()].copy_from_slice(&GUARD);
    }

    /// Whether the guard still stands.
    pub(crate) fn is_intact(&self, length: usize) -> bool {
        self.bytes()[length..length + GUARD.len()] == GUARD
    }

    /// All of the memory.
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: the memory is that long, initialised, and written to only during a run, which has the buffer to
        // itself.
        unsafe { std::slice::from_raw_parts(self.memory.as_ptr(), self.allocation.size()) }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and `self` is borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.memory.as_ptr(), self.allocation.size()) }
    }
}

/// Zeroed memory. A request decides how much, so that too much is its own error and not the end of the process.
fn allocate(allocation: Allocation) -> Result<NonNull<u8>> {
    // SAFETY: the size is not zero, as the slack is not.
    NonNull::new(unsafe { alloc_zeroed(allocation) }).ok_or_else(|| {
        let message = format!("there is no memory for a tensor of {} bytes", allocation.size());
        Error::new(ErrorKind::ResourceExhausted, message)
    })
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: the handle is ours, and the memory was allocated with this layout.
        unsafe {
            if !self.raw.is_null() {
                (self.library.functions.LiteRtDestroyTensorBuffer)(self.raw);
            }
            dealloc(self.memory.as_ptr(), self.allocation);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_is_not_there_is_an_error() {
        let most = Allocation::from_size_align(isize::MAX as usize - ALIGNMENT, ALIGNMENT).unwrap();
        assert_eq!(allocate(most).unwrap_err().kind, ErrorKind::ResourceExhausted);
    }
}
