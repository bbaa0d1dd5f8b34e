//! Answers: predictions in the form of their request, results of classify and regress, errors.

use taxiway_engine::{DType, Element, Error, Result, Signature, Tensor};

use super::pretty::Pretty;
use super::{Form, decimal, text};

/// Appends the answer of a predict request: tensor `i` is the signature's output `outputs[i]`.
///
/// # Errors
/// `InvalidArgument` when there is no output, when a type cannot be written (complex, half), or when in row form the
/// outputs have no common first dimension. What was appended by then must be thrown away.
pub fn write_predict(
    form: Form,
    signature: &Signature,
    outputs: &[usize],
    tensors: &[Tensor],
    out: &mut Vec<u8>,
) -> Result<()> {
    let named = outputs.iter().zip(tensors).map(|(&index, tensor)| {
        let port = signature.outputs.get(index);
        let port = port.ok_or_else(|| Error::internal(format!("the signature has no output number {index}")))?;
        Ok(Values::new(&port.name, tensor))
    });
    let named = named.collect::<Result<Vec<_>>>()?;
    if named.is_empty() {
        return Err(Error::invalid("Cannot convert empty tensor map to JSON"));
    }
    match form {
        Form::Row => write_rows(&named, out),
        Form::Columnar => write_columns(&named, out),
    }
}

