//! What strings hold: escapes undone, base64 both ways.

use std::borrow::Cow;

use super::cursor::Raw;

/// The string's bytes with its escapes undone. The syntax has been checked before; bytes that are not UTF-8 pass as
/// they are, and so does a low surrogate that stands alone.
pub(super) fn unescape<'a>(raw: &Raw<'a>) -> Cow<'a, [u8]> {
    if !raw.escaped {
        return Cow::Borrowed(raw.bytes);
    }
    let mut text = Vec::with_capacity(raw.bytes.len());
    unescape_into(raw, &mut text);
    Cow::Owned(text)
}

/// Appends what [`unescape`] returns.
pub(super) fn unescape_into(raw: &Raw<'_>, out: &mut Vec<u8>) {
    let mut rest = raw.bytes;
    while let Some(backslash) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..backslash]);
        let escape = rest.get(backslash + 1).copied().unwrap_or(b'\\');
        rest = rest.get(backslash + 2..).unwrap_or(&[]);
        match escape {
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'u' => rest = unescape_unicode(rest, out),
            other => out.push(other),
        }
    }
    out.extend_from_slice(rest);
}

/// Appends the character whose hex digits begin `rest`, and returns what follows it.
fn unescape_unicode<'a>(rest: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    let first = hex4(rest).unwrap_or(0);
    if !(0xD800..0xDC00).contains(&first) {
        encode(first, out);
        return rest.get(4..).unwrap_or(&[]);
    }
    let second = rest.get(6..).and_then(hex4).unwrap_or(0xDC00);
    encode(0x1_0000 + ((first - 0xD800) << 10) + (second & 0x3FF), out);
    rest.get(10..).unwrap_or(&[])
}

/// Appends a code point as UTF-8 would, surrogates included.
fn encode(point: u32, out: &mut Vec<u8>) {
    if let Some(character) = char::from_u32(point) {
        let mut buffer = [0; 4];
        out.extend_from_slice(character.encode_utf8(&mut buffer).as_bytes());
    } else {
        out.extend([0xE0 | (point >> 12) as u8, 0x80 | (point >> 6 & 0x3F) as u8, 0x80 | (point & 0x3F) as u8]);
    }
}

/// The number that four hex digits make; `None` when they are not there.
pub(super) fn hex4(bytes: &[u8]) -> Option<u32> {
    let digits = bytes.get(..4)?;
    digits.iter().try_fold(0, |value, &byte| Some(value << 4 | char::from(byte).to_digit(16)?))
}

/// A name as TensorFlow Serving reads it from a C string: up to the first NUL.
pub(super) fn until_nul(name: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    let end = memchr::memchr(0, &name).unwrap_or(name.len());
    match name {
        Cow::Borrowed(bytes) => Cow::Borrowed(&bytes[..end]),
        Cow::Owned(mut bytes) => {
            bytes.truncate(end);
            Cow::Owned(bytes)
        }
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

const OTHER: u8 = 0xFF;
const SPACE: u8 = 0xFE;

/// The six bits a byte stands for, [`SPACE`], or [`OTHER`].
const SIX_BITS: [u8; 256] = {
    let mut table = [OTHER; 256];
    let mut index = 0;
    while index < 64 {
        table[ALPHABET[index] as usize] = index as u8;
        index += 1;
    }
    let spaces = [b' ', b'\t', b'\n', 0x0B, 0x0C, b'\r'];
    let mut index = 0;
    while index < spaces.len() {
        table[spaces[index] as usize] = SPACE;
        index += 1;
    }
    table
};

/// Appends what base64 text stands for; `None` when it is not base64. White space may stand anywhere, the padding
/// may be missing (or be dots), left-over bits are ignored: what Abseil takes.
pub(super) fn decode_base64(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    out.reserve(text.len() / 4 * 3 + 3);
    let (mut bits, mut held) = (0u32, 0);
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        match SIX_BITS[usize::from(byte)] {
            OTHER => break,
            SPACE => {}
            six => {
                bits = bits << 6 | u32::from(six);
                held += 1;
                if held == 4 {
                    out.extend_from_slice(&bits.to_be_bytes()[1..]);
                    (bits, held) = (0, 0);
                }
            }
        }
        rest = after;
    }
    let expected = match held {
        0 => 0,
        2 => {
            out.push((bits >> 4) as u8);
            2
        }
        3 => {
            out.extend_from_slice(&(bits >> 2).to_be_bytes()[2..]);
            1
        }
        _ => return None,
    };
    let pads = rest.iter().filter(|&&byte| byte == b'=' || byte == b'.').count();
    let spaces = rest.iter().filter(|&&byte| SIX_BITS[usize::from(byte)] == SPACE).count();
    (pads + spaces == rest.len() && (pads == 0 || pads == expected)).then_some(())
}

/// Appends bytes as base64 with padding.
pub(super) fn encode_base64(bytes: &[u8], out: &mut Vec<u8>) {
    for three in bytes.chunks(3) {
        let mut block = [0u8; 4];
        block[1..=three.len()].copy_from_slice(three);
        let bits = u32::from_be_bytes(block);
        for position in 0..4 {
            let letter = ALPHABET[(bits >> (18 - 6 * position) & 63) as usize];
            out.push(if position <= three.len() { letter } else { b'=' });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decoded(text: &str) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        decode_base64(text.as_bytes(), &mut out).map(|()| out)
    }

    #[test]
    fn base64_takes_what_abseil_takes() {
        assert_eq!(decoded("aGVsbG8=").unwrap(), b"hello");
        assert_eq!(decoded("aGVsbG8").unwrap(), b"hello");
        assert_eq!(decoded("aGVs\n bG8.\t").unwrap(), b"hello");
        assert_eq!(decoded("").unwrap(), b"");
        for bad in ["a", "aGVsbG8==", "aGVs=", "a-_b", "aG=Vs", "é"] {
            assert_eq!(decoded(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn base64_round_trips(bytes in proptest::collection::vec(any::<u8>(), 0..50)) {
            let mut text = Vec::new();
            encode_base64(&bytes, &mut text);
            prop_assert_eq!(text.len() % 4, 0);
            let mut back = Vec::new();
            prop_assert_eq!(decode_base64(&text, &mut back), Some(()));
            prop_assert_eq!(back, bytes);
        }
    }

    #[test]
    fn escapes_are_undone() {
        let text = |bytes| unescape(&Raw { bytes, escaped: true }).into_owned();
        assert_eq!(text(br#"a\n\t\b\f\r\/\\\"z"#), b"a\n\t\x08\x0c\r/\\\"z");
        assert_eq!(text(br"\u00e9\u20AC\ud83d\ude00\u0000"), "é€😀\0".as_bytes());
        assert_eq!(text(br"\udc00x"), b"\xed\xb0\x80x");
    }
}
