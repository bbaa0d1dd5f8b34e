//! Tensors: an element type, a shape, and the bytes of all elements in row-major order.

use std::borrow::Cow;
use std::fmt;

use aligned_vec::{AVec, ConstAlign};
use bytes::Bytes;
use smallvec::SmallVec;

use crate::{DType, Element, Error, Result, Strings};

/// The alignment, in bytes, of tensors that are built here. TensorFlow and LiteRT take memory so aligned as it is,
/// and copy any other.
pub const ALIGNMENT: usize = 64;

/// The extents of a tensor; empty for a scalar.
pub type Shape = SmallVec<[usize; 4]>;

/// An immutable tensor. Cloning shares the elements.
///
/// The bytes are in the machine's own order, which on every machine we build for is also the wire's (little-endian).
#[derive(Clone, PartialEq)]
pub struct Tensor {
    dtype: DType,
    shape: Shape,
    data: Data,
}

#[derive(Clone, PartialEq)]
enum Data {
    Bytes(Bytes),
    Strings(Strings),
}

impl Tensor {
    /// A tensor over these bytes, without a copy.
    ///
    /// # Errors
    /// `InvalidArgument` when the type is string, or the bytes are not exactly those of the shape.
    pub fn from_bytes(dtype: DType, shape: impl AsRef<[usize]>, bytes: Bytes) -> Result<Tensor> {
        let shape = Shape::from_slice(shape.as_ref());
        let Some(size) = dtype.size() else {
            return Err(Error::invalid("a string tensor is not made of plain bytes"));
        };
        let expected = element_count(&shape)?.checked_mul(size);
        if expected != Some(bytes.len()) {
            return Err(Error::invalid(format!(
                "{} bytes do not fill a tensor of {} with shape {}",
                bytes.len(),
                dtype.name(),
                show_shape(&shape)
            )));
        }
        Ok(Tensor { dtype, shape, data: Data::Bytes(bytes) })
    }

    /// A string tensor over these strings, without a copy.
    ///
    /// # Errors
    /// `InvalidArgument` when there are not as many strings as the shape asks for.
    pub fn from_strings(shape: impl AsRef<[usize]>, strings: Strings) -> Result<Tensor> {
        let shape = Shape::from_slice(shape.as_ref());
        if element_count(&shape)? != strings.len() {
            return Err(Error::invalid(format!(
                "{} strings do not fill a tensor with shape {}",
                strings.len(),
                show_shape(&shape)
            )));
        }
        Ok(Tensor { dtype: DType::String, shape, data: Data::Strings(strings) })
    }

    /// A tensor of these values, copied once into aligned memory.
    ///
    /// # Errors
    /// `InvalidArgument` when there are not as many values as the shape asks for.
    pub fn from_values<T: Element>(shape: impl AsRef<[usize]>, values: &[T]) -> Result<Tensor> {
        let mut builder = TensorBuilder::with_capacity(values.len());
        builder.extend_from_slice(values);
        builder.finish(shape)
    }

    /// A bool tensor of these values.
    ///
    /// # Errors
    /// `InvalidArgument` when there are not as many values as the shape asks for.
    pub fn from_bools(shape: impl AsRef<[usize]>, values: &[bool]) -> Result<Tensor> {
        let bytes: Vec<u8> = values.iter().map(|&value| u8::from(value)).collect();
        Tensor::from_values(shape, &bytes)?.retyped(DType::Bool)
    }

    /// The same bytes as elements of another type of the same size.
    ///
    /// # Errors
    /// `InvalidArgument` when the sizes differ or one of them is a string.
    pub fn retyped(self, dtype: DType) -> Result<Tensor> {
        match self.data {
            Data::Bytes(bytes) => Tensor::from_bytes(dtype, self.shape, bytes),
            Data::Strings(_) => Err(Error::invalid("strings cannot be read as another type")),
        }
    }

