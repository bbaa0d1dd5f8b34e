//! Lists of numbers, the innermost of a tensor: where almost all of a request's bytes are.

use taxiway_engine::{Element, TensorBuilder};

use super::cursor::Cursor;
use super::lanes::Stop;
use super::number::{MOST_DIGITS, Short, TENS, all_digits, digit_count, eight_digits, nearest_float};

/// The bytes that are looked at together; literals that may reach beyond take the longer way.
const WINDOW_BYTES: usize = 40;

/// What begins lists of numbers, as far as it is looked at together.
pub(super) type Window = [u8; WINDOW_BYTES];

/// How many elements are read one by one after `many` has read none, before it is tried again.
const PATIENCE: usize = 8;

/// Reads elements up to the end of the list that the cursor stands in, and how many they were. `many` reads as many as
/// are plain. Of the others `long` makes an element, and says how long it is, of those that are most common and longest,
/// `convert` of most others; where neither does, `read` tries from the cursor. `None` when it fails too.
#[inline(always)]
pub(super) fn read<T: Element>(
    cursor: &mut Cursor<'_>,
    values: &mut TensorBuilder<T>,
    many: impl Fn(&[u8], &mut usize, &mut TensorBuilder<T>) -> Stop,
    long: impl Fn(&Window) -> Option<(T, usize)>,
    convert: impl Fn(&Short) -> Option<T>,
    read: impl Fn(&mut Cursor<'_>) -> Option<T>,
) -> Option<usize> {
    let before = values.len();
    let mut here = *cursor;
    // A list of one element is not worth the preparations for many.
    let mut patience = 1;
    loop {
        if patience == 0 {
            let started = here.at;
            if many(here.text, &mut here.at, values) == Stop::End {
                break;
            }
            here.space();
            patience = if here.at == started { PATIENCE } else { 1 };
        }
        patience -= 1;
        let window = here.text.get(here.at..).and_then(<[u8]>::first_chunk::<WINDOW_BYTES>);
        let quick = window.and_then(|window| {
            long(window).or_else(|| {
                let (short, length) = scan(window)?;
                Some((convert(&short)?, length))
            })
        });
        if let Some((value, length)) = quick {
            values.push(value);
            here.at += length;
        } else {
            values.push(read(&mut here)?);
        }
        if !here.another_element().ok()? {
            break;
        }
    }
    *cursor = here;
    Some(values.len() - before)
}

/// The float that begins a window, and its length, when it is one digit, a point and 16 digits or more, as languages
/// print what is no short decimal. The digits after those 16 are too small to matter, and are only counted.
#[inline(always)]
pub(super) fn long_float(window: &Window) -> Option<(f32, usize)> {
    if window[0] != b'-' {
        return long_fraction::<0>(window);
    }
    let (value, length) = long_fraction::<1>(window)?;
    Some((-value, length))
}

/// [`long_float`], behind a sign of `START` bytes.
#[inline(always)]
fn long_fraction<const START: usize>(window: &Window) -> Option<(f32, usize)> {
    let first = u64::from(window[START].wrapping_sub(b'0'));
    let (upper, lower) = (word_at(window, START + 2)?, word_at(window, START + 10)?);
    if first > 9 || window[START + 1] != b'.' || !all_digits(upper) || !all_digits(lower) {
        return None;
    }
    let fraction = eight_digits(upper) * TENS[8] + eight_digits(lower);
    let length = START + 18 + digit_count(word_at(window, START + 18)?);
    if !matches!(window[length], b',' | b']') {
        return None;
    }
    Some((nearest_float(first * TENS[8] * TENS[8] + fraction)?, length))
}

/// The literal that begins a window, and its length. `None` when it is not of the plainest kind: fewer than eight
/// digits, then perhaps a point and up to 23 more, no exponent.
#[inline(always)]
fn scan(window: &Window) -> Option<(Short, usize)> {
    if window[0] == b'-' { scan_digits::<1>(window) } else { scan_digits::<0>(window) }
}

/// [`scan`], behind a sign of `START` bytes.
#[inline(always)]
fn scan_digits<const START: usize>(window: &Window) -> Option<(Short, usize)> {
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
fn take(window: &Window, at: usize, digits: &mut u64, base: u64) -> Option<usize> {
    let word = word_at(window, at)?;
    let count = digit_count(word);
    // Moved to the end of the word, behind bytes that count as zeros.
    let aligned = word.checked_shl(64 - 8 * count as u32).unwrap_or(0);
    *digits = base.wrapping_mul(TENS[count & 15]).wrapping_add(eight_digits(aligned));
    Some(count)
}

#[inline(always)]
fn word_at(window: &Window, at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*window.get(at..)?.first_chunk::<8>()?))
}
