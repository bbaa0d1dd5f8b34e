//! Where a reader stands in a body, and the tokens that need no value: white space, strings, literals, whole values.

use taxiway_engine::Error;

use super::number;

/// What is wrong with the syntax, in RapidJSON's words, and at which byte of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SyntaxError {
    pub(super) text: &'static str,
    pub(super) at: usize,
}

pub(super) const INVALID_VALUE: &str = "Invalid value.";
pub(super) const MISSING_NAME: &str = "Missing a name for object member.";
pub(super) const MISSING_COLON: &str = "Missing a colon after a name of object member.";
pub(super) const MISSING_CURLY: &str = "Missing a comma or '}' after an object member.";
const MISSING_SQUARE: &str = "Missing a comma or ']' after an array element.";
const BAD_HEX: &str = "Incorrect hex digit after \\u escape in string.";
const BAD_SURROGATE: &str = "The surrogate pair in string is invalid.";
const BAD_ESCAPE: &str = "Invalid escape character in string.";
const MISSING_QUOTE: &str = "Missing a closing quotation mark in string.";

impl From<SyntaxError> for Error {
    fn from(error: SyntaxError) -> Error {
        Error::invalid(format!("JSON Parse error: {} at offset: {}", error.text, error.at))
    }
}

/// A string between its quotes, as it stands in the body.
#[derive(Debug, Clone, Copy)]
pub(super) struct Raw<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) escaped: bool,
}

/// A place in a body. Past the end every byte reads as NUL, which ends a document wherever it stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor<'a> {
    pub(super) text: &'a [u8],
    pub(super) at: usize,
}

impl<'a> Cursor<'a> {
    #[inline]
    pub(super) fn new(text: &'a [u8], at: usize) -> Cursor<'a> {
        Cursor { text, at }
    }

    #[inline]
    pub(super) fn peek(&self) -> u8 {
        self.text.get(self.at).copied().unwrap_or(0)
    }

    /// Steps over `byte` if it is the next one.
    #[inline]
    pub(super) fn take(&mut self, byte: u8) -> bool {
        if self.text.get(self.at) != Some(&byte) {
            return false;
        }
        self.at += 1;
        true
    }

    /// What is left of the body.
    #[inline]
    pub(super) fn rest(&self) -> &'a [u8] {
        self.text.get(self.at..).unwrap_or(&[])
    }

    #[inline(always)]
    pub(super) fn space(&mut self) {
        // Most often there is nothing, or one blank, to step over.
        if self.peek() <= b' ' {
            self.long_space();
        }
    }

    fn long_space(&mut self) {
        while matches!(self.peek(), b' ' | b'\n' | b'\r' | b'\t') {
            self.at += 1;
        }
    }

    pub(super) fn fail(&self, text: &'static str) -> SyntaxError {
        SyntaxError { text, at: self.at }
    }

    /// Steps over a literal, `true`, whose first byte is known to be there.
    pub(super) fn literal(&mut self, word: &'static [u8]) -> Result<(), SyntaxError> {
        match word.iter().all(|&byte| self.take(byte)) {
            true => Ok(()),
            false => Err(self.fail(INVALID_VALUE)),
        }
    }

