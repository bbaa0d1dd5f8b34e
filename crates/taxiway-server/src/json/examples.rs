//! Objects into serialised `tensorflow.Example` messages: field 1 of Example is Features, field 1 of Features is the
//! map entry {1: name, 2: Feature}, and a Feature is one list: {1: bytes} | {2: floats} | {3: int64s}.

use taxiway_engine::{Error, Result, Strings, StringsBuilder};

use super::cursor::Cursor;
use super::dump::kind as json_kind;
use super::number::{self, Number};
use super::sink::base64_object;
use super::text::{decode_base64, unescape, until_nul};

/// What a feature's list holds. The number is the field of `tensorflow.Feature`.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Bytes = 1,
    Float = 2,
    Int64 = 3,
}

/// Each element of the list that the cursor stands on, behind the context. The list is not empty.
pub(super) fn read_list(mut cursor: Cursor<'_>, context: &[u8]) -> Result<Strings> {
    let mut examples = StringsBuilder::default();
    cursor.at += 1;
    cursor.space();
    loop {
        examples.push_with(|out| {
            out.extend_from_slice(context);
            read(&mut cursor, out)
        })?;
        if !cursor.another_element()? {
            return Ok(examples.finish());
        }
    }
}

/// Appends the object that the cursor stands on as an Example. Two Examples one after the other are one, in which the
/// later value of a feature wins.
pub(super) fn read(cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Result<()> {
    if cursor.peek() != b'{' {
        let kind = json_kind(cursor);
        return Err(Error::invalid(format!("Example must be JSON object but got JSON {kind}")));
    }
    cursor.at += 1;
    cursor.space();
    let mut features = Vec::new();
    let mut more = !cursor.take(b'}');
    while more {
        let raw = cursor.name()?;
        let name = until_nul(unescape(&raw));
        let feature = Feature::read(cursor, &name)?;
        let mut entry = Vec::new();
        put_bytes(1, &name, &mut entry);
        put_bytes(2, &feature.serialise(), &mut entry);
        put_bytes(1, &entry, &mut features);
        more = cursor.another_member()?;
    }
    put_bytes(1, &features, out);
    Ok(())
}

/// A feature's elements, as the body of its list message.
struct Feature<'n> {
    name: &'n [u8],
    kind: Option<Kind>,
    /// For bytes: whole fields. For numbers: the packed values.
    values: Vec<u8>,
}

impl<'n> Feature<'n> {
    fn read(cursor: &mut Cursor<'_>, name: &'n [u8]) -> Result<Feature<'n>> {
        let mut feature = Feature { name, kind: None, values: Vec::new() };
        if !cursor.take(b'[') {
            feature.add(cursor)?;
            return Ok(feature);
        }
        cursor.space();
        let mut more = !cursor.take(b']');
        while more {
            feature.add(cursor)?;
            more = cursor.another_element()?;
        }
        Ok(feature)
    }

    /// Adds the element that the cursor stands on.
    fn add(&mut self, cursor: &mut Cursor<'_>) -> Result<()> {
        match cursor.peek() {
            b't' | b'f' => {
                self.expect(Kind::Int64)?;
                self.values.push(u8::from(cursor.peek() == b't'));
                cursor.skip_scalar()?;
            }
            b'"' => {
                self.expect(Kind::Bytes)?;
                let raw = cursor.string()?;
                put_bytes(1, &unescape(&raw), &mut self.values);
            }
            b'{' => {
                let Some(raw) = base64_object(cursor) else { return Err(self.unexpected(cursor)) };
                self.expect(Kind::Bytes)?;
                let mut bytes = Vec::new();
                decode_base64(&unescape(&raw), &mut bytes).ok_or_else(|| Error::invalid("Unable to base64 decode"))?;
                put_bytes(1, &bytes, &mut self.values);
            }
            b'n' | b'[' => return Err(self.unexpected(cursor)),
            _ => self.add_number(number::read(cursor)?)?,
        }
        Ok(())
    }

    fn add_number(&mut self, number: Number) -> Result<()> {
        match number {
            Number::Double(value) => {
                self.expect(Kind::Float)?;
                self.values.extend_from_slice(&(value as f32).to_le_bytes());
            }
            Number::Integer(value) => {
                self.expect(Kind::Int64)?;
                let value = i64::try_from(value).map_err(|_| {
                    let name = self.shown();
                    Error::invalid(format!("Feature: {name} has uint64_t element. Only int64_t is supported."))
                })?;
                put_varint(value.cast_unsigned(), &mut self.values);
            }
        }
        Ok(())
    }

    /// Makes sure that all elements are of one kind.
    fn expect(&mut self, kind: Kind) -> Result<()> {
        let first = *self.kind.get_or_insert(kind);
        if first == kind {
            return Ok(());
        }
        let expected = match first {
            Kind::Bytes => "bytes",
            Kind::Float => "float",
            Kind::Int64 => "int64",
        };
        Err(Error::invalid(format!("Unexpected element type in feature: {} expecting type: {expected}", self.shown())))
    }

    fn unexpected(&self, value: &Cursor<'_>) -> Error {
        let (name, kind) = (self.shown(), json_kind(value));
        Error::invalid(format!("Feature: {name} has element with unexpected JSON type: {kind}"))
    }

    fn shown(&self) -> String {
        String::from_utf8_lossy(self.name).into_owned()
    }

    /// The `tensorflow.Feature`; empty for an empty list, whose kind nobody knows.
    fn serialise(&self) -> Vec<u8> {
        let Some(kind) = self.kind else { return Vec::new() };
        let mut list = Vec::new();
        let list = match kind {
            Kind::Bytes => &self.values,
            Kind::Float | Kind::Int64 => {
                put_bytes(1, &self.values, &mut list);
                &list
            }
        };
        let mut feature = Vec::new();
        put_bytes(kind as u8, list, &mut feature);
        feature
    }
}

/// Appends a field of wire type 2: its tag, its length, its bytes.
fn put_bytes(field: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(field << 3 | 2);
    put_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
