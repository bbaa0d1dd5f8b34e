//! Floating point numbers in decimal: `%g` with 6 significant digits when that reads back to the same number, else
//! with as many as always do (9 for a float, 17 for a double); always with a point or an exponent.

use std::cmp::Ordering;
use std::io::Write;

use super::number::POWERS;

/// A type with two precisions.
pub(super) trait Decimal: Copy + PartialEq + Into<f64> + std::str::FromStr + std::fmt::LowerExp {
    /// How many significant digits always read back to the same number.
    const MOST_DIGITS: usize;

    /// Appends the number without C's formatting, when there is a quick and exact way; whether there was.
    fn write_quickly(self, _out: &mut Vec<u8>) -> bool {
        false
    }
}

impl Decimal for f32 {
    const MOST_DIGITS: usize = 9;

    fn write_quickly(self, out: &mut Vec<u8>) -> bool {
        let Some(decimal) = NineDigits::of(self.abs()) else { return false };
        let Some((digits, exponent, precision)) = decimal.shortest(self.abs()) else { return false };
        if self.is_sign_negative() {
            out.push(b'-');
        }
        let mut buffer = itoa::Buffer::new();
        let digits = buffer.format(digits).as_bytes();
        let kept = digits.iter().rposition(|&digit| digit != b'0').map_or(1, |last| last + 1);
        lay_out(&digits[..kept], exponent, precision, out);
        true
    }
}

impl Decimal for f64 {
    const MOST_DIGITS: usize = 17;
}

const SHORT_DIGITS: usize = 6;

/// Appends a number; `NaN`, `Infinity` and `-Infinity` as these words.
pub(super) fn write<T: Decimal>(value: T, out: &mut Vec<u8>) {
    let wide: f64 = value.into();
    if !wide.is_finite() {
        let word: &[u8] = match wide.is_nan() {
            true => b"NaN",
            false if wide < 0.0 => b"-Infinity",
            false => b"Infinity",
        };
        out.extend_from_slice(word);
        return;
    }
    if wide.fract() == 0.0 && wide.abs() < 1e6 {
        return write_small_integer(wide, out);
    }
    let start = out.len();
    if !value.write_quickly(out) {
        general(value, SHORT_DIGITS, out);
        let same = std::str::from_utf8(&out[start..]).ok().and_then(|text| text.parse().ok()) == Some(value);
        if !same {
            out.truncate(start);
            general(value, T::MOST_DIGITS, out);
        }
    }
    if !out[start..].iter().any(|byte| matches!(byte, b'.' | b'e')) {
        out.extend_from_slice(b".0");
    }
}

/// A float's first nine significant digits, cut off, and what was cut: `digits`.`rest` · 10^(`exponent` - 8).
struct NineDigits {
    digits: u64,
    exponent: i32,
    /// The part cut off, in units of 2^-`shift`.
    rest: u128,
    shift: u32,
}

/// The powers of ten that floats are scaled by, 10^25 the last.
const TEN_TO: [u128; 26] = {
    let mut powers = [1; 26];
    let mut power = 1;
    while power < powers.len() {
        powers[power] = powers[power - 1] * 10;
        power += 1;
    }
    powers
};

impl NineDigits {
    /// Exact for floats from 1e-17 to 1e8; `None` for others.
    fn of(value: f32) -> Option<NineDigits> {
        if !(1e-17..1e8).contains(&value) {
            return None;
        }
        let bits = value.to_bits();
        let significand = u64::from(bits & 0x7F_FFFF | 0x80_0000);
        let binary = (bits >> 23).cast_signed() - 150;
        // log10(2) is 1233 / 4096, nearly; the power of ten found is right or one too low.
        let mut exponent = ((binary + 23) * 1233) >> 12;
        loop {
            let scaled = u128::from(significand) * TEN_TO.get(usize::try_from(8 - exponent).ok()?)?;
            let (whole, shift) = match u32::try_from(-binary) {
                Ok(shift) => (scaled >> shift, shift),
                Err(_) => (scaled << binary, 0),
            };
            if whole < 1_000_000_000 {
                let rest = scaled & ((1 << shift) - 1);
                return Some(NineDigits { digits: u64::try_from(whole).ok()?, exponent, rest, shift });
            }
            exponent += 1;
        }
    }

