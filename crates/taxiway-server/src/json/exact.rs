//! Nested lists into a tensor with every check in TensorFlow Serving's order, so that a wrong value gets its message.

use taxiway_engine::{Error, MAX_RANK, Result, Shape};

use super::cursor::Cursor;
use super::dump::dump;
use super::sink::Sink;

/// Appends the elements of the value that the cursor stands on, and returns its shape. The syntax has been checked.
///
/// # Errors
/// `InvalidArgument` when the lists do not nest regularly, and what [`Sink::push`] returns.
pub(super) fn read(cursor: &mut Cursor<'_>, sink: &mut Sink) -> Result<Shape> {
    let shape = first_shape(*cursor)?;
    let mut counts = Vec::with_capacity(shape.len());
    loop {
        let value = *cursor;
        match begin(cursor, sink, &shape, counts.len()) {
            Ok(true) => {
                counts.push(0);
                continue;
            }
            Ok(false) => {}
            Err(error) => return Err(outermost(value, counts, &shape, error)),
        }
        loop {
            let Some(count) = counts.last_mut() else { return Ok(shape) };
            *count += 1;
            if cursor.another_element()? {
                break;
            }
            let (count, level) = (counts.pop().unwrap_or(0), counts.len());
            if count != shape[level] {
                return Err(outermost_after(*cursor, counts, &shape, size_error(count, level, shape[level])));
            }
        }
    }
}

/// Begins a value at a level: steps into a list that holds anything (true), or over any other value (false).
fn begin(cursor: &mut Cursor<'_>, sink: &mut Sink, shape: &Shape, level: usize) -> Result<bool> {
    if cursor.peek() != b'[' {
        if level != shape.len() {
            return Err(Error::invalid(format!(
                "JSON Value: {} found at incorrect level: {} in the JSON DOM. Expected at level: {}",
                dump(*cursor),
                level + 1,
                shape.len()
            )));
        }
        return sink.push(cursor).map(|()| false);
    }
    if level >= shape.len() {
        return Err(Error::invalid(format!(
            "Encountered list at unexpected level: {level} expected < {}",
            shape.len()
        )));
    }
    cursor.at += 1;
    cursor.space();
    if !cursor.take(b']') {
        return Ok(true);
    }
    match shape[level] {
        0 => Ok(false),
        expected => Err(size_error(0, level, expected)),
    }
}

fn size_error(count: usize, level: usize, expected: usize) -> Error {
    Error::invalid(format!("Encountered list at unexpected size: {count} at level: {level} expected size: {expected}"))
}

/// The error to report for one met at `value`: a list around it that has the wrong size comes first.
fn outermost(value: Cursor<'_>, counts: Vec<usize>, shape: &Shape, error: Error) -> Error {
    let mut cursor = value;
    match cursor.skip_value() {
        Ok(()) => outermost_after(cursor, counts, shape, error),
        Err(syntax) => syntax.into(),
    }
}

/// As [`outermost`], for a value that has ended where the cursor stands.
fn outermost_after(mut cursor: Cursor<'_>, mut counts: Vec<usize>, shape: &Shape, mut error: Error) -> Error {
    while let Some(count) = counts.pop() {
        let level = counts.len();
        let rest = match rest_of_list(&mut cursor) {
            Ok(rest) => rest,
            Err(error) => return error,
        };
        if count + 1 + rest != shape[level] {
            error = size_error(count + 1 + rest, level, shape[level]);
        }
    }
    error
}

/// Steps to the end of a list, one of whose elements has just ended; how many more there were.
fn rest_of_list(cursor: &mut Cursor<'_>) -> Result<usize> {
    let mut more = 0;
    while cursor.another_element()? {
        cursor.skip_value()?;
        more += 1;
    }
    Ok(more)
}

/// The shape that the first element of each level gives.
fn first_shape(mut cursor: Cursor<'_>) -> Result<Shape> {
    let mut rank = 0;
    let mut empty = false;
    while cursor.peek() == b'[' && !empty {
        cursor.at += 1;
        cursor.space();
        empty = cursor.take(b']');
        rank += 1;
        if rank > MAX_RANK {
            return Err(Error::invalid(format!("lists are nested deeper than the {MAX_RANK} dimensions of a tensor")));
        }
    }
    let mut shape = Shape::from_elem(0, rank);
    let filled = if empty { rank - 1 } else { rank };
    if !empty {
        cursor.skip_value()?;
    }
    for extent in shape[..filled].iter_mut().rev() {
        *extent = 1 + rest_of_list(&mut cursor)?;
    }
    Ok(shape)
}
