//! Where the elements of one tensor gather, in their own type.

use taxiway_engine::{DType, Element, Error, ErrorKind, Result, StringsBuilder, Tensor, TensorBuilder};

use super::cursor::Cursor;
use super::dump::{dump, kind};
use super::lanes::Stop;
use super::number::Short;
use super::{lanes, number, rows, text};

/// The elements of one tensor so far.
pub(super) struct Sink {
    values: Values,
    dtype: DType,
    /// Bytes of the strings so far, with what each costs beside them.
    string_bytes: usize,
    max_bytes: usize,
}

enum Values {
    Float(TensorBuilder<f32>),
    Double(TensorBuilder<f64>),
    Int32(TensorBuilder<i32>),
    Int16(TensorBuilder<i16>),
    Int8(TensorBuilder<i8>),
    Uint8(TensorBuilder<u8>),
    Int64(TensorBuilder<i64>),
    Uint32(TensorBuilder<u32>),
    Uint64(TensorBuilder<u64>),
    Bool(TensorBuilder<u8>),
    Strings(StringsBuilder),
    /// A type that no JSON value converts to; a tensor of it can only be empty.
    Other,
}

/// Calls `$body` with the builder of whichever numeric type this is.
macro_rules! with_builder {
    ($values:expr, $builder:ident => $body:expr, strings $strings:ident => $string_body:expr, other => $other:expr) => {
        match $values {
            Values::Float($builder) => $body,
            Values::Double($builder) => $body,
            Values::Int32($builder) => $body,
            Values::Int16($builder) => $body,
            Values::Int8($builder) => $body,
            Values::Uint8($builder) => $body,
            Values::Int64($builder) => $body,
            Values::Uint32($builder) => $body,
            Values::Uint64($builder) => $body,
            Values::Bool($builder) => $body,
            Values::Strings($strings) => $string_body,
            Values::Other => $other,
        }
    };
}

impl Sink {
    /// An empty sink with room for `capacity` elements, for tensors of at most `max_bytes`.
    pub(super) fn new(dtype: DType, capacity: usize, max_bytes: usize) -> Sink {
        let capacity = capacity.min(max_bytes / dtype.size().unwrap_or(1));
        let values = match dtype {
            DType::Float => Values::Float(TensorBuilder::with_capacity(capacity)),
            DType::Double => Values::Double(TensorBuilder::with_capacity(capacity)),
            DType::Int32 => Values::Int32(TensorBuilder::with_capacity(capacity)),
            DType::Int16 => Values::Int16(TensorBuilder::with_capacity(capacity)),
            DType::Int8 => Values::Int8(TensorBuilder::with_capacity(capacity)),
            DType::Uint8 => Values::Uint8(TensorBuilder::with_capacity(capacity)),
            DType::Int64 => Values::Int64(TensorBuilder::with_capacity(capacity)),
            DType::Uint32 => Values::Uint32(TensorBuilder::with_capacity(capacity)),
            DType::Uint64 => Values::Uint64(TensorBuilder::with_capacity(capacity)),
            DType::Bool => Values::Bool(TensorBuilder::with_capacity(capacity)),
            DType::String => Values::Strings(StringsBuilder::default()),
            _ => Values::Other,
        };
        Sink { values, dtype, string_bytes: 0, max_bytes }
    }

