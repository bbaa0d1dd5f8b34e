//! What the headers of a call say.

use std::time::Duration;

use http::HeaderMap;
use taxiway_engine::{Error, Result};

/// How long the caller waits; `None` for as long as it takes.
///
/// # Errors
/// `InvalidArgument` when the header is not what gRPC's specification says.
pub(super) fn timeout(headers: &HeaderMap) -> Result<Option<Duration>> {
    let Some(value) = headers.get("grpc-timeout") else { return Ok(None) };
    let wrong = || Error::invalid(format!("grpc-timeout is not a time: {value:?}"));
    let (unit, digits) = value.as_bytes().split_last().ok_or_else(wrong)?;
    if !(1..=8).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_digit) {
        return Err(wrong());
    }
    let number = digits.iter().fold(0u64, |number, digit| number * 10 + u64::from(digit - b'0'));
    Ok(Some(match unit {
        b'H' => Duration::from_secs(number * 3600),
        b'M' => Duration::from_secs(number * 60),
        b'S' => Duration::from_secs(number),
        b'm' => Duration::from_millis(number),
        b'u' => Duration::from_micros(number),
        b'n' => Duration::from_nanos(number),
        _ => return Err(wrong()),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Result<Option<Duration>> {
        timeout(&HeaderMap::from_iter([(http::HeaderName::from_static("grpc-timeout"), value.parse().unwrap())]))
    }

    #[test]
    fn times_have_a_unit() {
        for (value, expected) in [
            ("2H", Duration::from_secs(7200)),
            ("3M", Duration::from_secs(180)),
            ("99999999S", Duration::from_secs(99_999_999)),
            ("5m", Duration::from_millis(5)),
            ("7u", Duration::from_micros(7)),
            ("0n", Duration::ZERO),
        ] {
            assert_eq!(read(value).unwrap(), Some(expected), "{value}");
        }
        assert_eq!(timeout(&HeaderMap::new()).unwrap(), None);
        for value in ["", "S", "5", "5x", "-5S", "123456789S", "1.5S"] {
            assert!(read(value).is_err(), "{value}");
        }
    }
}
