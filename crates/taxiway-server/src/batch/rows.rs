//! Rows of tensors: joining those of several requests, filling up, padding, and handing each request its own back.
//!
//! A row is what stands at one index of the first extent. Everything here is a pure function of tensors.

use bytes::Bytes;
use taxiway_engine::{DType, Error, ErrorKind, Result, Shape, Strings, StringsBuilder, Tensor, TensorBuilder};

/// How many rows a request has: the first extent, equal over all its inputs.
///
/// # Errors
/// `InvalidArgument` with TensorFlow Serving's text when there is no input, a scalar, or the extents differ.
pub(crate) fn count(inputs: &[Tensor]) -> Result<usize> {
    let mut rows = None;
    for input in inputs {
        let Some(&extent) = input.shape().first() else {
            return Err(Error::invalid("Batching Run() input tensors must have at least one dimension"));
        };
        if *rows.get_or_insert(extent) != extent {
            return Err(Error::invalid("Batching Run() input tensors must have equal 0th-dimension size"));
        }
    }
    rows.ok_or_else(|| Error::invalid("Batching Run() must have at least one input tensor"))
}

/// Rows `start .. start + rows` of a tensor; numbers share its memory.
///
/// # Errors
/// `InvalidArgument` when the tensor is a scalar or does not have these rows.
fn slice(tensor: &Tensor, start: usize, rows: usize) -> Result<Tensor> {
    let total = tensor.shape().first().copied().unwrap_or(0);
    if start + rows > total {
        return Err(Error::invalid(format!("rows {start} to {} of a tensor with {total}", start + rows)));
    }
    let mut shape = Shape::from_slice(tensor.shape());
    shape[0] = rows;
    let width: usize = shape[1..].iter().product();
    match tensor.bytes() {
        Some(bytes) => {
            let row_bytes = width * tensor.dtype().size().unwrap_or(0);
            Tensor::from_bytes(tensor.dtype(), &shape, bytes.slice(start * row_bytes..(start + rows) * row_bytes))
        }
        None => Tensor::from_strings(&shape, strings_of(tensor, start * width, rows * width)),
    }
}

/// Rows `start .. start + rows` of several tensors.
///
/// # Errors
/// As [`slice`].
pub(crate) fn slices(tensors: &[Tensor], start: usize, rows: usize) -> Result<Vec<Tensor>> {
    tensors.iter().map(|tensor| slice(tensor, start, rows)).collect()
}

/// One tensor of the rows of all, filled up to `padded` rows with copies of the last tensor's first row.
///
/// # Errors
/// `InvalidArgument` when the tensors are not of one type and, but for the first extent, one shape.
pub(crate) fn join(tensors: &[&Tensor], padded: usize) -> Result<Tensor> {
    let last = *tensors.last().ok_or_else(|| Error::internal("a batch without requests"))?;
    if tensors.iter().any(|t| t.dtype() != last.dtype() || t.shape()[1..] != last.shape()[1..]) {
        return Err(Error::invalid("rows of different types or shapes cannot run together"));
    }
    let rows: usize = tensors.iter().map(|t| t.shape()[0]).sum();
    if let [only] = tensors
        && rows >= padded
    {
        return Ok((*only).clone());
    }
    // Without a row there is nothing to copy, and nothing to run.
    let filling = if last.shape()[0] == 0 { 0 } else { padded.saturating_sub(rows) };
    let mut shape = Shape::from_slice(last.shape());
    shape[0] = rows + filling;
    let first_row = slice(last, 0, last.shape()[0].min(1))?;
    let parts = tensors.iter().copied().chain(std::iter::repeat_n(&first_row, filling));
    match last.dtype() {
        DType::String => Tensor::from_strings(&shape, parts.flat_map(all_strings).collect()),
        dtype => {
            let size = shape.iter().product::<usize>() * dtype.size().unwrap_or(0);
            let mut bytes = TensorBuilder::<u8>::with_capacity(size);
            parts.filter_map(Tensor::bytes).for_each(|part| bytes.extend_from_slice(part));
            aligned(dtype, &shape, bytes)
        }
    }
}

/// The most that one request's tensor may grow to by padding. Extents of another request are all it takes to ask for it.
const MAX_PADDED_BYTES: usize = 1 << 30;