    /// The element type.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The extents; empty for a scalar.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// How many elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes of all elements; `None` for strings.
    pub fn bytes(&self) -> Option<&Bytes> {
        match &self.data {
            Data::Bytes(bytes) => Some(bytes),
            Data::Strings(_) => None,
        }
    }

    /// The strings; `None` for every other type.
    pub fn strings(&self) -> Option<&Strings> {
        match &self.data {
            Data::Bytes(_) => None,
            Data::Strings(strings) => Some(strings),
        }
    }

    /// The elements as values of `T`; `None` when the tensor is of another type. Copies only bytes that
    /// do not start where a `T` may.
    pub fn values<T: Element>(&self) -> Option<Cow<'_, [T]>> {
        let bytes = self.bytes().filter(|_| self.dtype == T::DTYPE)?;
        Some(match bytemuck::try_cast_slice(bytes) {
            Ok(values) => Cow::Borrowed(values),
            Err(_) => Cow::Owned(bytes.chunks_exact(size_of::<T>()).map(bytemuck::pod_read_unaligned).collect()),
        })
    }

    /// The bytes, starting at a multiple of [`ALIGNMENT`]: as they are when they do, else copied. `None` for strings.
    pub fn aligned_bytes(&self) -> Option<Bytes> {
        let bytes = self.bytes()?;
        if bytes.as_ptr().addr().is_multiple_of(ALIGNMENT) {
            return Some(bytes.clone());
        }
        let mut aligned = AVec::<u8, ConstAlign<ALIGNMENT>>::with_capacity(ALIGNMENT, bytes.len());
        aligned.extend_from_slice(bytes);
        Some(Bytes::from_owner(Aligned(aligned)))
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.dtype.name(), show_shape(&self.shape))?;
        match &self.data {
            Data::Bytes(bytes) => write!(f, " ({} bytes)", bytes.len()),
            Data::Strings(strings) => write!(f, " {strings:?}"),
        }
    }
}

/// Collects values into aligned memory.
pub struct TensorBuilder<T: Element> {
    values: AVec<T, ConstAlign<ALIGNMENT>>,
}

impl<T: Element> TensorBuilder<T> {
    /// An empty builder with room for `capacity` values.
    pub fn with_capacity(capacity: usize) -> TensorBuilder<T> {
        TensorBuilder { values: AVec::with_capacity(ALIGNMENT, capacity) }
    }

    /// Appends a value.
    #[inline]
    pub fn push(&mut self, value: T) {
        self.values.push(value);
    }

    /// Appends values.
    pub fn extend_from_slice(&mut self, values: &[T]) {
        self.values.extend_from_slice(values);
    }

    /// How many values so far.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there is none yet.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The tensor, without a copy.
    ///
    /// # Errors
    /// `InvalidArgument` when there are not as many values as the shape asks for.
    pub fn finish(self, shape: impl AsRef<[usize]>) -> Result<Tensor> {
        Tensor::from_bytes(T::DTYPE, shape, Bytes::from_owner(Aligned(self.values)))
    }
}

/// Lends an aligned vector's memory to [`Bytes`].
struct Aligned<T>(AVec<T, ConstAlign<ALIGNMENT>>);

impl<T: bytemuck::Pod> AsRef<[u8]> for Aligned<T> {
    fn as_ref(&self) -> &[u8] {
        bytemuck::cast_slice(&self.0)
    }
}

/// The most dimensions a tensor has; TensorFlow ends the process over one more.
pub const MAX_RANK: usize = 254;

/// A complex number of two doubles.
const LARGEST_ELEMENT_BYTES: usize = 16;

