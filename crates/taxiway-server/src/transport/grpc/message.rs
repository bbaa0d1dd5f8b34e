//! One message: a byte that says whether it is compressed, its length in four, its bytes.

use std::io::Read;

use bytes::{Bytes, BytesMut};
use flate2::read::GzDecoder;
use prost::Message;
use taxiway_engine::{Error, ErrorKind, Result};

/// What stands before a message.
pub(super) const PREFIX_BYTES: usize = 5;

/// The length of a whole frame that begins like this, as its prefix claims.
pub(super) fn expected_bytes(start: &[u8]) -> Option<usize> {
    let length = start.get(1..PREFIX_BYTES)?.try_into().ok()?;
    Some(u32::from_be_bytes(length) as usize + PREFIX_BYTES)
}

/// The message in a frame, inflated.
///
/// # Errors
/// `Internal` when the frame is not exactly one message; `Unimplemented` for a compression that is not known;
/// `ResourceExhausted` when it inflates to more than `max_bytes`.
pub(super) fn unwrap(mut frame: Bytes, encoding: Option<&[u8]>, max_bytes: usize) -> Result<Bytes> {
    if expected_bytes(&frame) != Some(frame.len()) {
        return Err(Error::internal("the request is not exactly one whole message"));
    }
    let message = frame.split_off(PREFIX_BYTES);
    match (frame[0], encoding) {
        (0, _) => Ok(message),
        (1, Some(b"identity") | None) => Err(Error::internal("the message is compressed and does not say how")),
        (1, Some(b"gzip")) => inflate(&message, max_bytes),
        (1, Some(other)) => {
            let message = format!("compression \"{}\" is not known: use gzip", String::from_utf8_lossy(other));
            Err(Error::new(ErrorKind::Unimplemented, message))
        }
        _ => Err(Error::internal("the message's first byte says neither compressed nor not")),
    }
}

/// What bytes are told that are no message of the method's type.
pub(super) fn does_not_parse(error: &prost::DecodeError) -> Error {
    Error::internal(format!("the request does not parse: {error}"))
}

fn inflate(message: &[u8], max_bytes: usize) -> Result<Bytes> {
    let mut inflated = Vec::new();
    match GzDecoder::new(message).take(max_bytes as u64 + 1).read_to_end(&mut inflated) {
        Err(error) => Err(Error::internal(format!("the message does not inflate: {error}"))),
        Ok(length) if length > max_bytes => Err(Error::new(
            ErrorKind::ResourceExhausted,
            format!("the message inflates to more than the limit of {max_bytes} bytes"),
        )),
        Ok(_) => Ok(inflated.into()),
    }
}

/// A message in a frame, not compressed.
///
/// # Errors
/// `ResourceExhausted` when it is longer than gRPC's implementations take, 2^31 - 1 bytes.
pub(super) fn wrap(message: &impl Message) -> Result<Bytes> {
    let mut frame = begin(message.encoded_len())?;
    message.encode(&mut frame).map_err(|error| Error::internal(format!("an answer does not encode: {error}")))?;
    Ok(frame.freeze())
}

/// A message that is encoded already, in a frame.
///
/// # Errors
/// `ResourceExhausted` when it is longer than gRPC's implementations take, 2^31 - 1 bytes.
pub(super) fn wrap_encoded(message: &[u8]) -> Result<Bytes> {
    let mut frame = begin(message.len())?;
    frame.extend_from_slice(message);
    Ok(frame.freeze())
}

/// A frame with the prefix of a message of this length, and room for it.
fn begin(length: usize) -> Result<BytesMut> {
    let claimed = i32::try_from(length).map_err(|_| {
        Error::new(ErrorKind::ResourceExhausted, format!("an answer of {length} bytes is longer than gRPC can carry"))
    })?;
    let mut frame = BytesMut::with_capacity(PREFIX_BYTES + length);
    frame.extend_from_slice(&[0]);
    frame.extend_from_slice(&claimed.to_be_bytes());
    Ok(frame)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn frame(flag: u8, message: &[u8]) -> Bytes {
        [&[flag][..], &(message.len() as u32).to_be_bytes(), message].concat().into()
    }

    #[test]
    fn a_frame_is_exactly_one_message() {
        let whole = frame(0, b"abc");
        assert_eq!(unwrap(whole.clone(), None, 0).unwrap(), "abc");
        for cut in 0..whole.len() {
            assert_eq!(unwrap(whole.slice(..cut), None, 9).unwrap_err().kind, ErrorKind::Internal);
        }
        let twice = [whole.as_ref(), whole.as_ref()].concat();
        assert_eq!(unwrap(twice.into(), None, 9).unwrap_err().kind, ErrorKind::Internal);
        assert_eq!(unwrap(frame(2, b""), None, 9).unwrap_err().kind, ErrorKind::Internal);
    }

    #[test]
    fn the_longest_message_is_the_one_that_clients_take() {
        assert_eq!(begin(i32::MAX as usize).unwrap()[..], [0, 0x7f, 0xff, 0xff, 0xff]);
        assert_eq!(begin(i32::MAX as usize + 1).unwrap_err().kind, ErrorKind::ResourceExhausted);
    }

    #[test]
    fn compressed_messages_are_inflated_up_to_the_limit() {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(&[7; 100]).unwrap();
        let compressed = frame(1, &encoder.finish().unwrap());
        let unwrapped = |encoding: &'static [u8], max| unwrap(compressed.clone(), Some(encoding), max);
        assert_eq!(unwrapped(b"gzip", 100).unwrap().len(), 100);
        assert_eq!(unwrapped(b"gzip", 99).unwrap_err().kind, ErrorKind::ResourceExhausted);
        assert_eq!(unwrapped(b"snappy", 100).unwrap_err().kind, ErrorKind::Unimplemented);
        assert_eq!(unwrapped(b"identity", 100).unwrap_err().kind, ErrorKind::Internal);
        assert_eq!(unwrap(frame(1, b"no gzip"), Some(b"gzip"), 9).unwrap_err().kind, ErrorKind::Internal);
    }
}