    /// Reads scalars up to the end of the list that the cursor stands in, and how many they were. `None` when one of
    /// them is anything else, or the tensor grows too large.
    #[inline]
    pub(super) fn row(&mut self, cursor: &mut Cursor<'_>) -> Option<usize> {
        let count = match &mut self.values {
            Values::Float(values) => {
                rows::read(cursor, values, lanes::floats, rows::long_float, Short::float, number::read_float)
            }
            Values::Double(values) => rows::read(cursor, values, none, |_| None, Short::double, number::read_double),
            Values::Int32(values) => rows::read(cursor, values, many, |_| None, narrow, read_wide),
            Values::Int16(values) => rows::read(
                cursor,
                values,
                none,
                |_| None,
                |short| narrow::<i32>(short).map(|value| value as i16),
                |cursor| read_i32(cursor).map(|value| value as i16),
            ),
            Values::Int8(values) => rows::read(
                cursor,
                values,
                none,
                |_| None,
                |short| narrow::<i32>(short).map(|value| value as i8),
                |cursor| read_i32(cursor).map(|value| value as i8),
            ),
            Values::Uint8(values) => rows::read(
                cursor,
                values,
                none,
                |_| None,
                |short| narrow::<i32>(short).map(|value| value as u8),
                |cursor| read_i32(cursor).map(|value| value as u8),
            ),
            Values::Int64(values) => rows::read(cursor, values, many, |_| None, narrow, read_wide),
            Values::Uint32(values) => rows::read(cursor, values, many, |_| None, narrow, read_wide),
            Values::Uint64(values) => rows::read(cursor, values, many, |_| None, narrow, read_wide),
            Values::Bool(values) => {
                rows::read(cursor, values, none, |_| None, |_| None, |cursor| read_bool(cursor).map(u8::from))
            }
            Values::Strings(_) => self.string_row(cursor),
            Values::Other => None,
        }?;
        (self.byte_len() <= self.max_bytes).then_some(count)
    }

    fn string_row(&mut self, cursor: &mut Cursor<'_>) -> Option<usize> {
        let mut count = 1;
        self.push(cursor).ok()?;
        while cursor.another_element().ok()? {
            self.push(cursor).ok()?;
            count += 1;
        }
        Some(count)
    }

    /// Reads the scalar (or base64 object) that the cursor stands on.
    ///
    /// # Errors
    /// `InvalidArgument` when the value is not of the tensor's type, `Unimplemented` when nothing converts to it,
    /// `ResourceExhausted` when the tensor grows too large.
    pub(super) fn push(&mut self, cursor: &mut Cursor<'_>) -> Result<()> {
        let start = *cursor;
        if cursor.peek() == b'{' {
            return self.push_base64(cursor);
        }
        let pushed = match &mut self.values {
            Values::Float(values) => number::read_float(cursor).map(|value| values.push(value)),
            Values::Double(values) => number::read_double(cursor).map(|value| values.push(value)),
            Values::Int32(values) => read_i32(cursor).map(|value| values.push(value)),
            Values::Int16(values) => read_i32(cursor).map(|value| values.push(value as i16)),
            Values::Int8(values) => read_i32(cursor).map(|value| values.push(value as i8)),
            Values::Uint8(values) => read_i32(cursor).map(|value| values.push(value as u8)),
            Values::Int64(values) => read_wide(cursor).map(|value| values.push(value)),
            Values::Uint32(values) => read_wide(cursor).map(|value| values.push(value)),
            Values::Uint64(values) => read_wide(cursor).map(|value| values.push(value)),
            Values::Bool(values) => read_bool(cursor).map(|value| values.push(u8::from(value))),
            Values::Strings(strings) => read_string(cursor, strings).map(|length| self.string_bytes += length),
            Values::Other => {
                let message = format!("Conversion of JSON Value: {} to type: {}", dump(start), self.dtype.name());
                return Err(Error::new(ErrorKind::Unimplemented, message));
            }
        };
        if pushed.is_none() {
            return Err(self.type_error(start));
        }
        if self.byte_len() > self.max_bytes {
            return Err(Error::new(
                ErrorKind::ResourceExhausted,
                format!(
                    "a tensor of the request is larger than the limit of {} bytes; send fewer rows at a time, or raise \
                     max_tensor_bytes",
                    self.max_bytes
                ),
            ));
        }
        Ok(())
    }

    fn push_base64(&mut self, cursor: &mut Cursor<'_>) -> Result<()> {
        let start = *cursor;
        let Values::Strings(strings) = &mut self.values else { return Err(self.type_error(start)) };
        let Some(raw) = base64_object(cursor) else {
            return Err(Error::invalid(format!("JSON Value: {} not formatted correctly for base64 data", dump(start))));
        };
        let text = text::unescape(&raw);
        self.string_bytes += text.len() + STRING_COST;
        strings
            .push_with(|out| text::decode_base64(&text, out).ok_or(()))
            .map_err(|()| Error::invalid("Unable to base64 decode"))
    }

