//! A request's body, its syntax checked, with the places of the top-level values that matter.

use std::borrow::Cow;

use taxiway_engine::{Error, Result, Signature, Strings, Tensor};

use super::cursor::{Cursor, SyntaxError};
use super::dump::dump;
use super::text::unescape;
use super::{Form, examples, predict};

const EMPTY: &str = "The document is empty.";

/// A request's body: an object, syntactically right up to its end. What comes after it has not been looked at.
#[derive(Debug)]
pub struct Document<'a> {
    body: &'a [u8],
    /// Where the object begins.
    root: usize,
    places: [Option<usize>; KEYS.len()],
    expected: Option<Expected>,
}

/// The top-level keys that mean something; of a key that is there twice, the first counts.
const KEYS: [&str; 5] = ["signature_name", "instances", "inputs", "context", "examples"];
const SIGNATURE_NAME: usize = 0;
const INSTANCES: usize = 1;
const INPUTS: usize = 2;
const CONTEXT: usize = 3;
const EXAMPLES: usize = 4;

/// Tensors that were read while the syntax was checked, for the signature the caller expected.
#[derive(Debug)]
struct Expected {
    signature: Signature,
    form: Form,
    tensors: Vec<Tensor>,
}

/// What to read on the way.
#[derive(Clone, Copy)]
struct Expectation<'s> {
    signature: &'s Signature,
    max_tensor_bytes: usize,
}

impl<'a> Document<'a> {
    /// Checks the syntax of a body, which must be a JSON object.
    ///
    /// # Errors
    /// `InvalidArgument` with RapidJSON's text and the offset in bytes.
    pub fn parse(body: &'a [u8]) -> Result<Document<'a>> {
        Document::parse_with(body, None)
    }

    /// As [`Document::parse`], and reads the tensors of a predict request on the way, as `signature` wants them.
    /// [`Document::predict_inputs`] then has nothing left to do when it is called with an equal signature, and reads
    /// them anew for any other: what a caller expects changes the time taken, never the result.
    ///
    /// # Errors
    /// As [`Document::parse`]; tensors that are not right are no error before they are asked for.
    pub fn parse_expecting(body: &'a [u8], signature: &Signature, max_tensor_bytes: usize) -> Result<Document<'a>> {
        Document::parse_with(body, Some(Expectation { signature, max_tensor_bytes }))
    }

    fn parse_with(body: &'a [u8], expectation: Option<Expectation<'_>>) -> Result<Document<'a>> {
        if body.is_empty() {
            return Err(Error::invalid("JSON Parse error: The document is empty"));
        }
        let mut cursor = Cursor::new(body, 0);
        // RapidJSON takes each byte of a byte order mark by itself.
        for byte in [0xEF, 0xBB, 0xBF] {
            cursor.take(byte);
        }
        cursor.space();
        match cursor.peek() {
            0 | b']' | b'}' | b',' | b':' => return Err(cursor.fail(EMPTY).into()),
            b'{' => {}
            _ => {
                let value = cursor;
                cursor.skip_value()?;
                return Err(about(value, "Is not object"));
            }
        }
        let mut document = Document { body, root: cursor.at, places: [None; KEYS.len()], expected: None };
        document.members(cursor, expectation)?;
        Ok(document)
    }

    fn members(&mut self, mut cursor: Cursor<'a>, expectation: Option<Expectation<'_>>) -> Result<(), SyntaxError> {
        cursor.at += 1;
        cursor.space();
        if cursor.take(b'}') {
            return Ok(());
        }
        loop {
            let raw = cursor.name()?;
            let name = unescape(&raw);
            let key = KEYS.iter().position(|key| key.as_bytes() == name.as_ref());
            match key.filter(|&key| self.places[key].is_none()) {
                Some(key) => {
                    self.places[key] = Some(cursor.at);
                    if !expectation.is_some_and(|expectation| self.try_reading(&mut cursor, key, expectation)) {
                        cursor.skip_value()?;
                    }
                }
                None => cursor.skip_value()?,
            }
            if !cursor.another_member()? {
                return Ok(());
            }
        }
    }

    /// Reads tensors if the value of this key holds them; false leaves the cursor where it was.
    fn try_reading(&mut self, cursor: &mut Cursor<'a>, key: usize, expectation: Expectation<'_>) -> bool {
        let form = match key {
            INSTANCES => Form::Row,
            INPUTS => Form::Columnar,
            _ => return false,
        };
        let mut ahead = *cursor;
        let Expectation { signature, max_tensor_bytes } = expectation;
        if self.expected.is_some() || signature.inputs.is_empty() || self.names_another(signature) {
            return false;
        }
        let Some(tensors) = predict::quick(&mut ahead, form, signature, max_tensor_bytes) else { return false };
        self.expected = Some(Expected { signature: signature.clone(), form, tensors });
        *cursor = ahead;
        true
    }

    /// Whether a signature has been named by now, and not this one.
    fn names_another(&self, signature: &Signature) -> bool {
        let name = self.signature_name().ok().flatten();
        name.is_some_and(|name| name != signature.name.as_str())
    }

    /// The signature that the request names, `None` when it names none. Bytes that are not UTF-8 are replaced.
    ///
    /// # Errors
    /// `InvalidArgument` when the value is no string.
    pub fn signature_name(&self) -> Result<Option<Cow<'a, str>>> {
        let Some(mut value) = self.value(SIGNATURE_NAME) else { return Ok(None) };
        if value.peek() != b'"' {
            return Err(self.about("not formatted correctly. 'signature_name' key must be a string value."));
        }
        let raw = value.string()?;
        Ok(Some(match unescape(&raw) {
            Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
            Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
        }))
    }

