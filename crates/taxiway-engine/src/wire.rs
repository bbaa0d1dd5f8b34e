//! Tensors on the wire: `TensorProto` and back.
//!
//! Values stand in `tensor_content`, or in the typed field of their dtype. A typed field with fewer values than the
//! shape has elements repeats its last one (none at all: zeros, empty strings), as TensorFlow reads it.

use bytemuck::Pod;
use bytes::Bytes;

use crate::proto::{TensorProto, TensorShapeProto, tensor_shape_proto::Dim};
use crate::tensor::element_count;
use crate::{DType, Element, Error, Result, Shape, Strings, StringsBuilder, Tensor, TensorBuilder};

/// Where the values of a written `TensorProto` stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WireForm {
    /// In the field of their type (`float_val`, …), as TensorFlow Serving answers.
    TypedFields,
    /// In `tensor_content`, which needs no conversion.
    Content,
}

impl Tensor {
    /// Reads a tensor. `tensor_content` is shared with the message, typed fields are copied once.
    ///
    /// # Errors
    /// `InvalidArgument` when the type cannot cross the wire, an extent is unknown, the values do not fill the shape,
    /// or the tensor would take more than `max_bytes` (a few bytes can ask for a huge one).
    pub fn from_proto(proto: &TensorProto, max_bytes: usize) -> Result<Tensor> {
        let dtype = DType::from_number(proto.dtype)
            .ok_or_else(|| Error::invalid(format!("element type number {} cannot cross the wire", proto.dtype)))?;
        let shape = read_shape(proto.tensor_shape.as_ref())?;
        let count = element_count(&shape)?;
        let size = dtype.size().unwrap_or(size_of::<usize>());
        if count.checked_mul(size).is_none_or(|bytes| bytes > max_bytes) {
            return Err(Error::invalid(format!(
                "{count} elements of {} are more than {max_bytes} bytes",
                dtype.name()
            )));
        }
        if dtype == DType::String {
            return Tensor::from_strings(shape, read_strings(proto, count)?);
        }
        if !proto.tensor_content.is_empty() {
            return Tensor::from_bytes(dtype, shape, proto.tensor_content.clone());
        }
        read_typed(proto, dtype, shape, count)
    }

    /// Writes the tensor.
    pub fn to_proto(&self, form: WireForm) -> TensorProto {
        let mut proto = TensorProto {
            dtype: self.dtype().number(),
            tensor_shape: Some(write_shape(self.shape())),
            ..TensorProto::default()
        };
        match (self.strings(), self.bytes(), form) {
            (Some(strings), _, _) => proto.string_val = strings.iter().map(Bytes::copy_from_slice).collect(),
            (None, Some(bytes), WireForm::Content) => proto.tensor_content = bytes.clone(),
            (None, _, _) => write_typed(self, &mut proto),
        }
        proto
    }
}

fn read_shape(shape: Option<&TensorShapeProto>) -> Result<Shape> {
    let Some(shape) = shape else { return Ok(Shape::new()) };
    if shape.unknown_rank {
        return Err(Error::invalid("a tensor of unknown rank has no elements"));
    }
    shape
        .dim
        .iter()
        .map(|dim| {
            usize::try_from(dim.size).map_err(|_| Error::invalid(format!("an extent of {} is not one", dim.size)))
        })
        .collect()
}

fn write_shape(shape: &[usize]) -> TensorShapeProto {
    // Extents of a tensor in memory fit an i64.
    let dim = shape.iter().map(|&extent| Dim { size: extent as i64, name: String::new() }).collect();
    TensorShapeProto { dim, unknown_rank: false }
}

fn read_typed(proto: &TensorProto, dtype: DType, shape: Shape, count: usize) -> Result<Tensor> {
    use DType::*;
    match dtype {
        Float => fill(&proto.float_val, count, |&v| v)?.finish(shape),
        Double => fill(&proto.double_val, count, |&v| v)?.finish(shape),
        Int32 => fill(&proto.int_val, count, |&v| v)?.finish(shape),
        Qint32 => fill(&proto.int_val, count, |&v| v)?.finish(shape)?.retyped(dtype),
        // TensorFlow keeps the low bits of values that are too large.
        Int16 => fill(&proto.int_val, count, |&v| v as i16)?.finish(shape),
        Uint16 => fill(&proto.int_val, count, |&v| v as u16)?.finish(shape),
        Qint16 | Quint16 => fill(&proto.int_val, count, |&v| v as u16)?.finish(shape)?.retyped(dtype),
        Int8 => fill(&proto.int_val, count, |&v| v as i8)?.finish(shape),
        Uint8 => fill(&proto.int_val, count, |&v| v as u8)?.finish(shape),
        Qint8 | Quint8 => fill(&proto.int_val, count, |&v| v as u8)?.finish(shape)?.retyped(dtype),
        Half | Bfloat16 => fill(&proto.half_val, count, |&v| v as u16)?.finish(shape)?.retyped(dtype),
        Int64 => fill(&proto.int64_val, count, |&v| v)?.finish(shape),
        Uint32 => fill(&proto.uint32_val, count, |&v| v)?.finish(shape),
        Uint64 => fill(&proto.uint64_val, count, |&v| v)?.finish(shape),
        Bool => fill(&proto.bool_val, count, |&v| u8::from(v))?.finish(shape)?.retyped(Bool),
        Complex64 => fill(pairs(&proto.scomplex_val), count, |&v| v)?.finish(shape),
        Complex128 => fill(pairs(&proto.dcomplex_val), count, |&v| v)?.finish(shape),
        Float8E5m2 | Float8E4m3fn | Float8E4m3fnuz | Float8E4m3b11fnuz | Float8E5m2fnuz => {
            fill(&proto.float8_val, count, |&v| v)?.finish(shape)?.retyped(dtype)
        }
        String => Err(Error::internal("strings are read by read_strings")),
    }
}

