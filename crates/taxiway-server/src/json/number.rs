//! Numbers: the grammar and the limits of RapidJSON, the values of correct rounding.
//!
//! RapidJSON (as TensorFlow Serving uses it) rounds decimals of more than 15 digits loosely; here they are rounded
//! correctly. Up to 15 digits and powers of ten up to 22 both are exact and the same.

use super::cursor::{Cursor, INVALID_VALUE, SyntaxError};

pub(super) const TOO_BIG: &str = "Number too big to be stored in double.";
const MISSING_FRACTION: &str = "Miss fraction part in number.";
const MISSING_EXPONENT: &str = "Miss exponent in number.";

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
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

/// The largest integer below which a double holds every integer.
const EXACT: u64 = 1 << 53;

/// A literal of at most 19 significant digits with a small exponent: ± `digits` · 10^`power`.
struct Short {
    negative: bool,
    digits: u64,
    power: i32,
    integer: bool,
}

/// Steps over a number, checking its syntax.
#[inline]
pub(super) fn skip(cursor: &mut Cursor<'_>) -> Result<(), SyntaxError> {
    match short(cursor) {
        Some(_) => Ok(()),
        None => long(cursor).map(drop),
    }
}

/// Reads a number; the cursor stands on its first byte.
pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Number, SyntaxError> {
    let start = *cursor;
    match short(cursor) {
        Some(short) if short.integer => Ok(integer(short.negative, short.digits)),
        Some(short) => Ok(Number::Double(quick_double(&short).unwrap_or_else(|| parsed(&start, cursor.at)))),
        None => long(cursor),
    }
}

/// Reads a number as a float: the double, rounded once more. `None` when there is no number here.
#[inline]
pub(super) fn read_float(cursor: &mut Cursor<'_>) -> Option<f32> {
    let start = *cursor;
    let Some(short) = short(cursor) else { return Some(long(cursor).ok()?.as_double() as f32) };
    if short.digits <= EXACT && short.power.unsigned_abs() <= 22 {
        return Some(exact_double(&short) as f32);
    }
    if let Some(near) = nearly(&short) {
        return Some(near);
    }
    Some(parsed(&start, cursor.at) as f32)
}

/// Reads a number as a double. `None` as for [`read_float`].
#[inline]
pub(super) fn read_double(cursor: &mut Cursor<'_>) -> Option<f64> {
    let start = *cursor;
    let Some(short) = short(cursor) else { return Some(long(cursor).ok()?.as_double()) };
    Some(quick_double(&short).unwrap_or_else(|| parsed(&start, cursor.at)))
}

/// Reads an integer literal. `None` when there is none.
#[inline]
pub(super) fn read_integer(cursor: &mut Cursor<'_>) -> Option<i128> {
    match short(cursor) {
        Some(short) if !short.integer => None,
        Some(short) => integer(short.negative, short.digits).as_integer(),
        None => long(cursor).ok()?.as_integer(),
    }
}