fn write_rows(named: &[Values<'_>], out: &mut Vec<u8>) -> Result<()> {
    let rows = batch_size(named)?;
    let mut pretty = Pretty::new(out);
    pretty.open_object();
    pretty.name(b"predictions");
    pretty.open_array();
    for row in 0..rows {
        if let [single] = named {
            single.write(&mut pretty, 1, row)?;
            continue;
        }
        pretty.open_object_below();
        for values in named {
            pretty.name(values.name.as_bytes());
            values.write(&mut pretty, 1, row)?;
        }
        pretty.close_object();
    }
    pretty.close_array_below();
    pretty.close_object();
    Ok(())
}

/// The extent of the first dimension, which all must share.
fn batch_size(named: &[Values<'_>]) -> Result<usize> {
    let mut size = None;
    for Values { name, shape, .. } in named {
        let Some(&own) = shape.first() else {
            return Err(Error::invalid(format!("Tensor name: {name} has no shape information ")));
        };
        if *size.get_or_insert(own) != own {
            let expected = size.unwrap_or(own);
            return Err(Error::invalid(format!(
                "Tensor name: {name} has inconsistent batch size: {own} expecting: {expected}"
            )));
        }
    }
    Ok(size.unwrap_or(0))
}

fn write_columns(named: &[Values<'_>], out: &mut Vec<u8>) -> Result<()> {
    let mut pretty = Pretty::new(out);
    pretty.open_object();
    pretty.name(b"outputs");
    if let [single] = named {
        single.write(&mut pretty, 0, 0)?;
    } else {
        pretty.open_object();
        for values in named {
            pretty.name(values.name.as_bytes());
            values.write(&mut pretty, 0, 0)?;
        }
        pretty.close_object();
    }
    pretty.close_object();
    Ok(())
}

/// A tensor about to be written.
struct Values<'a> {
    name: &'a str,
    shape: &'a [usize],
    tensor: &'a Tensor,
    /// The elements of a tensor of numbers or bools.
    bytes: &'a [u8],
    /// Whether strings are written as base64: the output's name ends in `_bytes`.
    base64: bool,
}

impl<'a> Values<'a> {
    fn new(name: &'a str, tensor: &'a Tensor) -> Values<'a> {
        let bytes: &[u8] = tensor.bytes().map_or(&[], |bytes| bytes);
        Values { name, shape: tensor.shape(), tensor, bytes, base64: name.ends_with("_bytes") }
    }

    /// Writes item `index` among those that the first `skipped` dimensions number.
    fn write(&self, pretty: &mut Pretty<'_>, skipped: usize, index: usize) -> Result<()> {
        let shape = &self.shape[skipped..];
        let count: usize = shape.iter().product();
        let mut next = index * count;
        let Some((&length, outer)) = shape.split_last() else { return self.elements(pretty, next, 1) };
        // One counter a dimension; an odometer of lists.
        let mut counters = vec![0; outer.len()];
        let mut depth = 0;
        loop {
            while depth < outer.len() && counters[depth] < outer[depth] {
                pretty.open_array();
                depth += 1;
            }
            if depth == outer.len() {
                pretty.open_array();
                self.elements(pretty, next, length)?;
                pretty.close_array();
                next += length;
            } else {
                // A dimension of extent 0: an empty list.
                pretty.open_array();
                pretty.close_array();
            }
            // Step the innermost counter that has room; close the lists of those that are full.
            loop {
                if depth == 0 {
                    return Ok(());
                }
                counters[depth - 1] += 1;
                if counters[depth - 1] < outer[depth - 1] {
                    break;
                }
                counters[depth - 1] = 0;
                depth -= 1;
                pretty.close_array();
            }
        }
    }

    /// Writes `count` elements from number `first`.
    fn elements(&self, pretty: &mut Pretty<'_>, first: usize, count: usize) -> Result<()> {
        match self.tensor.dtype() {
            DType::Float => self.each(pretty, first, count, |value: f32, out| decimal::write(value, out)),
            DType::Double => self.each(pretty, first, count, |value: f64, out| decimal::write(value, out)),
            DType::Int32 => self.each(pretty, first, count, |value: i32, out| integer(value, out)),
            DType::Int16 => self.each(pretty, first, count, |value: i16, out| integer(value, out)),
            DType::Int8 => self.each(pretty, first, count, |value: i8, out| integer(value, out)),
            DType::Uint8 => self.each(pretty, first, count, |value: u8, out| integer(value, out)),
            DType::Int64 => self.each(pretty, first, count, |value: i64, out| integer(value, out)),
            DType::Uint32 => self.each(pretty, first, count, |value: u32, out| integer(value, out)),
            DType::Uint64 => self.each(pretty, first, count, |value: u64, out| integer(value, out)),
            DType::Bool => self.each(pretty, first, count, |value: u8, out| {
                out.extend_from_slice(if value == 0 { b"false" } else { b"true" });
            }),
            DType::String => self.strings(pretty, first, count),
            _ if count == 0 => {}
            other => {
                return Err(Error::invalid(format!("Failed to write JSON value for tensor type: {}", other.name())));
            }
        }
        Ok(())
    }

    fn each<T: Element>(&self, pretty: &mut Pretty<'_>, first: usize, count: usize, write: impl Fn(T, &mut Vec<u8>)) {
        let size = size_of::<T>();
        let bytes = self.bytes.get(first * size..(first + count) * size).unwrap_or(&[]);
        for value in bytes.chunks_exact(size) {
            write(bytemuck::pod_read_unaligned(value), pretty.value());
        }
    }

    fn strings(&self, pretty: &mut Pretty<'_>, first: usize, count: usize) {
        let Some(strings) = self.tensor.strings() else { return };
        for index in first..first + count {
            let string = strings.get(index);
            if !self.base64 {
                pretty.string(string);
                continue;
            }
            let mut encoded = Vec::with_capacity(string.len() / 3 * 4 + 4);
            text::encode_base64(string, &mut encoded);
            pretty.open_object();
            pretty.name(b"b64");
            pretty.string(&encoded);
            pretty.close_object();
        }
    }
}

fn integer(value: impl itoa::Integer, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends the answer of a classify request: for each example its classes, each a label (which may be empty) and a
/// score.
///
/// # Errors
/// `InvalidArgument` when there is no example.
pub fn write_classifications<'a, C>(examples: impl IntoIterator<Item = C>, out: &mut Vec<u8>) -> Result<()>
where
    C: IntoIterator<Item = (&'a [u8], f32)>,
{
    let mut examples = examples.into_iter().peekable();
    if examples.peek().is_none() {
        return Err(Error::invalid("Cannot convert empty ClassificationResults to JSON"));
    }
    let mut pretty = Pretty::new(out);
    pretty.open_object();
    pretty.name(b"results");
    pretty.open_array();
    for classes in examples {
        pretty.open_array();
        for (label, score) in classes {
            pretty.open_array();
            pretty.string(label);
            decimal::write(score, pretty.value());
            pretty.close_array();
        }
        pretty.close_array();
    }
    pretty.close_array_below();
    pretty.close_object();
    Ok(())
}

/// Appends the answer of a regress request: a value for each example.
///
/// # Errors
/// `InvalidArgument` when there is none.
pub fn write_regressions(values: &[f32], out: &mut Vec<u8>) -> Result<()> {
    if values.is_empty() {
        return Err(Error::invalid("Cannot convert empty RegressionResults to JSON"));
    }
    let mut pretty = Pretty::new(out);
    pretty.open_object();
    pretty.name(b"results");
    pretty.open_array();
    for &value in values {
        decimal::write(value, pretty.value());
    }
    pretty.close_array();
    pretty.close_object();
    Ok(())
}

/// Appends an error's body.
pub fn write_error(message: &str, out: &mut Vec<u8>) {
    let mut pretty = Pretty::new(out);
    pretty.open_object();
    pretty.name(b"error");
    pretty.string(message.as_bytes());
    pretty.close_object();
}
