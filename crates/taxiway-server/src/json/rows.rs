//! Lists of numbers, the innermost of a tensor: where almost all of a request's bytes are.

use taxiway_engine::{Element, TensorBuilder};

use super::cursor::Cursor;
use super::number::{MOST_DIGITS, Short, TENS, all_digits, digit_count, eight_digits};

/// The bytes that are looked at together; literals that may reach beyond take the longer way.
const WINDOW_BYTES: usize = 40;

/// Reads elements up to the end of the list that the cursor stands in, and how many they were. `convert` makes an
/// element of most literals; where it gives none, `read` tries from the cursor. `None` when it fails too.
#[inline(always)]
pub(super) fn read<T: Element>(
    cursor: &mut Cursor<'_>,
    values: &mut TensorBuilder<T>,
    convert: impl Fn(&Short) -> Option<T>,
    read: impl Fn(&mut Cursor<'_>) -> Option<T>,
) -> Option<usize> {
    let before = values.len();
    let mut here = *cursor;
    loop {
        let window = here.text.get(here.at..).and_then(<[u8]>::first_chunk::<WINDOW_BYTES>);
        let quick = window.and_then(scan).and_then(|(short, length)| Some((convert(&short)?, length)));
        if let Some((value, length)) = quick {
            values.push(value);
            here.at += length;
        } else {
            values.push(read(&mut here)?);
        }
        if !here.another_element().ok()? {
            *cursor = here;
            return Some(values.len() - before);
        }
    }
}

/// The literal that begins a window, and its length. `None` when it is not of the plainest kind: fewer than eight
/// digits, then perhaps a point and up to 23 more, no exponent.
#[inline(always)]
fn scan(window: &[u8; WINDOW_BYTES]) -> Option<(Short, usize)> {
    if window[0] == b'-' { scan_digits::<1>(window) } else { scan_digits::<0>(window) }
}

/// [`scan`], behind a sign of `START` bytes.
#[inline(always)]
fn scan_digits<const START: usize>(window: &[u8; WINDOW_BYTES]) -> Option<(Short, usize)> {
    let (first, second) = (window[START].wrapping_sub(b'0'), window[START + 1]);
    let mut digits = u64::from(first);
    let mut at = START + 1;
    if first > 9 {
        return None;
    }
    if second != b'.' {
        at = START + take(window, START, &mut digits, 0)?;
        if at == START + 8 || first == 0 && at != START + 1 {
            return None;
        }
    }
    let whole = if first == 0 { 0 } else { at - START };
    let mut fraction = 0;
    if window[at] == b'.' {
        at += 1;
        let point = at;
        // Whole words are a branch, so that the processor goes on to the next one before it has counted this one's digits.
        for _ in 0..2 {
            let word = word_at(window, at)?;
            if !all_digits(word) {
                break;
            }
            digits = digits.wrapping_mul(TENS[8]).wrapping_add(eight_digits(word));
            at += 8;
        }
        let base = digits;
        at += take(window, at, &mut digits, base)?;
        fraction = at - point;
        if fraction == 0 || whole + fraction > MOST_DIGITS {
            return None;
        }
    }
    let next = window[at];
    if next.wrapping_sub(b'0') < 10 || next | 0x20 == b'e' || next == b'.' {
        return None;
    }
    Some((Short { negative: START == 1, digits, power: -(fraction as i32), integer: fraction == 0 }, at))
}

/// Takes up to eight digits at `at` behind those of `base`, and returns how many there were.
#[inline(always)]
fn take(window: &[u8; WINDOW_BYTES], at: usize, digits: &mut u64, base: u64) -> Option<usize> {
    let word = word_at(window, at)?;
    let count = digit_count(word);
    // Moved to the end of the word, behind bytes that count as zeros.
    let aligned = word.checked_shl(64 - 8 * count as u32).unwrap_or(0);
    *digits = base.wrapping_mul(TENS[count & 15]).wrapping_add(eight_digits(aligned));
    Some(count)
}

#[inline(always)]
fn word_at(window: &[u8; WINDOW_BYTES], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*window.get(at..)?.first_chunk::<8>()?))
}
