//! Floating point numbers in decimal: `%g` with 6 significant digits when that reads back to the same number, else
//! with as many as always do (9 for a float, 17 for a double); always with a point or an exponent.

use std::io::Write;

/// A type with two precisions.
pub(super) trait Decimal: Copy + PartialEq + Into<f64> + std::str::FromStr + std::fmt::LowerExp {
    /// How many significant digits always read back to the same number.
    const DIGITS: usize;
}

impl Decimal for f32 {
    const DIGITS: usize = 9;
}

impl Decimal for f64 {
    const DIGITS: usize = 17;
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
    general(value, SHORT_DIGITS, out);
    let same = std::str::from_utf8(&out[start..]).ok().and_then(|text| text.parse().ok()) == Some(value);
    if !same {
        out.truncate(start);
        general(value, T::DIGITS, out);
    }
    if !out[start..].iter().any(|byte| matches!(byte, b'.' | b'e')) {
        out.extend_from_slice(b".0");
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
        fn every_double_reads_back(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            prop_assert_eq!(written(value).parse::<f64>().unwrap().to_bits(), bits);
        }
    }
}
