//! Numbers: the grammar and the limits of RapidJSON, the values of correct rounding.
//!
//! RapidJSON (as TensorFlow Serving uses it) rounds decimals of more than 15 digits loosely; here they are rounded
//! correctly. Up to 15 digits and powers of ten up to 22 both are exact and the same.

use super::cursor::{Cursor, SyntaxError};
use super::longhand;

/// A number as RapidJSON classes it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Number {
    /// An integer literal that fits 64 bits, signed or not. `-0` is plain zero.
    Integer(i128),
    /// A literal with a fraction or an exponent, a longer integer, NaN or an infinity.
    Double(f64),
}

impl Number {
    pub(super) fn as_double(self) -> f64 {
        match self {
            Number::Integer(value) => value as f64,
            Number::Double(value) => value,
        }
    }

    pub(super) fn as_integer(self) -> Option<i128> {
        match self {
            Number::Integer(value) => Some(value),
            Number::Double(_) => None,
        }
    }
}

/// The powers of ten that a double holds exactly.
pub(super) const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

/// The largest integer below which a double holds every integer.
pub(super) const EXACT: u64 = 1 << 53;

/// A literal of at most 19 significant digits with a small exponent: ± `digits` · 10^`power`.
pub(super) struct Short {
    pub(super) negative: bool,
    pub(super) digits: u64,
    pub(super) power: i32,
    /// Whether it has neither a point nor an exponent.
    pub(super) integer: bool,
}

/// The significant digits that always fit 64 bits.
pub(super) const MOST_DIGITS: usize = 19;

impl Short {
    /// The double, rounded once more. Beyond 2^53 the double may be a unit or two off, which is no matter unless it
    /// is near a tie.
    #[inline(always)]
    pub(super) fn float(&self) -> Option<f32> {
        if self.power.unsigned_abs() > 22 {
            return None;
        }
        let near = exact_double(self);
        // A float keeps the upper 23 bits of a double's fraction; the lower 29 decide, with the tie at their half.
        let lower = near.to_bits() & 0x1FFF_FFFF;
        let far_from_tie = lower.abs_diff(0x1000_0000) > 8;
        let normal = (near.abs() >= f64::from(f32::MIN_POSITIVE)) & (near.abs() < f64::from(f32::MAX));
        // All three are computed: which of the first two holds is a coin toss to a branch predictor.
        ((self.digits <= EXACT) | (far_from_tie & normal)).then_some(near as f32)
    }

    /// The double, when one exact multiplication or division gives it.
    #[inline(always)]
    pub(super) fn double(&self) -> Option<f64> {
        quick_double(self)
    }

    /// The integer that an integer literal makes; `None` for others, and beyond 63 bits.
    #[inline(always)]
    pub(super) fn integer(&self) -> Option<i64> {
        let magnitude = i64::try_from(self.digits).ok().filter(|_| self.integer)?;
        Some(if self.negative { -magnitude } else { magnitude })
    }
}

/// The float nearest to (`digits` + t) · 10^-16 for every t from 0 to 1; `None` when that depends on t, or might.
///
/// Above 2^43 digits the double beside them is off by less than 2^-42 of itself, 2048 units in its last place: 2^-43
/// for t, 2^-53 each for the digits, the power and their product. `digits` must be below 2^63.
#[inline(always)]
pub(super) fn nearest_float(digits: u64) -> Option<f32> {
    let near = digits.cast_signed() as f64 * 1e-16;
    let far_from_tie = (near.to_bits() & 0x1FFF_FFFF).abs_diff(0x1000_0000) > 2048;
    ((digits >= 1 << 43) & far_from_tie).then_some(near as f32)
}

/// Steps over a number, checking its syntax.
#[inline]
pub(super) fn skip(cursor: &mut Cursor<'_>) -> Result<(), SyntaxError> {
    match short(cursor) {
        Some(_) => Ok(()),
        None => longhand::read(cursor).map(drop),
    }
}

/// Reads a number; the cursor stands on its first byte.
pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Number, SyntaxError> {
    let start = *cursor;
    match short(cursor) {
        Some(short) if short.integer => Ok(integer(short.negative, short.digits)),
        Some(short) => Ok(Number::Double(quick_double(&short).unwrap_or_else(|| parsed(&start, cursor.at)))),
        None => longhand::read(cursor),
    }
}

/// Reads a number as a float: the double, rounded once more. `None` when there is no number here.
#[inline]
pub(super) fn read_float(cursor: &mut Cursor<'_>) -> Option<f32> {
    let start = *cursor;
    let Some(short) = short(cursor) else { return Some(longhand::read(cursor).ok()?.as_double() as f32) };
    Some(short.float().unwrap_or_else(|| parsed(&start, cursor.at) as f32))
}

/// Reads a number as a double. `None` as for [`read_float`].
#[inline]
pub(super) fn read_double(cursor: &mut Cursor<'_>) -> Option<f64> {
    let start = *cursor;
    let Some(short) = short(cursor) else { return Some(longhand::read(cursor).ok()?.as_double()) };
    Some(quick_double(&short).unwrap_or_else(|| parsed(&start, cursor.at)))
}

/// Reads an integer literal. `None` when there is none.
#[inline]
pub(super) fn read_integer(cursor: &mut Cursor<'_>) -> Option<i128> {
    match short(cursor) {
        Some(short) if !short.integer => None,
        Some(short) => integer(short.negative, short.digits).as_integer(),
        None => longhand::read(cursor).ok()?.as_integer(),
    }
}

