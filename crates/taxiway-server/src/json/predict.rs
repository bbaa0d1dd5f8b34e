//! The tensors of a predict request, in row form (`instances`) or columnar form (`inputs`).

use smallvec::SmallVec;
use taxiway_engine::{Error, Result, Shape, Signature, Tensor};

use super::cursor::Cursor;
use super::dump::dump;
use super::sink::{Sink, base64_object};
use super::text::{unescape, until_nul};
use super::{Form, dense, exact};

/// What is known of one input while its elements gather.
struct Input {
    sink: Sink,
    /// The shape: of the whole in columnar form, of one row in row form.
    shape: Option<Shape>,
}

/// Reads tensors in the signature's order.
struct Reader<'s> {
    signature: &'s Signature,
    inputs: SmallVec<[Input; 2]>,
}

/// Reads the value of `instances` or `inputs` in one pass, checking its syntax too; the cursor then stands behind it.
/// `None` when it is not plainly right.
pub(super) fn quick(
    cursor: &mut Cursor<'_>,
    form: Form,
    signature: &Signature,
    max_bytes: usize,
) -> Option<Vec<Tensor>> {
    let reader = Reader::new(signature, cursor, max_bytes);
    match form {
        Form::Row => reader.quick_rows(cursor),
        Form::Columnar => reader.quick_columns(cursor),
    }
}

/// Reads the value of `instances`, whose syntax has been checked and which is a list that is not empty.
///
/// # Errors
/// The messages of TensorFlow Serving, for the first thing that is wrong.
pub(super) fn rows(mut cursor: Cursor<'_>, signature: &Signature, max_bytes: usize) -> Result<Vec<Tensor>> {
    let mut reader = Reader::new(signature, &cursor, max_bytes);
    cursor.at += 1;
    cursor.space();
    if cursor.peek() != b'{' && signature.inputs.len() > 1 {
        return Err(Error::invalid(PLAIN_ROWS));
    }
    let objects = is_named(cursor);
    if !objects && signature.inputs.len() > 1 {
        return Err(Error::invalid(PLAIN_ROWS));
    }
    let mut row = 0;
    loop {
        match (objects, is_named(cursor)) {
            (true, false) => {
                return Err(Error::invalid(format!("Expecting object but got list at item {row} of input list")));
            }
            (false, true) => {
                return Err(Error::invalid(format!("Expecting value/list but got object at item {row} of input list")));
            }
            (true, true) => reader.named_row(&mut cursor, row)?,
            (false, false) => reader.add_row(&mut cursor, 0).map_err(|error| {
                Error::invalid(format!("Failed to process element: {row} of 'instances' list. Error: {error}"))
            })?,
        }
        row += 1;
        if !cursor.another_element()? {
            return reader.finish(Some(row));
        }
    }
}

/// Reads the value of `inputs`, whose syntax has been checked.
///
/// # Errors
/// The messages of TensorFlow Serving, for the first thing that is wrong.
pub(super) fn columns(mut cursor: Cursor<'_>, signature: &Signature, max_bytes: usize) -> Result<Vec<Tensor>> {
    let mut reader = Reader::new(signature, &cursor, max_bytes);
    if !is_named(cursor) {
        let [input] = reader.inputs.as_mut_slice() else { return Err(Error::invalid(PLAIN_COLUMNS)) };
        input.shape = Some(exact::read(&mut cursor, &mut input.sink)?);
        return reader.finish(None);
    }
    for (port, input) in signature.inputs.iter().zip(&mut reader.inputs) {
        let Some(mut value) = member(cursor, port.name.as_bytes())? else {
            return Err(Error::invalid(format!("Missing named input: {} in 'inputs' object.", port.name)));
        };
        input.shape = Some(exact::read(&mut value, &mut input.sink)?);
    }
    reader.finish(None)
}

const PLAIN_ROWS: &str = "instances is a plain list, but expecting list of objects as multiple input tensors required \
                          as per tensorinfo_map";
const PLAIN_COLUMNS: &str = "inputs is a plain value/list, but expecting an object as multiple input tensors required \
                             as per tensorinfo_map";

/// Whether the cursor stands on an object that names inputs, not on one that wraps base64.
fn is_named(mut cursor: Cursor<'_>) -> bool {
    cursor.peek() == b'{' && base64_object(&mut cursor).is_none()
}

/// The value of the first member of that name in the object that the cursor stands on.
fn member<'a>(mut cursor: Cursor<'a>, name: &[u8]) -> Result<Option<Cursor<'a>>> {
    cursor.at += 1;
    cursor.space();
    if cursor.take(b'}') {
        return Ok(None);
    }
    loop {
        let found = cursor.name()?;
        if unescape(&found).as_ref() == name {
            return Ok(Some(cursor));
        }
        cursor.skip_value()?;
        if !cursor.another_member()? {
            return Ok(None);
        }
    }
}