/// The first `count` values; when there are fewer, the last (or zero) stands for the rest.
fn fill<W, T: Element>(values: &[W], count: usize, convert: impl Fn(&W) -> T) -> Result<TensorBuilder<T>> {
    let mut builder = TensorBuilder::with_capacity(count);
    for value in values.iter().take(count) {
        builder.push(convert(value));
    }
    let rest = values.last().map_or_else(T::zeroed, convert);
    for _ in builder.len()..count {
        builder.push(rest);
    }
    Ok(builder)
}

/// Real and imaginary parts as pairs; an odd one at the end is dropped.
fn pairs<T: Pod>(values: &[T]) -> &[[T; 2]] {
    values.as_chunks().0
}

fn read_strings(proto: &TensorProto, count: usize) -> Result<Strings> {
    if !proto.tensor_content.is_empty() {
        return read_packed_strings(&proto.tensor_content, count);
    }
    let last = proto.string_val.last().map_or(&[][..], Bytes::as_ref);
    let repeated = count.saturating_sub(proto.string_val.len()).saturating_mul(last.len());
    if repeated > MAX_REPEATED_BYTES {
        return Err(Error::invalid(format!("one string repeated to {repeated} bytes is too large")));
    }
    let mut builder = StringsBuilder::default();
    for index in 0..count {
        builder.push(proto.string_val.get(index).map_or(last, Bytes::as_ref));
    }
    Ok(builder.finish())
}

/// The most memory that repeating one string may take.
const MAX_REPEATED_BYTES: usize = 64 << 20;

/// Strings in `tensor_content`: their lengths as varints, then their bytes.
fn read_packed_strings(content: &Bytes, count: usize) -> Result<Strings> {
    let wrong = || Error::invalid("tensor_content does not hold the strings of the shape");
    let mut rest = content.clone();
    let lengths: Vec<u64> = (0..count.min(content.len()))
        .map(|_| prost::encoding::decode_varint(&mut rest).map_err(|_| wrong()))
        .collect::<Result<_>>()?;
    if lengths.len() != count || lengths.iter().try_fold(0u64, |sum, &n| sum.checked_add(n)) != Some(rest.len() as u64)
    {
        return Err(wrong());
    }
    let mut builder = StringsBuilder::default();
    for length in lengths {
        builder.push(&rest.split_to(length as usize)); // the sum was checked
    }
    Ok(builder.finish())
}

fn write_typed(tensor: &Tensor, proto: &mut TensorProto) {
    use DType::*;
    let dtype = tensor.dtype();
    match dtype {
        Float => proto.float_val = elements(tensor, |v: f32| v),
        Double => proto.double_val = elements(tensor, |v: f64| v),
        Int32 | Qint32 => proto.int_val = elements(tensor, |v: i32| v),
        Int16 | Qint16 => proto.int_val = elements(tensor, |v: i16| v.into()),
        Uint16 | Quint16 => proto.int_val = elements(tensor, |v: u16| v.into()),
        Int8 | Qint8 => proto.int_val = elements(tensor, |v: i8| v.into()),
        Uint8 | Quint8 => proto.int_val = elements(tensor, |v: u8| v.into()),
        Half | Bfloat16 => proto.half_val = elements(tensor, |v: u16| v.into()),
        Int64 => proto.int64_val = elements(tensor, |v: i64| v),
        Uint32 => proto.uint32_val = elements(tensor, |v: u32| v),
        Uint64 => proto.uint64_val = elements(tensor, |v: u64| v),
        Bool => proto.bool_val = elements(tensor, |v: u8| v != 0),
        Complex64 => proto.scomplex_val = elements::<[f32; 2], _>(tensor, |v| v).into_flattened(),
        Complex128 => proto.dcomplex_val = elements::<[f64; 2], _>(tensor, |v| v).into_flattened(),
        Float8E5m2 | Float8E4m3fn | Float8E4m3fnuz | Float8E4m3b11fnuz | Float8E5m2fnuz => {
            proto.float8_val = tensor.bytes().cloned().unwrap_or_default();
        }
        String => {}
    }
}

