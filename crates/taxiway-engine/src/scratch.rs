//! Memory for tensors that is used again. A large block that is given back to the system comes back as pages that the
//! system must clear first, which for the rows of a batch costs more than copying them.

use std::sync::{Arc, Mutex, PoisonError};

use aligned_vec::{AVec, ConstAlign};
use bytes::Bytes;

use crate::tensor::ALIGNMENT;
use crate::{DType, Result, Tensor};

/// The most blocks that are kept, and how large each may be.
const MAX_BLOCKS: usize = 4;
const MAX_BLOCK_BYTES: usize = 4 << 20;

type Block = AVec<u8, ConstAlign<ALIGNMENT>>;

/// Blocks that wait to be used again.
#[derive(Clone, Default)]
pub struct Scratch(Arc<Mutex<Vec<Block>>>);

impl Scratch {
    /// A tensor of these bytes, one part after the other, in a block of its own until the last clone is dropped.
    ///
    /// # Errors
    /// `InvalidArgument` when the type is string, or the bytes are not exactly those of the shape.
    pub fn tensor<'a>(
        &self,
        dtype: DType,
        shape: impl AsRef<[usize]>,
        parts: impl Iterator<Item = &'a [u8]>,
    ) -> Result<Tensor> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut block = kept.unwrap_or_else(|| AVec::new(ALIGNMENT));
        block.clear();
        parts.for_each(|part| block.extend_from_slice(part));
        let lent = Lent { block, home: self.clone() };
        Tensor::from_bytes(dtype, shape, Bytes::from_owner(lent))
    }
}

/// A block in use, which goes home.
struct Lent {
    block: Block,
    home: Scratch,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.block
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let block = std::mem::replace(&mut self.block, AVec::new(ALIGNMENT));
        let mut blocks = self.home.0.lock().unwrap_or_else(PoisonError::into_inner);
        if blocks.len() < MAX_BLOCKS && block.capacity() <= MAX_BLOCK_BYTES {
            blocks.push(block);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(scratch: &Scratch, values: &[u8]) -> Tensor {
        scratch.tensor(DType::Uint8, [values.len()], values.chunks(2)).unwrap()
    }

    #[test]
    fn a_block_is_used_again_only_once_nobody_holds_it() {
        let scratch = Scratch::default();
        let first = tensor(&scratch, &[1, 2, 3]);
        let (clone, second) = (first.clone(), tensor(&scratch, &[4, 5]));
        let place = |tensor: &Tensor| tensor.bytes().unwrap().as_ptr();
        let at = place(&first);
        assert_ne!(at, place(&second));
        drop(first);
        assert_ne!(place(&tensor(&scratch, &[6])), at);
        assert_eq!(clone.values::<u8>().unwrap().to_vec(), [1, 2, 3]);
        drop((clone, second));
        let again = tensor(&scratch, &[7, 8]);
        assert_eq!(again.values::<u8>().unwrap().to_vec(), [7, 8]);
        assert_eq!(again.bytes().unwrap().as_ptr().addr() % ALIGNMENT, 0);
    }

    #[test]
    fn large_blocks_are_not_kept() {
        let scratch = Scratch::default();
        drop(tensor(&scratch, &vec![0; MAX_BLOCK_BYTES + 1]));
        assert!(scratch.0.lock().unwrap().is_empty());
        drop(tensor(&scratch, &[1]));
        assert_eq!(scratch.0.lock().unwrap().len(), 1);
    }

    #[test]
    fn bytes_that_do_not_fill_the_shape_are_refused() {
        let parts = [[1u8, 2].as_slice()].into_iter();
        assert!(Scratch::default().tensor(DType::Float, [1usize], parts).is_err());
    }
}