impl<'s> Reader<'s> {
    fn new(signature: &'s Signature, cursor: &Cursor<'_>, max_bytes: usize) -> Reader<'s> {
        // No element takes less than two bytes of the body.
        let most = cursor.rest().len() / 2 + 1;
        let inputs = signature.inputs.iter().map(|port| {
            let known =
                port.shape.0.iter().flatten().flatten().try_fold(1usize, |size, &extent| size.checked_mul(extent));
            Input { sink: Sink::new(port.dtype, known.unwrap_or(most).min(most), max_bytes), shape: None }
        });
        Reader { signature, inputs: inputs.collect() }
    }

    fn quick_rows(mut self, cursor: &mut Cursor<'_>) -> Option<Vec<Tensor>> {
        let mut first = *cursor;
        if !first.take(b'[') {
            return None;
        }
        first.space();
        if !is_named(first) {
            // All rows together are one regular nest of lists with the rows outermost.
            let [input] = self.inputs.as_mut_slice() else { return None };
            let shape = dense::read(cursor, &mut input.sink)?;
            let rows = *shape.first()?;
            input.shape = Some(Shape::from_slice(&shape[1..]));
            return if rows == 0 { None } else { self.finish(Some(rows)).ok() };
        }
        *cursor = first;
        let mut rows = 0;
        loop {
            self.quick_named_row(cursor)?;
            rows += 1;
            if !cursor.another_element().ok()? {
                return self.finish(Some(rows)).ok();
            }
        }
    }

    /// One row that names every input once and nothing else.
    fn quick_named_row(&mut self, cursor: &mut Cursor<'_>) -> Option<()> {
        if !is_named(*cursor) {
            return None;
        }
        let mut seen: SmallVec<[bool; 8]> = SmallVec::from_elem(false, self.inputs.len());
        cursor.at += 1;
        cursor.space();
        loop {
            let name = cursor.name().ok()?;
            let index = self.position(&unescape(&name))?;
            if std::mem::replace(&mut seen[index], true) {
                return None;
            }
            let input = &mut self.inputs[index];
            let shape = dense::read(cursor, &mut input.sink)?;
            if *input.shape.get_or_insert_with(|| shape.clone()) != shape {
                return None;
            }
            if !cursor.another_member().ok()? {
                return seen.iter().all(|&seen| seen).then_some(());
            }
        }
    }

    fn quick_columns(mut self, cursor: &mut Cursor<'_>) -> Option<Vec<Tensor>> {
        if !is_named(*cursor) {
            let [input] = self.inputs.as_mut_slice() else { return None };
            input.shape = Some(dense::read(cursor, &mut input.sink)?);
            return self.finish(None).ok();
        }
        cursor.at += 1;
        cursor.space();
        loop {
            let name = cursor.name().ok()?;
            match self.position(&unescape(&name)).map(|index| &mut self.inputs[index]) {
                Some(input) if input.shape.is_none() => input.shape = Some(dense::read(cursor, &mut input.sink)?),
                // Other names, and a name's second value, are passed over.
                _ => cursor.skip_value().ok()?,
            }
            if !cursor.another_member().ok()? {
                return self.finish(None).ok();
            }
        }
    }

    fn position(&self, name: &[u8]) -> Option<usize> {
        self.signature.inputs.iter().position(|port| port.name.as_bytes() == name)
    }

    /// One row that should name every input.
    fn named_row(&mut self, cursor: &mut Cursor<'_>, row: usize) -> Result<()> {
        let element = *cursor;
        let mut seen: SmallVec<[bool; 8]> = SmallVec::from_elem(false, self.inputs.len());
        cursor.at += 1;
        cursor.space();
        let mut more = !cursor.take(b'}');
        while more {
            let raw = cursor.name()?;
            let name = until_nul(unescape(&raw));
            let wrap = |error: &Error| {
                let name = String::from_utf8_lossy(&name);
                Error::invalid(format!(
                    "Failed to process element: {row} key: {name} of 'instances' list. Error: {error}"
                ))
            };
            let Some(index) = self.position(&name) else {
                let name = String::from_utf8_lossy(&name);
                return Err(wrap(&Error::invalid(format!("JSON object: does not have named input: {name}"))));
            };
            if std::mem::replace(&mut seen[index], true) {
                cursor.skip_value()?;
            } else {
                self.add_row(cursor, index).map_err(|error| wrap(&error))?;
            }
            more = cursor.another_member()?;
        }
        if seen.iter().all(|&seen| seen) {
            return Ok(());
        }
        let names: Vec<&str> = self.signature.inputs.iter().map(|port| port.name.as_str()).collect();
        Err(Error::invalid(format!(
            "Failed to process element: {row} of 'instances' list. JSON object: {} keys must be equal to: {}",
            dump(element),
            names.join(",")
        )))
    }

    /// Adds a row's value to an input; it must be shaped like the rows before it.
    fn add_row(&mut self, cursor: &mut Cursor<'_>, index: usize) -> Result<()> {
        let input = &mut self.inputs[index];
        let shape = exact::read(cursor, &mut input.sink)?;
        let Some(expected) = &input.shape else {
            input.shape = Some(shape);
            return Ok(());
        };
        let size = |shape: &Shape| shape.iter().product::<usize>();
        if size(expected) != size(&shape) {
            return Err(Error::invalid(format!("Expecting tensor size: {} but got: {}", size(expected), size(&shape))));
        }
        if *expected != shape {
            return Err(Error::invalid(format!("Expecting shape {} but got: {}", show(expected), show(&shape))));
        }
        Ok(())
    }

    /// The tensors; with `rows`, that many shapes stacked.
    fn finish(self, rows: Option<usize>) -> Result<Vec<Tensor>> {
        let finish = |input: Input| {
            let shape = input.shape.ok_or_else(|| Error::invalid("an input of the signature has no value"))?;
            input.sink.finish(&rows.into_iter().chain(shape).collect::<Shape>())
        };
        self.inputs.into_iter().map(finish).collect()
    }
}

fn show(shape: &Shape) -> String {
    let extents: Vec<String> = shape.iter().map(usize::to_string).collect();
    format!("[{}]", extents.join(","))
}