/// The tensor with its extents after the first grown to `extents`, new places holding its own first value.
///
/// # Errors
/// `InvalidArgument` when the rank differs, an extent would shrink, there is no value to pad with, or the tensor would take
/// more than [`MAX_PADDED_BYTES`].
pub(super) fn pad(tensor: &Tensor, extents: &[usize]) -> Result<Tensor> {
    let shape = tensor.shape();
    if shape[1..] == *extents {
        return Ok(tensor.clone());
    }
    if shape.len() != extents.len() + 1 || shape[1..].iter().zip(extents).any(|(have, want)| have > want) {
        return Err(Error::invalid("tensors of different ranks cannot be padded to one shape"));
    }
    if tensor.is_empty() && shape[0] > 0 {
        return Err(Error::invalid("Got empty tensor in batch of non-empty tensors."));
    }
    let mut target = Shape::from_slice(shape);
    target[1..].copy_from_slice(extents);
    let size = tensor.dtype().size().unwrap_or(size_of::<usize>());
    let total = target.iter().try_fold(size, |total, &extent| total.checked_mul(extent));
    if total.is_none_or(|bytes| bytes > MAX_PADDED_BYTES) {
        let message = format!("tensors padded to shape {target:?} would take more than {MAX_PADDED_BYTES} bytes each");
        return Err(Error::invalid(message));
    }
    let places = places(shape, &target);
    match tensor.bytes() {
        Some(bytes) => {
            let first = bytes.get(..size).unwrap_or_default();
            let mut padded = first.repeat(target.iter().product());
            for (from, to, run) in places {
                padded[to * size..(to + run) * size].copy_from_slice(&bytes[from * size..(from + run) * size]);
            }
            Tensor::from_bytes(tensor.dtype(), &target, Bytes::from(padded))
        }
        None => pad_strings(tensor, &target, places),
    }
}

fn pad_strings(tensor: &Tensor, target: &Shape, places: Vec<(usize, usize, usize)>) -> Result<Tensor> {
    let total = target.iter().product::<usize>();
    let mut sources = vec![0usize; total];
    for (from, to, run) in places {
        for offset in 0..run {
            sources[to + offset] = from + offset;
        }
    }
    let strings = tensor.strings().cloned().unwrap_or_default();
    Tensor::from_strings(target, sources.iter().map(|&source| strings.get(source)).collect())
}

/// Where each innermost run of a tensor of `shape` stands in one of the larger `target`: (from, to, length), in elements.
fn places(shape: &[usize], target: &[usize]) -> Vec<(usize, usize, usize)> {
    let (Some((&run, outer)), Some((&wide, outer_target))) = (shape.split_last(), target.split_last()) else {
        return Vec::new();
    };
    (0..outer.iter().product::<usize>())
        .map(|index| {
            let (mut rest, mut to, mut stride) = (index, 0, 1);
            for (&extent, &larger) in outer.iter().zip(outer_target).rev() {
                to += (rest % extent) * stride;
                rest /= extent;
                stride *= larger;
            }
            (index * run, to * wide, run)
        })
        .collect()
}

/// What a run gave, as it is handed to the requests: checked to have one row for each row that went in.
///
/// # Errors
/// `FailedPrecondition` with TensorFlow Serving's text when an output does not carry the batch.
pub(crate) fn check_outputs(outputs: &[Tensor], rows: usize) -> Result<()> {
    for output in outputs {
        let message = match output.shape().first() {
            None => "Batched output tensor has 0 dimensions",
            Some(&extent) if extent != rows => {
                "Batched output tensor's 0th dimension does not equal the sum of the 0th dimension sizes of the input \
                 tensors"
            }
            Some(_) => continue,
        };
        return Err(Error::new(ErrorKind::FailedPrecondition, message));
    }
    Ok(())
}

fn strings_of(tensor: &Tensor, start: usize, count: usize) -> Strings {
    let mut builder = StringsBuilder::default();
    if let Some(strings) = tensor.strings() {
        (start..start + count).for_each(|index| builder.push(strings.get(index)));
    }
    builder.finish()
}

fn all_strings(tensor: &Tensor) -> impl Iterator<Item = &[u8]> {
    tensor.strings().into_iter().flat_map(Strings::iter)
}