/// How many elements a shape holds.
///
/// Extents of zero do not make a shape small: TensorFlow multiplies them one by one, in an `i64`, in whatever order an
/// operation puts them, and ends the process when that overflows. So the others must fit without them, and so must the
/// bytes of that many elements: whoever takes a tensor apart may multiply any of its extents.
///
/// # Errors
/// `InvalidArgument` when there are more than [`MAX_RANK`] extents, or their product does not fit.
pub(crate) fn element_count(shape: &[usize]) -> Result<usize> {
    let rank = shape.len();
    if rank > MAX_RANK {
        return Err(Error::invalid(format!("a tensor of {rank} dimensions has more than the {MAX_RANK} there can be")));
    }
    let without_zeros = shape.iter().try_fold(1usize, |count, &extent| count.checked_mul(extent.max(1)));
    match without_zeros.filter(|&count| count <= i64::MAX as usize / LARGEST_ELEMENT_BYTES) {
        Some(_) if shape.contains(&0) => Ok(0),
        Some(count) => Ok(count),
        None => Err(Error::invalid(format!("a tensor with shape {} is too large", show_shape(shape)))),
    }
}

/// A shape as TensorFlow prints it: `[2,3]`.
pub(crate) fn show_shape(shape: &[usize]) -> String {
    let extents: Vec<String> = shape.iter().map(usize::to_string).collect();
    format!("[{}]", extents.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_tensors_are_aligned_and_keep_their_values() {
        let tensor = Tensor::from_values([2usize, 2], &[1.0f32, 2.0, 3.0, 4.0]).unwrap();
        assert!(tensor.bytes().unwrap().as_ptr().addr().is_multiple_of(ALIGNMENT));
        assert_eq!(tensor.values::<f32>().unwrap().as_ref(), [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(tensor.values::<i32>(), None);
    }

    #[test]
    fn aligned_bytes_are_shared_and_others_copied() {
        let tensor = Tensor::from_values([3usize], &[1i64, 2, 3]).unwrap();
        assert_eq!(tensor.aligned_bytes().unwrap().as_ptr(), tensor.bytes().unwrap().as_ptr());

        let shifted = Bytes::from_owner(Aligned({
            let mut bytes = AVec::<u8, ConstAlign<ALIGNMENT>>::new(ALIGNMENT);
            bytes.extend_from_slice(&[0; 9]);
            bytes
        }))
        .slice(1..);
        let odd = Tensor::from_bytes(DType::Int64, [1usize], shifted).unwrap();
        assert!(odd.aligned_bytes().unwrap().as_ptr().addr().is_multiple_of(ALIGNMENT));
        assert_eq!(odd.values::<i64>().unwrap().as_ref(), [0]);
    }

    #[test]
    fn wrong_sizes_are_refused() {
        assert!(Tensor::from_values([3usize], &[1u8]).is_err());
        assert!(Tensor::from_values([usize::MAX, 2], &[1u8]).is_err());
        assert!(Tensor::from_strings([2usize], ["one"].into_iter().collect()).is_err());
        assert!(Tensor::from_bytes(DType::String, [0usize], Bytes::new()).is_err());
    }

    #[test]
    fn shapes_that_end_tensorflow_are_refused_however_few_their_elements() {
        let most = i64::MAX as usize;
        let ones = vec![1; MAX_RANK + 1];
        let zeros = vec![0; MAX_RANK + 1];
        for shape in
            [&[2, most, 0][..], &[0, 2, most], &[1 << 32, 1 << 31, 0], &[most, 0], &[0, 1 << 59], &ones, &zeros]
        {
            assert!(element_count(shape).is_err(), "{shape:?}");
        }
        for (shape, count) in
            [(&[1 << 58, 0][..], 0), (&[0, 1 << 30, 1 << 28], 0), (&ones[1..], 1), (&zeros[1..], 0), (&[], 1)]
        {
            assert_eq!(element_count(shape).unwrap(), count, "{shape:?}");
        }
    }

    #[test]
    fn empty_and_scalar_tensors_exist() {
        let empty = Tensor::from_values::<f32>([0usize, 7], &[]).unwrap();
        assert!(empty.is_empty());
        let scalar = Tensor::from_values(Shape::new(), &[5i32]).unwrap();
        assert_eq!((scalar.len(), scalar.shape()), (1, &[][..]));
    }
}