    /// Rounded, ties to even, to six digits if these read back to `value`, else to nine: the digits, the power of ten
    /// of the first, and how many they are. `None` when one division cannot tell whether six read back.
    fn shortest(&self, value: f32) -> Option<(u64, i32, usize)> {
        let (six, thousandths) = (self.digits / 1000, self.digits % 1000);
        let beyond = if self.rest == 0 { thousandths.cmp(&500) } else { (thousandths * 2 + 1).cmp(&1000) };
        let (six, exponent) = carried(six, beyond, 1_000_000, self.exponent);
        let down = usize::try_from(5 - exponent);
        let read = match down {
            Ok(down) => six as f64 / POWERS.get(down)?,
            Err(_) => six as f64 * POWERS.get(usize::try_from(exponent - 5).ok()?)?,
        };
        // A double half-way between two floats may have been rounded there.
        if read.to_bits() & 0x1FFF_FFFF == 0x1000_0000 {
            return None;
        }
        if read as f32 == value {
            return Some((six, exponent, SHORT_DIGITS));
        }
        let beyond = if self.shift == 0 { Ordering::Less } else { self.rest.cmp(&(1 << (self.shift - 1))) };
        let (nine, exponent) = carried(self.digits, beyond, 1_000_000_000, self.exponent);
        Some((nine, exponent, f32::MOST_DIGITS))
    }
}

/// Rounds up when what lies beyond the digits says so; ten nines become a one.
fn carried(digits: u64, beyond: Ordering, limit: u64, exponent: i32) -> (u64, i32) {
    let up = beyond == Ordering::Greater || beyond == Ordering::Equal && digits % 2 == 1;
    match digits + u64::from(up) {
        rounded if rounded == limit => (limit / 10, exponent + 1),
        rounded => (rounded, exponent),
    }
}

/// Whole numbers of up to six digits, which are common: class labels, counts, zeros.
fn write_small_integer(value: f64, out: &mut Vec<u8>) {
    if value.is_sign_negative() {
        out.push(b'-');
    }
    out.extend_from_slice(itoa::Buffer::new().format(value.abs() as u32).as_bytes());
    out.extend_from_slice(b".0");
}

/// Appends what C's `%.{digits}g` prints for a finite number.
fn general<T: Decimal>(value: T, digits: usize, out: &mut Vec<u8>) {
    // At most a sign, 17 digits, a point, and an exponent of 5 bytes.
    let mut buffer = [0u8; 32];
    let mut room = &mut buffer[..];
    if write!(room, "{:.*e}", digits - 1, value).is_err() {
        return;
    }
    let used = 32 - room.len();
    let printed = &buffer[..used];
    let split = printed.iter().position(|&byte| byte == b'e').unwrap_or(used);
    let exponent: i32 = std::str::from_utf8(printed.get(split + 1..).unwrap_or(&[]))
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(0);
    let mantissa = &printed[..split];
    let negative = mantissa.first() == Some(&b'-');
    let significant = mantissa[usize::from(negative)..].iter().copied().filter(|&byte| byte != b'.');
    let mut plain = [b'0'; 17];
    let count = plain.iter_mut().zip(significant).map(|(slot, digit)| *slot = digit).count();
    let kept = plain[..count].iter().rposition(|&digit| digit != b'0').map_or(1, |last| last + 1);
    if negative {
        out.push(b'-');
    }
    lay_out(&plain[..kept], exponent, digits, out);
}