    fn type_error(&self, value: Cursor<'_>) -> Error {
        Error::invalid(format!(
            "JSON Value: {} Type: {} is not of expected type: {}",
            dump(value),
            kind(&value),
            self.dtype.name()
        ))
    }

    fn byte_len(&self) -> usize {
        with_builder!(&self.values, values => values.len() * self.dtype.size().unwrap_or(1),
            strings _strings => self.string_bytes, other => 0)
    }

    /// The tensor.
    ///
    /// # Errors
    /// `InvalidArgument` when the elements do not fill the shape.
    pub(super) fn finish(self, shape: &[usize]) -> Result<Tensor> {
        match self.values {
            Values::Bool(values) => values.finish(shape)?.retyped(DType::Bool),
            Values::Strings(strings) => Tensor::from_strings(shape, strings.finish()),
            values => with_builder!(values, builder => builder.finish(shape),
                strings strings => Tensor::from_strings(shape, strings.finish()),
                other => Tensor::from_bytes(self.dtype, shape, bytes::Bytes::new())),
        }
    }
}

/// What a string costs beside its bytes.
const STRING_COST: usize = size_of::<usize>();

/// Reads nothing: lists of this type are read one by one.
fn none<T: Element>(_: &[u8], _: &mut usize, _: &mut TensorBuilder<T>) -> Stop {
    Stop::Before
}

/// Reads integers of a type, as far as they fit it.
fn many<T: Element + TryFrom<i32>>(text: &[u8], at: &mut usize, values: &mut TensorBuilder<T>) -> Stop {
    lanes::integers(text, at, values, |value| T::try_from(value).ok())
}

/// An integer literal as one of a type that it fits.
#[inline(always)]
fn narrow<T: TryFrom<i64>>(short: &Short) -> Option<T> {
    T::try_from(short.integer()?).ok()
}

#[inline]
fn read_i32(cursor: &mut Cursor<'_>) -> Option<i32> {
    read_wide(cursor)
}

#[inline]
fn read_wide<T: TryFrom<i128>>(cursor: &mut Cursor<'_>) -> Option<T> {
    T::try_from(number::read_integer(cursor)?).ok()
}

#[inline]
fn read_bool(cursor: &mut Cursor<'_>) -> Option<bool> {
    match cursor.peek() {
        b't' => cursor.literal(b"true").ok().map(|()| true),
        b'f' => cursor.literal(b"false").ok().map(|()| false),
        _ => None,
    }
}

/// Appends a string, and returns what it costs.
fn read_string(cursor: &mut Cursor<'_>, strings: &mut StringsBuilder) -> Option<usize> {
    if cursor.peek() != b'"' {
        return None;
    }
    let raw = cursor.string().ok()?;
    if !raw.escaped {
        strings.push(raw.bytes);
    } else {
        let pushed: Result<(), ()> = strings.push_with(|out| {
            text::unescape_into(&raw, out);
            Ok(())
        });
        pushed.ok()?;
    }
    Some(raw.bytes.len() + STRING_COST)
}

/// The text of `{"b64": "text"}`, when that is exactly what the cursor stands on; it then stands behind it.
pub(super) fn base64_object<'a>(cursor: &mut Cursor<'a>) -> Option<super::cursor::Raw<'a>> {
    let mut ahead = *cursor;
    if !ahead.take(b'{') {
        return None;
    }
    ahead.space();
    let name = ahead.name().ok()?;
    if text::unescape(&name).as_ref() != b"b64" || ahead.peek() != b'"' {
        return None;
    }
    let raw = ahead.string().ok()?;
    if ahead.another_member().ok()? {
        return None;
    }
    *cursor = ahead;
    Some(raw)
}