    /// Steps over a string; the cursor stands on its opening quote.
    #[inline]
    pub(super) fn string(&mut self) -> Result<Raw<'a>, SyntaxError> {
        self.at += 1;
        let start = self.at;
        let mut escaped = false;
        loop {
            self.at += plain_length(self.rest());
            match self.peek() {
                b'"' => break,
                b'\\' => {
                    escaped = true;
                    self.escape()?;
                }
                0 => return Err(self.fail(MISSING_QUOTE)),
                _ => return Err(self.fail(BAD_ESCAPE)),
            }
        }
        let bytes = self.text.get(start..self.at).unwrap_or(&[]);
        self.at += 1;
        Ok(Raw { bytes, escaped })
    }

    /// Steps over one escape. Its errors are reported where it begins.
    fn escape(&mut self) -> Result<(), SyntaxError> {
        let backslash = *self;
        self.at += 1;
        match self.peek() {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {
                self.at += 1;
                return Ok(());
            }
            b'u' => self.at += 1,
            _ => return Err(backslash.fail(BAD_ESCAPE)),
        }
        let first = self.hex4().ok_or(backslash.fail(BAD_HEX))?;
        if (0xD800..0xDC00).contains(&first) {
            if !(self.take(b'\\') && self.take(b'u')) {
                return Err(backslash.fail(BAD_SURROGATE));
            }
            let second = self.hex4().ok_or(backslash.fail(BAD_HEX))?;
            if !(0xDC00..0xE000).contains(&second) {
                return Err(backslash.fail(BAD_SURROGATE));
            }
        }
        Ok(())
    }

    fn hex4(&mut self) -> Option<u32> {
        let value = super::text::hex4(self.rest())?;
        self.at += 4;
        Some(value)
    }

    /// Steps over a member's name and its colon, to where its value begins.
    #[inline]
    pub(super) fn name(&mut self) -> Result<Raw<'a>, SyntaxError> {
        if self.peek() != b'"' {
            return Err(self.fail(MISSING_NAME));
        }
        let name = self.string()?;
        self.space();
        if !self.take(b':') {
            return Err(self.fail(MISSING_COLON));
        }
        self.space();
        Ok(name)
    }

    /// After a member of an object: whether another follows (the cursor stands on its name) or the object ends.
    #[inline]
    pub(super) fn another_member(&mut self) -> Result<bool, SyntaxError> {
        self.another(b'}', MISSING_CURLY)
    }

    /// After an element of an array: whether another follows (the cursor stands on it) or the array ends.
    #[inline]
    pub(super) fn another_element(&mut self) -> Result<bool, SyntaxError> {
        self.another(b']', MISSING_SQUARE)
    }

    #[inline(always)]
    fn another(&mut self, close: u8, missing: &'static str) -> Result<bool, SyntaxError> {
        self.space();
        if self.take(b',') {
            // A branch, not a sum: guessed right, what follows is looked at before the blank is.
            if self.peek() == b' ' {
                self.at += 1;
                self.space();
                return Ok(true);
            }
            self.space();
            return Ok(true);
        }
        if self.take(close) { Ok(false) } else { Err(self.fail(missing)) }
    }

    /// Steps over a value of any kind, checking its syntax. Takes one bit of memory a level, no stack.
    pub(super) fn skip_value(&mut self) -> Result<(), SyntaxError> {
        let mut open = Open::default();
        loop {
            match self.peek() {
                b'{' => {
                    self.at += 1;
                    self.space();
                    if !self.take(b'}') {
                        self.name()?;
                        open.push(true);
                        continue;
                    }
                }
                b'[' => {
                    self.at += 1;
                    self.space();
                    if !self.take(b']') {
                        open.push(false);
                        continue;
                    }
                }
                _ => self.skip_scalar()?,
            }
            // A value has ended, and with it perhaps the containers it was the last of.
            loop {
                let Some(object) = open.top() else { return Ok(()) };
                let more = if object { self.another_member()? } else { self.another_element()? };
                if more {
                    if object {
                        self.name()?;
                    }
                    break;
                }
                open.pop();
            }
        }
    }

    /// Steps over a value that is neither an object nor an array.
    #[inline]
    pub(super) fn skip_scalar(&mut self) -> Result<(), SyntaxError> {
        match self.peek() {
            b'"' => self.string().map(drop),
            b't' => self.literal(b"true"),
            b'f' => self.literal(b"false"),
            b'n' => self.literal(b"null"),
            _ => number::skip(self),
        }
    }
}

/// How many bytes stand before the first quote, backslash or control character.
#[inline]
fn plain_length(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let zero_bytes = |word: u64| word.wrapping_sub(ONES) & !word & HIGHS;
    let mut length = 0;
    for chunk in bytes.chunks_exact(8) {
        let mut eight = [0; 8];
        eight.copy_from_slice(chunk);
        let word = u64::from_le_bytes(eight);
        // A byte below 0x20 borrows when 0x20 is taken from it, unless its high bit was set before.
        let controls = word.wrapping_sub(ONES * 0x20) & !word & HIGHS;
        let stops =
            zero_bytes(word ^ (ONES * u64::from(b'"'))) | zero_bytes(word ^ (ONES * u64::from(b'\\'))) | controls;
        if stops != 0 {
            // The lowest marked byte is exact; borrows only disturb those above it.
            return length + stops.trailing_zeros() as usize / 8;
        }
        length += 8;
    }
    let tail = &bytes[length..];
    length + tail.iter().position(|&byte| byte == b'"' || byte == b'\\' || byte < 0x20).unwrap_or(tail.len())
}

/// The containers that are open, one bit each: whether it is an object.
#[derive(Default)]
struct Open {
    words: Vec<u64>,
    current: u64,
    depth: usize,
}

impl Open {
    #[inline]
    fn push(&mut self, object: bool) {
        if self.depth != 0 && self.depth.is_multiple_of(64) {
            self.words.push(self.current);
        }
        self.current = self.current << 1 | u64::from(object);
        self.depth += 1;
    }

    #[inline]
    fn top(&self) -> Option<bool> {
        (self.depth != 0).then_some(self.current & 1 == 1)
    }

    #[inline]
    fn pop(&mut self) {
        self.depth -= 1;
        self.current >>= 1;
        if self.depth != 0
            && self.depth.is_multiple_of(64)
            && let Some(word) = self.words.pop()
        {
            self.current = word;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stack_of_bits_remembers_what_was_pushed() {
        let mut open = Open::default();
        let kinds: Vec<bool> = (0..1000usize).map(|index| index.is_multiple_of(3) || index.is_multiple_of(7)).collect();
        kinds.iter().for_each(|&kind| open.push(kind));
        for &kind in kinds.iter().rev() {
            assert_eq!(open.top(), Some(kind));
            open.pop();
        }
        assert_eq!(open.top(), None);
    }

    #[test]
    fn plain_text_ends_at_each_special_byte_wherever_it_stands() {
        for length in 0..40 {
            for special in 0..=255u8 {
                let mut text = vec![b'x'; length];
                text.push(special);
                text.extend_from_slice(b"\xff\x80y");
                let stops = special == b'"' || special == b'\\' || special < 0x20;
                assert_eq!(plain_length(&text), if stops { length } else { text.len() }, "{special} after {length}");
            }
        }
    }
}