#[inline]
pub(super) fn integer(negative: bool, digits: u64) -> Number {
    let value = if negative { -i128::from(digits) } else { i128::from(digits) };
    match value < i128::from(i64::MIN) {
        true => Number::Double(value as f64),
        false => Number::Integer(value),
    }
}

/// The double, when one exact multiplication or division gives it.
#[inline]
fn quick_double(short: &Short) -> Option<f64> {
    (short.digits <= EXACT && short.power.unsigned_abs() <= 22).then(|| exact_double(short))
}

/// Expects powers up to 22. With digits up to 2^53 too, one operation on exact operands rounds correctly.
#[inline]
fn exact_double(short: &Short) -> f64 {
    let digits = short.digits as f64;
    let power = POWERS[(short.power.unsigned_abs() as usize).min(22)];
    let magnitude = if short.power < 0 { digits / power } else { digits * power };
    // An integer `-0` is an integer to RapidJSON, and loses its sign.
    if short.negative && !(short.integer && short.digits == 0) { -magnitude } else { magnitude }
}

/// The correctly rounded value of the literal from `start` to `end`, which is known to be one.
#[cold]
pub(super) fn parsed(start: &Cursor<'_>, end: usize) -> f64 {
    let literal = start.text.get(start.at..end).unwrap_or(&[]);
    std::str::from_utf8(literal).ok().and_then(|text| text.parse().ok()).unwrap_or(f64::NAN)
}

/// Reads a literal that fits [`Short`]; otherwise leaves the cursor where it was.
#[inline(always)]
fn short(cursor: &mut Cursor<'_>) -> Option<Short> {
    let rest = cursor.rest();
    let negative = rest.first() == Some(&b'-');
    let start = usize::from(negative);
    let (mut digits, mut at) = (0u64, start);
    let mut significant = 0;
    if rest.get(at) == Some(&b'0') {
        at += 1;
    } else {
        at = take_digits(rest, at, &mut digits);
        significant = at - start;
        if significant == 0 {
            return None;
        }
    }
    let leading_zero = significant == 0;
    let mut power = 0;
    let mut integer = true;
    if rest.get(at) == Some(&b'.') {
        let point = at + 1;
        at = take_digits(rest, point, &mut digits);
        if at == point {
            return None;
        }
        significant += at - point;
        if significant > MOST_DIGITS && leading_zero {
            significant -= rest[point..at].iter().take_while(|&&byte| byte == b'0').count();
        }
        power = -i32::try_from(at - point).ok()?;
        integer = false;
    }
    if let Some(b'e' | b'E') = rest.get(at) {
        let (exponent, end) = short_exponent(rest, at + 1)?;
        power += exponent;
        at = end;
        integer = false;
    }
    if significant > MOST_DIGITS {
        return None;
    }
    cursor.at += at;
    Some(Short { negative, digits, power, integer })
}

/// The small powers of ten as integers; the rest fills the table up for an index of four bits.
pub(super) const TENS: [u64; 16] =
    [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1, 1, 1, 1, 1, 1, 1];

/// Takes the digits at `at` into `value` (wrapping), and returns where they end.
#[inline]
fn take_digits(bytes: &[u8], mut at: usize, value: &mut u64) -> usize {
    while let Some(chunk) = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let word = u64::from_le_bytes(*chunk);
        if !all_digits(word) {
            break;
        }
        *value = value.wrapping_mul(100_000_000).wrapping_add(eight_digits(word));
        at += 8;
    }
    while let Some(digit) = bytes.get(at).map(|byte| byte.wrapping_sub(b'0')).filter(|&digit| digit < 10) {
        *value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
        at += 1;
    }
    at
}

/// How many of eight characters, the first in the lowest byte, are digits before the first that is none.
#[inline(always)]
pub(super) fn digit_count(word: u64) -> usize {
    not_digits(word).trailing_zeros() as usize / 8
}

/// Whether all eight characters are digits.
#[inline(always)]
pub(super) fn all_digits(word: u64) -> bool {
    not_digits(word) == 0
}

/// Marks the characters that are no digits. A digit is 0x30 to 0x39: its upper half is 3, and stays 3 when 6 is
/// added. A character that is none may disturb those after it, never those before.
#[inline(always)]
fn not_digits(word: u64) -> u64 {
    let plus = word.wrapping_add(0x0606_0606_0606_0606);
    ((word ^ 0x3030_3030_3030_3030) | (plus ^ 0x3030_3030_3030_3030)) & 0xF0F0_F0F0_F0F0_F0F0
}

/// The number that eight ASCII digits make, the first in the lowest byte: pairs, then fours, then eight.
#[inline(always)]
pub(super) fn eight_digits(word: u64) -> u64 {
    // Each factor adds a digit, moved up by ten, a hundred, ten thousand, to the one after it.
    let pairs = (word & 0x0F0F_0F0F_0F0F_0F0F).wrapping_mul((10 << 8) + 1) >> 8;
    let fours = (pairs & 0x00FF_00FF_00FF_00FF).wrapping_mul((100 << 16) + 1) >> 16;
    (fours & 0x0000_FFFF_0000_FFFF).wrapping_mul((10_000 << 32) + 1) >> 32
}

/// An exponent of one or two digits, after its `e`.
#[inline]
fn short_exponent(rest: &[u8], at: usize) -> Option<(i32, usize)> {
    let (negative, start) = match rest.get(at) {
        Some(b'-') => (true, at + 1),
        Some(b'+') => (false, at + 1),
        _ => (false, at),
    };
    let mut value = 0;
    let end = take_digits(rest, start, &mut value);
    if end == start || end > start + 2 {
        return None;
    }
    let value = i32::try_from(value).ok()?;
    Some((if negative { -value } else { value }, end))
}