#[inline]
fn integer(negative: bool, digits: u64) -> Number {
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

/// Expects digits up to 2^53 and powers up to 22: then one operation on exact operands rounds correctly.
#[inline]
fn exact_double(short: &Short) -> f64 {
    let digits = short.digits as f64;
    let power = POWERS[(short.power.unsigned_abs() as usize).min(22)];
    let magnitude = if short.power < 0 { digits / power } else { digits * power };
    // An integer `-0` is an integer to RapidJSON, and loses its sign.
    if short.negative && !(short.integer && short.digits == 0) { -magnitude } else { magnitude }
}

/// The float, from a double that may be one or two units off, when that cannot change how it rounds.
#[inline]
fn nearly(short: &Short) -> Option<f32> {
    if short.power.unsigned_abs() > 22 {
        return None;
    }
    let near = exact_double(short);
    // A float keeps the upper 23 bits of a double's fraction; the lower 29 decide, with the tie at their half.
    let lower = near.to_bits() & 0x1FFF_FFFF;
    let safe = lower.abs_diff(0x1000_0000) > 8;
    let normal = (f64::from(f32::MIN_POSITIVE)..f64::from(f32::MAX)).contains(&near.abs());
    (safe && normal).then_some(near as f32)
}

/// The correctly rounded value of the literal from `start` to `end`, which is known to be one.
#[cold]
fn parsed(start: &Cursor<'_>, end: usize) -> f64 {
    let literal = start.text.get(start.at..end).unwrap_or(&[]);
    std::str::from_utf8(literal).ok().and_then(|text| text.parse().ok()).unwrap_or(f64::NAN)
}

/// Reads a literal that fits [`Short`]; otherwise leaves the cursor where it was.
#[inline]
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
        if significant > 19 && leading_zero {
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
    if significant > 19 {
        return None;
    }
    cursor.at += at;
    Some(Short { negative, digits, power, integer })
}

/// Takes the digits at `at` into `value` (wrapping), and returns where they end.
#[inline]
fn take_digits(bytes: &[u8], mut at: usize, value: &mut u64) -> usize {
    while let Some(chunk) = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let word = u64::from_le_bytes(*chunk);
        // A digit is 0x30 to 0x39: its upper half is 3, and stays 3 when 6 is added.
        let odd =
            (word & 0xF0F0_F0F0_F0F0_F0F0) | ((word.wrapping_add(0x0606_0606_0606_0606) & 0xF0F0_F0F0_F0F0_F0F0) >> 4);
        let odd = odd ^ 0x3333_3333_3333_3333;
        if odd != 0 {
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

/// The number that eight ASCII digits make, the first in the lowest byte: pairs, then fours, then eight.
#[inline]
fn eight_digits(word: u64) -> u64 {
    let digits = word & 0x0F0F_0F0F_0F0F_0F0F;
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8) & 0x00FF_00FF_00FF_00FF;
    let fours = pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0x0000_FFFF_0000_FFFF;
    fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xFFFF_FFFF
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

/// Reads any number, with RapidJSON's own decisions on what is too big.
#[cold]
fn long(cursor: &mut Cursor<'_>) -> Result<Number, SyntaxError> {
    let start = *cursor;
    let negative = cursor.take(b'-');
    let mut scan = Scan::default();
    let special = match cursor.peek() {
        b'0' => {
            cursor.at += 1;
            None
        }
        b'1'..=b'9' => {
            scan.integer(cursor, negative, start)?;
            None
        }
        b'I' | b'N' => Some(not_finite(cursor, negative)?),
        _ => return Err(cursor.fail(INVALID_VALUE)),
    };
    let tail = cursor.at;
    let decimal = scan.fraction(cursor)? | scan.exponent(cursor, start)?;
    match (special, decimal) {
        (Some(value), false) => Ok(Number::Double(value)),
        // RapidJSON reads `NaN.5` as 0.5: what follows the word takes its place.
        (Some(_), true) => {
            let text = [b"0", start.text.get(tail..cursor.at).unwrap_or(&[])].concat();
            let value = parsed(&Cursor::new(&text, 0), text.len());
            Ok(Number::Double(if negative { -value } else { value }))
        }
        (None, false) if !scan.double => Ok(integer(negative, scan.digits)),
        (None, _) => Ok(Number::Double(parsed(&start, cursor.at))),
    }
}

/// `NaN`, `Inf` or `Infinity`, after the sign.
fn not_finite(cursor: &mut Cursor<'_>, negative: bool) -> Result<f64, SyntaxError> {
    if cursor.take(b'N') && cursor.take(b'a') && cursor.take(b'N') {
        return Ok(f64::NAN);
    }
    if !(cursor.take(b'I') && cursor.take(b'n') && cursor.take(b'f')) {
        return Err(cursor.fail(INVALID_VALUE));
    }
    if cursor.peek() == b'i' {
        cursor.literal(b"inity")?;
    }
    Ok(if negative { f64::NEG_INFINITY } else { f64::INFINITY })
}

/// The counters by which RapidJSON decides whether a literal is an integer and whether it is too big.
#[derive(Default)]
struct Scan {
    /// The integer, while it fits 64 bits.
    digits: u64,
    /// Whether it does no more.
    double: bool,
    /// How many digits came after the first.
    significant: u32,
    /// Minus the digits that were counted after the point.
    fraction_power: i64,
}

impl Scan {
    fn integer(&mut self, cursor: &mut Cursor<'_>, negative: bool, start: Cursor<'_>) -> Result<(), SyntaxError> {
        let limit = if negative { 1 << 63 } else { u64::MAX };
        self.digits = u64::from(cursor.peek() - b'0');
        cursor.at += 1;
        let mut magnitude = 0.0;
        while let Some(digit) = digit(cursor) {
            if !self.double {
                let next = self.digits.checked_mul(10).and_then(|tens| tens.checked_add(u64::from(digit)));
                if let Some(next) = next.filter(|&next| next <= limit) {
                    self.digits = next;
                    self.significant += 1;
                    cursor.at += 1;
                    continue;
                }
                self.double = true;
                magnitude = self.digits as f64;
            }
            if magnitude >= 1.797_693_134_862_315_7e307 {
                return Err(start.fail(TOO_BIG));
            }
            magnitude = magnitude * 10.0 + f64::from(digit);
            cursor.at += 1;
        }
        Ok(())
    }

    /// Steps over a fraction; whether there is one.
    fn fraction(&mut self, cursor: &mut Cursor<'_>) -> Result<bool, SyntaxError> {
        if !cursor.take(b'.') {
            return Ok(false);
        }
        if digit(cursor).is_none() {
            return Err(cursor.fail(MISSING_FRACTION));
        }
        let mut digits = self.digits;
        while !self.double
            && digits < EXACT
            && let Some(digit) = digit(cursor)
        {
            digits = digits * 10 + u64::from(digit);
            self.fraction_power -= 1;
            self.significant += u32::from(digits != 0);
            cursor.at += 1;
        }
        while digit(cursor).is_some() {
            if self.significant < 17 {
                self.fraction_power -= 1;
                self.significant += 1;
            }
            cursor.at += 1;
        }
        Ok(true)
    }

    /// Steps over an exponent; whether there is one.
    fn exponent(&mut self, cursor: &mut Cursor<'_>, start: Cursor<'_>) -> Result<bool, SyntaxError> {
        if !(cursor.take(b'e') || cursor.take(b'E')) {
            return Ok(false);
        }
        let positive = cursor.take(b'+') || !cursor.take(b'-');
        if digit(cursor).is_none() {
            return Err(cursor.fail(MISSING_EXPONENT));
        }
        let mut exponent = 0i64;
        while let Some(digit) = digit(cursor) {
            exponent = exponent.saturating_mul(10).saturating_add(i64::from(digit));
            if positive && exponent > 308 - self.fraction_power {
                return Err(start.fail(TOO_BIG));
            }
            cursor.at += 1;
        }
        Ok(true)
    }
}

fn digit(cursor: &Cursor<'_>) -> Option<u8> {
    Some(cursor.peek().wrapping_sub(b'0')).filter(|&digit| digit < 10)
}
