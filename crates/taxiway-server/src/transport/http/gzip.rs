//! Compressed requests.

use std::io::Read;

use bytes::Bytes;
use flate2::read::MultiGzDecoder;

/// Inflates a body to at most `max_bytes`; `None` when it would be larger. One that is broken is an empty one, as
/// TensorFlow Serving has it.
pub(super) fn inflate(body: &[u8], max_bytes: usize) -> Option<Bytes> {
    let mut inflated = Vec::with_capacity(body.len().saturating_mul(4).min(max_bytes));
    // One more than allowed, to tell a body of exactly the limit from a larger one.
    match MultiGzDecoder::new(body).take(max_bytes as u64 + 1).read_to_end(&mut inflated) {
        Err(_) => Some(Bytes::new()),
        Ok(length) if length > max_bytes => None,
        Ok(_) => Some(inflated.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn deflate(body: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    }

    // tfs: rest-gzip
    #[test]
    fn bodies_are_inflated_up_to_the_limit() {
        let body = deflate(&[b'x'; 1000]);
        assert_eq!(inflate(&body, 1000).unwrap().len(), 1000);
        assert_eq!(inflate(&body, 999), None);
    }

    // tfs: rest-gzip-broken
    #[test]
    fn a_broken_body_is_empty() {
        let body = deflate(b"text");
        assert_eq!(inflate(&body[..body.len() - 1], 100).unwrap(), "");
        assert_eq!(inflate(b"no gzip", 100).unwrap(), "");
    }
}
