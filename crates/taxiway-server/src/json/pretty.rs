//! Lays JSON out: four spaces a level, arrays on one line, as RapidJSON's pretty writer does for TensorFlow Serving.

use smallvec::SmallVec;

const INDENT: &[u8] = b"                                ";
const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// Writes one value at the end of a buffer.
pub(super) struct Pretty<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
    levels: SmallVec<[Level; 8]>,
}

#[derive(Clone, Copy)]
struct Level {
    object: bool,
    empty: bool,
}

impl Pretty<'_> {
    pub(super) fn new(out: &mut Vec<u8>) -> Pretty<'_> {
        let start = out.len();
        Pretty { out, start, levels: SmallVec::new() }
    }

    /// How many bytes were written.
    pub(super) fn len(&self) -> usize {
        self.out.len() - self.start
    }

    /// Whether the innermost container is an object; `None` outside of any.
    pub(super) fn inside_object(&self) -> Option<bool> {
        self.levels.last().map(|level| level.object)
    }

    pub(super) fn open_object(&mut self) {
        self.before_value();
        self.out.push(b'{');
        self.levels.push(Level { object: true, empty: true });
    }

    pub(super) fn close_object(&mut self) {
        if self.levels.pop().is_some_and(|level| !level.empty) {
            self.new_line();
        }
        self.out.push(b'}');
    }

    pub(super) fn open_array(&mut self) {
        self.before_value();
        self.out.push(b'[');
        self.levels.push(Level { object: false, empty: true });
    }

    pub(super) fn close_array(&mut self) {
        self.levels.pop();
        self.out.push(b']');
    }

    /// Closes an array with its bracket on a line of its own, unless the array is empty.
    pub(super) fn close_array_below(&mut self) {
        if self.levels.pop().is_some_and(|level| !level.empty) {
            self.new_line();
        }
        self.out.push(b']');
    }

    /// Writes a member's name; its value comes next.
    pub(super) fn name(&mut self, name: &[u8]) {
        if self.follows() {
            self.out.push(b',');
        }
        self.new_line();
        escape(name, self.out);
        self.out.extend_from_slice(b": ");
    }

    pub(super) fn string(&mut self, text: &[u8]) {
        self.before_value();
        escape(text, self.out);
    }

    /// Writes a value that is JSON already.
    pub(super) fn raw(&mut self, json: &[u8]) {
        self.before_value();
        self.out.extend_from_slice(json);
    }

    /// Opens an object that is an element of an array on a line of its own.
    pub(super) fn open_object_below(&mut self) {
        if self.follows() {
            self.out.push(b',');
        }
        self.new_line();
        self.out.push(b'{');
        self.levels.push(Level { object: true, empty: true });
    }

    /// The buffer, for a value that the caller appends; what separates it from the last has been written.
    #[inline]
    pub(super) fn value(&mut self) -> &mut Vec<u8> {
        self.before_value();
        self.out
    }

    /// In an array, what separates this element from the last. In an object the name has done so.
    #[inline]
    fn before_value(&mut self) {
        if let Some(level) = self.levels.last_mut()
            && !level.object
        {
            if !level.empty {
                self.out.extend_from_slice(b", ");
            }
            level.empty = false;
        }
    }

    /// Whether the container already holds something; from now on it does.
    fn follows(&mut self) -> bool {
        self.levels.last_mut().is_some_and(|level| !std::mem::replace(&mut level.empty, false))
    }

    fn new_line(&mut self) {
        self.out.push(b'\n');
        let mut spaces = self.levels.len() * 4;
        while spaces > 0 {
            let some = spaces.min(INDENT.len());
            self.out.extend_from_slice(&INDENT[..some]);
            spaces -= some;
        }
    }
}

/// Appends a string with its quotes. Bytes that are not UTF-8 are written as they are.
fn escape(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = text;
    while let Some(at) = rest.iter().position(|&byte| byte < 0x20 || byte == b'"' || byte == b'\\') {
        out.extend_from_slice(&rest[..at]);
        let byte = rest[at];
        let short = match byte {
            b'"' | b'\\' => byte,
            8 => b'b',
            12 => b'f',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            _ => 0,
        };
        if short != 0 {
            out.extend_from_slice(&[b'\\', short]);
        } else {
            out.extend_from_slice(b"\\u00");
            out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}
