//! Request ids: the caller's own, or a new one.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderMap, HeaderName, HeaderValue};

/// Where a request's id stands, in questions and answers, headers and metadata.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Where an answer names the version that gave it.
pub(super) const VERSION: HeaderName = HeaderName::from_static("x-taxiway-version");

/// Where an answer names the arm that its request was led to.
pub(super) const ARM: HeaderName = HeaderName::from_static("x-taxiway-arm");

/// The longest id that is taken from a caller, in bytes.
const MAX_LENGTH: usize = 128;

/// Gives out ids that no other server gives out.
pub(crate) struct RequestIds {
    server: u64,
    next: AtomicU64,
}

impl RequestIds {
    pub(crate) fn new() -> RequestIds {
        // The standard library seeds its hash maps from the system's randomness; nothing here needs to be secret.
        RequestIds { server: RandomState::new().hash_one(std::process::id()), next: AtomicU64::new(1) }
    }

    /// The id of a request with these headers: the caller's when it is short and printable, else a new one.
    ///
    /// It is marked as a value that HTTP/2 must not index: no two are the same, and each would push one that comes
    /// again out of the connection's table of headers.
    pub(super) fn of(&self, headers: &HeaderMap) -> HeaderValue {
        let mut id = match headers.get(REQUEST_ID) {
            Some(id) if is_sound(id.as_bytes()) => id.clone(),
            _ => self.fresh(),
        };
        id.set_sensitive(true);
        id
    }

    fn fresh(&self) -> HeaderValue {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let mut id = [b'-'; 2 * HEX_DIGITS + 1];
        write_hex(self.server, &mut id[..HEX_DIGITS]);
        write_hex(number, &mut id[HEX_DIGITS + 1..]);
        HeaderValue::from_bytes(&id).unwrap_or(HeaderValue::from_static("0"))
    }
}

/// The digits of 64 bits.
const HEX_DIGITS: usize = 16;

/// Fills a slice with the last digits of a number in base 16.
fn write_hex(mut number: u64, digits: &mut [u8]) {
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(number & 15) as usize];
        number >>= 4;
    }
}

fn is_sound(id: &[u8]) -> bool {
    (1..=MAX_LENGTH).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sound_id_is_kept_and_any_other_replaced() {
        let ids = RequestIds::new();
        let of = |id: &str| {
            let headers = HeaderMap::from_iter([(REQUEST_ID, HeaderValue::from_str(id).unwrap())]);
            ids.of(&headers).to_str().unwrap().to_owned()
        };
        assert_eq!(of("a-1"), "a-1");
        for id in ["", "a b", &"x".repeat(MAX_LENGTH + 1)] {
            assert_ne!(of(id), id);
        }
        assert_ne!(ids.of(&HeaderMap::new()), ids.of(&HeaderMap::new()));
        assert_ne!(RequestIds::new().server, ids.server);
    }

    #[test]
    fn a_new_id_is_the_server_and_a_count_and_is_kept_out_of_tables_of_headers() {
        let ids = RequestIds { server: 0x0123_4567_89ab_cdef, next: AtomicU64::new(0xfe) };
        let id = ids.of(&HeaderMap::new());
        assert_eq!(id, "0123456789abcdef-00000000000000fe");
        assert!(id.is_sensitive());
        let own = HeaderMap::from_iter([(REQUEST_ID, HeaderValue::from_static("mine"))]);
        assert!(ids.of(&own).is_sensitive());
    }
}
