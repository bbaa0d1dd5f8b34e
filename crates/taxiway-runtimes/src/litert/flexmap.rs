//! The map of a FlexBuffer whose values are strings or blobs: the form in which a `.tflite` file carries signature
//! definitions.
//!
//! A FlexBuffer is read from its end: the width of the root, its type, the root. Every reference is a distance
//! backwards. The bytes come from a file that anyone may have written, so each step is checked against their number,
//! and nothing here recurses or allocates by a length that the file tells.

/// FlexBuffer's type numbers.
const STRING: u8 = 5;
const MAP: u8 = 9;
const BLOB: u8 = 25;

/// The entries of the map that `bytes` hold, in its order; `None` when they hold anything else.
pub(crate) fn entries(bytes: &[u8]) -> Option<Vec<(&str, &[u8])>> {
    let (&[root_type, root_width], rest) = (bytes.last_chunk::<2>()?, bytes.len().checked_sub(2)?);
    let root = rest.checked_sub(usize::from(root_width))?;
    if root_type >> 2 != MAP {
        return None;
    }
    let map = follow(bytes, root, usize::from(root_width))?;
    let width = width(root_type);
    // Before the values stand their number, the width of the keys, and the distance to the keys.
    let count = number(bytes, map.checked_sub(width)?, width)?;
    let key_width = number(bytes, map.checked_sub(width.checked_mul(2)?)?, width)?;
    let keys = follow(bytes, map.checked_sub(width.checked_mul(3)?)?, width)?;
    let types = map.checked_add(count.checked_mul(width)?)?;
    // A type takes a byte of its own, so a count beyond the end is found before anything is reserved.
    let types = bytes.get(types..types.checked_add(count)?)?;
    types
        .iter()
        .enumerate()
        .map(|(index, &of)| {
            let key = follow(bytes, keys.checked_add(index.checked_mul(key_width)?)?, key_width)?;
            Some((text(bytes, key)?, value(bytes, map + index * width, width, of)?))
        })
        .collect()
}

/// A string or a blob: its length stands before it.
fn value(bytes: &[u8], at: usize, of_reference: usize, of: u8) -> Option<&[u8]> {
    if !matches!(of >> 2, STRING | BLOB) {
        return None;
    }
    let (start, width) = (follow(bytes, at, of_reference)?, width(of));
    let length = number(bytes, start.checked_sub(width)?, width)?;
    bytes.get(start..start.checked_add(length)?)
}

/// A key: it ends with a zero.
fn text(bytes: &[u8], at: usize) -> Option<&str> {
    let rest = bytes.get(at..)?;
    let length = rest.iter().position(|&byte| byte == 0)?;
    std::str::from_utf8(&rest[..length]).ok()
}

/// How wide the numbers of something of this type are, in bytes.
fn width(of: u8) -> usize {
    1 << (of & 3)
}

/// Where the reference at a place leads.
fn follow(bytes: &[u8], at: usize, width: usize) -> Option<usize> {
    at.checked_sub(number(bytes, at, width)?)
}

/// The little-endian number at a place; `None` unless it is 1, 2, 4 or 8 bytes wide.
fn number(bytes: &[u8], at: usize, width: usize) -> Option<usize> {
    if !matches!(width, 1 | 2 | 4 | 8) {
        return None;
    }
    let digits = bytes.get(at..at.checked_add(width)?)?;
    let value = digits.iter().rev().fold(0u64, |value, &digit| value << 8 | u64::from(digit));
    usize::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `{"a": "one", "bc": "x"}` as the reference implementation writes it: keys, strings, the vector of keys, the map.
    const TWO: &[u8] = b"a\0\x03one\0bc\0\x01x\0\x02\x0e\x08\x02\x01\x02\x10\x09\x14\x14\x04\x24\x01";

    #[test]
    fn a_map_is_read() {
        assert_eq!(entries(TWO), Some(vec![("a", &b"one"[..]), ("bc", &b"x"[..])]));
    }

    #[test]
    fn anything_else_is_nothing() {
        // Nothing, a number alone, a map that is cut, one whose value is a number, and one of a width nobody has.
        assert_eq!(entries(b""), None);
        assert_eq!(entries(b"\x07\x04\x01"), None);
        for end in 0..TWO.len() {
            assert_eq!(entries(&TWO[..end]), None, "{end}");
        }
        for (from_end, byte) in [(5, 0x04), (1, 3), (2, 0x14)] {
            let mut bytes = TWO.to_vec();
            let at = bytes.len() - from_end;
            bytes[at] = byte;
            assert_eq!(entries(&bytes), None, "{from_end}");
        }
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            entries(&bytes);
        }

        #[test]
        fn a_map_with_bytes_changed_never_panics(
            changes in proptest::collection::vec((0..TWO.len(), any::<u8>()), 1..4),
        ) {
            let mut bytes = TWO.to_vec();
            for (at, byte) in changes {
                bytes[at] = byte;
            }
            entries(&bytes);
        }

        #[test]
        fn random_bytes_with_the_end_of_a_map_never_panic(
            mut bytes in proptest::collection::vec(any::<u8>(), 0..200), width in 0u8..4,
        ) {
            bytes.extend([MAP << 2 | width, 1 << width]);
            entries(&bytes);
        }
    }
}