fn elements<T: Pod, W>(tensor: &Tensor, convert: impl Fn(T) -> W) -> Vec<W> {
    let bytes = tensor.bytes().map_or(&[][..], |bytes| bytes);
    match bytemuck::try_cast_slice::<u8, T>(bytes) {
        Ok(values) => values.iter().map(|&value| convert(value)).collect(),
        Err(_) => bytes.chunks_exact(size_of::<T>()).map(|c| convert(bytemuck::pod_read_unaligned(c))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Any tensor of any type with up to three small extents, its bytes arbitrary (bools 0 or 1).
    fn any_tensor() -> impl Strategy<Value = Tensor> {
        let dtypes: Vec<DType> = DType::all().collect();
        (proptest::sample::select(dtypes), proptest::collection::vec(0usize..4, 0..4)).prop_flat_map(
            |(dtype, shape)| {
                let count: usize = shape.iter().product();
                let bytes = proptest::collection::vec(any::<u8>(), count * dtype.size().unwrap_or(3));
                bytes.prop_map(move |bytes| match dtype.size() {
                    None => Tensor::from_strings(&shape, bytes.chunks(3).collect()).unwrap(),
                    Some(_) => {
                        let bytes =
                            bytes.iter().map(|&b| if dtype == DType::Bool { b & 1 } else { b }).collect::<Vec<_>>();
                        Tensor::from_bytes(dtype, &shape, bytes.into()).unwrap()
                    }
                })
            },
        )
    }

    proptest! {
        #[test]
        fn every_tensor_survives_both_forms(tensor in any_tensor()) {
            for form in [WireForm::TypedFields, WireForm::Content] {
                let back = Tensor::from_proto(&tensor.to_proto(form), 1 << 20).unwrap();
                prop_assert_eq!(&back, &tensor);
            }
        }
    }

    fn proto(dtype: DType, extents: &[i64]) -> TensorProto {
        let dim = extents.iter().map(|&size| Dim { size, name: String::new() }).collect();
        let tensor_shape = Some(TensorShapeProto { dim, unknown_rank: false });
        TensorProto { dtype: dtype.number(), tensor_shape, ..TensorProto::default() }
    }

    #[test]
    fn a_short_typed_field_repeats_its_last_value_and_an_empty_one_means_zero() {
        let mut short = proto(DType::Int64, &[4]);
        short.int64_val = vec![1, 2];
        assert_eq!(Tensor::from_proto(&short, 64).unwrap().values::<i64>().unwrap().as_ref(), [1, 2, 2, 2]);
        let none = Tensor::from_proto(&proto(DType::Float, &[2]), 64).unwrap();
        assert_eq!(none.values::<f32>().unwrap().as_ref(), [0.0, 0.0]);
    }

    #[test]
    fn values_beyond_the_shape_are_ignored() {
        let mut long = proto(DType::Uint8, &[1]);
        long.int_val = vec![300, 2];
        assert_eq!(Tensor::from_proto(&long, 64).unwrap().values::<u8>().unwrap().as_ref(), [44]);
    }

    #[test]
    fn a_small_message_cannot_ask_for_a_huge_tensor() {
        assert!(Tensor::from_proto(&proto(DType::Float, &[1 << 40]), 1 << 20).is_err());
        assert!(Tensor::from_proto(&proto(DType::Float, &[i64::MAX, i64::MAX]), usize::MAX).is_err());
        assert!(Tensor::from_proto(&proto(DType::String, &[1 << 40]), 1 << 20).is_err());
        let mut strings = proto(DType::String, &[1 << 16]);
        strings.string_val = vec![Bytes::from(vec![b'x'; 1 << 16])];
        assert!(Tensor::from_proto(&strings, 1 << 20).is_err());
    }

    #[test]
    fn wrong_messages_are_refused() {
        assert!(Tensor::from_proto(&proto(DType::Float, &[-1]), 64).is_err());
        let mut content = proto(DType::Float, &[2]);
        content.tensor_content = Bytes::from_static(&[0; 7]);
        assert!(Tensor::from_proto(&content, 64).is_err());
        let mut resource = proto(DType::Float, &[]);
        resource.dtype = 20;
        assert!(Tensor::from_proto(&resource, 64).is_err());
    }

    #[test]
    fn packed_strings_are_lengths_then_bytes() {
        let mut packed = proto(DType::String, &[2]);
        packed.tensor_content = Bytes::from_static(b"\x01\x02abb");
        let tensor = Tensor::from_proto(&packed, 64).unwrap();
        assert_eq!(tensor.strings().unwrap().iter().collect::<Vec<_>>(), [&b"a"[..], b"bb"]);
        packed.tensor_content = Bytes::from_static(b"\x01\x03abb");
        assert!(Tensor::from_proto(&packed, 64).is_err());
    }
}