/// Appends significant digits d.ddd · 10^exponent, without an exponent where C would print none.
fn lay_out(significant: &[u8], exponent: i32, precision: usize, out: &mut Vec<u8>) {
    let whole = usize::try_from(exponent).ok();
    match whole {
        Some(whole) if whole < precision => {
            let point = whole + 1;
            out.extend_from_slice(&significant[..point.min(significant.len())]);
            out.extend(std::iter::repeat_n(b'0', point.saturating_sub(significant.len())));
            if significant.len() > point {
                out.push(b'.');
                out.extend_from_slice(&significant[point..]);
            }
        }
        None if exponent >= -4 => {
            out.extend_from_slice(b"0.");
            out.extend(std::iter::repeat_n(b'0', exponent.unsigned_abs() as usize - 1));
            out.extend_from_slice(significant);
        }
        _ => {
            out.push(significant[0]);
            if significant.len() > 1 {
                out.push(b'.');
                out.extend_from_slice(&significant[1..]);
            }
            out.extend_from_slice(if exponent < 0 { b"e-" } else { b"e+" });
            let exponent = exponent.unsigned_abs();
            if exponent < 10 {
                out.push(b'0');
            }
            out.extend_from_slice(itoa::Buffer::new().format(exponent).as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written<T: Decimal>(value: T) -> String {
        let mut out = Vec::new();
        write(value, &mut out);
        String::from_utf8(out).unwrap()
    }

    // tfs: answer-numbers
    #[test]
    fn floats_are_written_as_tensorflow_serving_does() {
        let rows = [
            (0.0f32, "0.0"),
            (-0.0, "-0.0"),
            (3.0, "3.0"),
            (3.5, "3.5"),
            (0.2, "0.2"),
            (0.1 + 0.2, "0.3"),
            (9_000_000.0, "9e+06"),
            (0.00003, "3e-05"),
            (1_234_567.0, "1234567.0"),
            (1.0 / 3.0, "0.333333343"),
            (999_999.0, "999999.0"),
            (1_000_000.0, "1e+06"),
            (16_777_216.0, "16777216.0"),
            (f32::MAX, "3.40282347e+38"),
            (f32::MIN_POSITIVE, "1.17549435e-38"),
            (1e-45, "1.4013e-45"),
            (0.0001, "0.0001"),
            (-2.5e-7, "-2.5e-07"),
            (123_456_789.0, "123456792.0"),
            (f32::NAN, "NaN"),
            (f32::INFINITY, "Infinity"),
            (f32::NEG_INFINITY, "-Infinity"),
        ];
        for (value, text) in rows {
            assert_eq!(written(value), text);
        }
    }

    // tfs: answer-numbers
    #[test]
    fn doubles_have_six_or_seventeen_digits() {
        let rows = [
            (0.1f64, "0.1"),
            (1.0 / 3.0, "0.33333333333333331"),
            (5e-324, "4.94066e-324"),
            (1e100, "1e+100"),
            (f64::MAX, "1.7976931348623157e+308"),
            (1e-100, "1e-100"),
            (1_234_567.25, "1234567.25"),
            (1e17, "1e+17"),
        ];
        for (value, text) in rows {
            assert_eq!(written(value), text);
        }
    }

    proptest! {
        #[test]
        fn every_float_reads_back(bits in any::<u32>()) {
            let value = f32::from_bits(bits);
            prop_assume!(value.is_finite());
            prop_assert_eq!(written(value).parse::<f32>().unwrap().to_bits(), bits);
        }

        #[test]
        fn the_quick_way_agrees_with_the_slow(bits in 0x2338_7779u32..0x4CBE_BC20, zeros in 0u32..24) {
            // Fewer set bits make shorter decimals and ties.
            let value = f32::from_bits(bits >> zeros << zeros);
            let mut quick = Vec::new();
            if !value.write_quickly(&mut quick) {
                return Ok(());
            }
            let mut slow = Vec::new();
            general(value, SHORT_DIGITS, &mut slow);
            if std::str::from_utf8(&slow).unwrap().parse() != Ok(value) {
                slow.clear();
                general(value, f32::MOST_DIGITS, &mut slow);
            }
            prop_assert_eq!(quick, slow);
        }

        #[test]
        fn every_double_reads_back(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            prop_assert_eq!(written(value).parse::<f64>().unwrap().to_bits(), bits);
        }
    }
}
