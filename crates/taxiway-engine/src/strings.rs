//! Many byte strings in one allocation.

use std::fmt;

use bytes::Bytes;

/// An immutable list of byte strings: one block of bytes and where each string ends. Cloning is cheap.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Strings {
    bytes: Bytes,
    ends: std::sync::Arc<[usize]>,
}

impl Strings {
    /// How many strings.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// String `index`, without a copy.
    ///
    /// # Panics
    /// When there are not that many.
    pub fn get(&self, index: usize) -> &[u8] {
        &self.bytes[self.start(index)..self.ends[index]]
    }

    /// The strings in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> + '_ {
        (0..self.len()).map(|index| self.get(index))
    }

    /// The bytes of all strings together.
    pub fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    fn start(&self, index: usize) -> usize {
        if index == 0 { 0 } else { self.ends[index - 1] }
    }
}

impl<S: AsRef<[u8]>> FromIterator<S> for Strings {
    fn from_iter<I: IntoIterator<Item = S>>(strings: I) -> Strings {
        let mut builder = StringsBuilder::default();
        for string in strings {
            builder.push(string.as_ref());
        }
        builder.finish()
    }
}

impl fmt::Debug for Strings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|string| String::from_utf8_lossy(string).into_owned())).finish()
    }
}

/// Collects strings one by one.
#[derive(Default)]
pub struct StringsBuilder {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl StringsBuilder {
    /// Appends a string.
    pub fn push(&mut self, string: &[u8]) {
        self.bytes.extend_from_slice(string);
        self.ends.push(self.bytes.len());
    }

    /// Appends a string that `write` appends to the block of bytes it is handed.
    ///
    /// # Errors
    /// What `write` returns; nothing is appended then.
    pub fn push_with<E>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> Result<(), E> {
        let start = self.bytes.len();
        match write(&mut self.bytes) {
            Ok(()) => self.ends.push(self.bytes.len().max(start)),
            Err(error) => {
                self.bytes.truncate(start);
                return Err(error);
            }
        }
        Ok(())
    }

    /// How many strings so far.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none yet.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The list.
    pub fn finish(self) -> Strings {
        Strings { bytes: Bytes::from(self.bytes), ends: self.ends.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_goes_in_comes_out(list in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..9), 0..9)) {
            let strings: Strings = list.iter().collect();
            prop_assert_eq!(strings.len(), list.len());
            prop_assert_eq!(strings.byte_len(), list.iter().map(Vec::len).sum::<usize>());
            prop_assert!(strings.iter().eq(list.iter().map(Vec::as_slice)));
        }
    }

    #[test]
    fn a_failed_write_leaves_nothing_behind() {
        let mut builder = StringsBuilder::default();
        builder.push(b"kept");
        let failed: Result<(), &str> = builder.push_with(|bytes| {
            bytes.extend_from_slice(b"half");
            Err("stop")
        });
        assert_eq!(failed, Err("stop"));
        assert_eq!(builder.finish().iter().collect::<Vec<_>>(), [b"kept"]);
    }
}