/// A tensor over bytes collected in aligned memory, which engines take as it is.
fn aligned(dtype: DType, shape: &Shape, bytes: TensorBuilder<u8>) -> Result<Tensor> {
    let len = bytes.len();
    let flat = bytes.finish([len])?;
    Tensor::from_bytes(dtype, shape, flat.bytes().cloned().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn floats(shape: &[usize], values: &[f32]) -> Tensor {
        Tensor::from_values(shape, values).unwrap()
    }

    proptest! {
        #[test]
        fn what_is_joined_comes_apart_again(sizes in proptest::collection::vec(0usize..4, 1..5), width in 0usize..3, extra in 0usize..5, strings: bool) {
            let make = |index: usize, rows: usize| {
                let values: Vec<f32> = (0..rows * width).map(|v| (index * 100 + v) as f32).collect();
                match strings {
                    true => Tensor::from_strings([rows, width], values.iter().map(f32::to_string).collect()).unwrap(),
                    false => floats(&[rows, width], &values),
                }
            };
            let parts: Vec<Tensor> = sizes.iter().enumerate().map(|(index, &rows)| make(index, rows)).collect();
            let total: usize = sizes.iter().sum();
            let joined = join(&parts.iter().collect::<Vec<_>>(), total + extra).unwrap();
            let filled = sizes.last().is_some_and(|&rows| rows > 0);
            prop_assert_eq!(joined.shape(), [if filled { total + extra } else { total }, width]);
            let mut start = 0;
            for part in &parts {
                let back = slice(&joined, start, part.shape()[0]).unwrap();
                prop_assert_eq!(&back, part);
                start += part.shape()[0];
            }
            if filled {
                let last = parts.last().unwrap();
                for row in start..start + extra {
                    prop_assert_eq!(slice(&joined, row, 1).unwrap(), slice(last, 0, 1).unwrap());
                }
            }
        }

        #[test]
        fn padding_keeps_every_value_at_its_place(rows in 1usize..3, a in 1usize..4, b in 1usize..4, more_a in 0usize..3, more_b in 0usize..3) {
            let values: Vec<f32> = (0..rows * a * b).map(|v| v as f32 + 1.0).collect();
            let padded = pad(&floats(&[rows, a, b], &values), &[a + more_a, b + more_b]).unwrap();
            let got = padded.values::<f32>().unwrap();
            for row in 0..rows {
                for i in 0..a + more_a {
                    for j in 0..b + more_b {
                        let value = got[(row * (a + more_a) + i) * (b + more_b) + j];
                        let expected = if i < a && j < b { values[(row * a + i) * b + j] } else { values[0] };
                        prop_assert_eq!(value, expected);
                    }
                }
            }
        }
    }

    // tfs: batch-padding
    #[test]
    fn strings_are_padded_with_their_own_first() {
        let words = Tensor::from_strings([2usize, 1], ["a", "b"].into_iter().collect()).unwrap();
        let padded = pad(&words, &[2]).unwrap();
        assert_eq!(padded.strings().unwrap().iter().collect::<Vec<_>>(), [b"a", b"a", b"b", b"a"]);
        assert!(pad(&words, &[2, 2]).is_err());
        assert!(pad(&padded, &[1]).is_err());
    }

    #[test]
    fn padding_cannot_ask_for_a_huge_tensor() {
        for extents in [[1 << 40, 1], [1 << 58, 1 << 58]] {
            let error = pad(&floats(&[1, 1, 1], &[1.0]), &extents).unwrap_err();
            assert!(error.message.contains("would take more than"), "{error}");
            let words = Tensor::from_strings([1usize, 1, 1], ["a"].into_iter().collect()).unwrap();
            assert!(pad(&words, &extents).is_err());
        }
    }

    #[test]
    fn joined_rows_stand_in_aligned_memory() {
        let part = floats(&[1, 3], &[1.0, 2.0, 3.0]);
        let joined = join(&[&part, &part], 4).unwrap();
        assert!(joined.bytes().unwrap().as_ptr().addr().is_multiple_of(taxiway_engine::ALIGNMENT));
        assert_eq!(joined.shape(), [4, 3]);
    }

    // tfs: batch-rank
    #[test]
    fn requests_without_equal_rows_are_refused() {
        let message = |inputs: &[Tensor]| count(inputs).unwrap_err().message;
        assert_eq!(message(&[]), "Batching Run() must have at least one input tensor");
        assert_eq!(message(&[floats(&[], &[1.0])]), "Batching Run() input tensors must have at least one dimension");
        assert_eq!(
            message(&[floats(&[1], &[1.0]), floats(&[2], &[1.0, 2.0])]),
            "Batching Run() input tensors must have equal 0th-dimension size"
        );
        assert_eq!(count(&[floats(&[2, 1], &[1.0, 2.0])]), Ok(2));
    }

    // tfs: batch-output
    #[test]
    fn outputs_must_carry_the_batch() {
        let scalar = check_outputs(&[floats(&[], &[1.0])], 1).unwrap_err();
        assert_eq!(
            (scalar.kind, scalar.message.as_str()),
            (ErrorKind::FailedPrecondition, "Batched output tensor has 0 dimensions")
        );
        assert!(check_outputs(&[floats(&[2], &[1.0, 2.0])], 3).is_err());
        assert_eq!(check_outputs(&[floats(&[2], &[1.0, 2.0])], 2), Ok(()));
    }
}
