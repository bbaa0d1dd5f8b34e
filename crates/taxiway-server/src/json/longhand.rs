//! Numbers the long way: RapidJSON's grammar to the letter, with its decisions on what is an integer and what is too big.

use super::cursor::{Cursor, INVALID_VALUE, SyntaxError};
use super::number::{EXACT, Number, integer, parsed};

const TOO_BIG: &str = "Number too big to be stored in double.";
const MISSING_FRACTION: &str = "Miss fraction part in number.";
const MISSING_EXPONENT: &str = "Miss exponent in number.";

/// Reads any number, with RapidJSON's own decisions on what is too big.
#[cold]
pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Number, SyntaxError> {
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