    /// The tensors of a predict request in the order of `signature.inputs`, and the form they came in, which the
    /// answer takes too. In row form the rows are the first dimension.
    ///
    /// # Errors
    /// `InvalidArgument` in TensorFlow Serving's words; `Unimplemented` for an element type that no JSON value
    /// converts to; `ResourceExhausted` when one tensor is larger than `max_tensor_bytes`.
    pub fn predict_inputs(&self, signature: &Signature, max_tensor_bytes: usize) -> Result<(Form, Vec<Tensor>)> {
        if signature.inputs.is_empty() {
            let name = if signature.name.is_empty() { "DEFAULT" } else { &signature.name };
            return Err(Error::invalid(format!("Failed to get input map for signature: {name}")));
        }
        let (form, value) = self.form()?;
        if let Some(expected) = self.expected.as_ref().filter(|expected| expected.form == form)
            && expected.signature == *signature
        {
            return Ok((form, expected.tensors.clone()));
        }
        if let Some(tensors) = predict::quick(&mut value.clone(), form, signature, max_tensor_bytes) {
            return Ok((form, tensors));
        }
        let tensors = match form {
            Form::Row => predict::rows(value, signature, max_tensor_bytes)?,
            Form::Columnar => predict::columns(value, signature, max_tensor_bytes)?,
        };
        Ok((form, tensors))
    }

    fn form(&self) -> Result<(Form, Cursor<'a>)> {
        let (rows, columns) = (self.value(INSTANCES), self.value(INPUTS));
        let rows = match (rows, columns) {
            (Some(_), Some(_)) => {
                return Err(
                    self.about("Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist ")
                );
            }
            (None, Some(columns)) => return Ok((Form::Columnar, columns)),
            (None, None) => return Err(Error::invalid("Missing 'inputs' or 'instances' key")),
            (Some(rows), None) => rows,
        };
        match is_empty_list(rows) {
            None => Err(self.about("Expecting 'instances' to be an list/array")),
            Some(true) => Err(self.about("No values in 'instances' array")),
            Some(false) => Ok((Form::Row, rows)),
        }
    }

    /// The examples of a classify or regress request, each a serialised `tensorflow.Example` that begins with the
    /// request's context, so that the example's own features win.
    ///
    /// # Errors
    /// `InvalidArgument` in TensorFlow Serving's words.
    pub fn examples(&self) -> Result<Strings> {
        let mut context = Vec::new();
        if let Some(mut value) = self.value(CONTEXT) {
            examples::read(&mut value, &mut context)?;
        }
        let Some(list) = self.value(EXAMPLES) else {
            return Err(self.about("When method is classify, key 'examples' is expected and was not found"));
        };
        match is_empty_list(list) {
            None => Err(self.about("Expecting 'examples' value to be an list/array")),
            Some(true) => Err(self.about("'examples' value is an empty array")),
            Some(false) => examples::read_list(list, &context),
        }
    }

    fn value(&self, key: usize) -> Option<Cursor<'a>> {
        self.places[key].map(|at| Cursor::new(self.body, at))
    }

    fn about(&self, what: &str) -> Error {
        about(Cursor::new(self.body, self.root), what)
    }
}

fn about(value: Cursor<'_>, what: &str) -> Error {
    Error::invalid(format!("JSON Value: {} {what}", dump(value)))
}

/// Whether the list that the cursor stands on is empty; `None` when it is no list.
fn is_empty_list(mut cursor: Cursor<'_>) -> Option<bool> {
    cursor.take(b'[').then(|| {
        cursor.space();
        cursor.peek() == b']'
    })
}
