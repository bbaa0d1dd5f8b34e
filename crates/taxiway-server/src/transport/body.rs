//! A request's body, read whole.

use bytes::{Bytes, BytesMut};
use http_body::Body;
use http_body_util::BodyExt;

/// Why a body is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unread {
    /// It is larger than the limit.
    TooLarge,
    /// The client stopped in the middle, or broke the protocol.
    Broken,
}

/// Reads a body of at most `max_bytes`. One that arrives in one piece is not copied.
///
/// `expected` may foretell the length from the first piece, so that memory is asked for once.
pub(super) async fn read<B: Body<Data = Bytes> + Unpin>(
    body: &mut B,
    max_bytes: usize,
    expected: impl Fn(&[u8]) -> Option<usize>,
) -> Result<Bytes, Unread> {
    if body.size_hint().lower() > max_bytes as u64 {
        return Err(Unread::TooLarge);
    }
    let Some(first) = piece(body).await? else { return Ok(Bytes::new()) };
    if first.len() > max_bytes {
        return Err(Unread::TooLarge);
    }
    if body.is_end_stream() {
        return Ok(first);
    }
    // What a client claims is believed as far as the limit; the system gives memory as it is written to.
    let length = expected(&first).unwrap_or_else(|| first.len() + body.size_hint().lower() as usize);
    let mut whole: Option<BytesMut> = None;
    while let Some(next) = piece(body).await? {
        let whole = whole.get_or_insert_with(|| {
            let mut whole = BytesMut::with_capacity(length.min(max_bytes));
            whole.extend_from_slice(&first);
            whole
        });
        if whole.len() + next.len() > max_bytes {
            return Err(Unread::TooLarge);
        }
        whole.extend_from_slice(&next);
    }
    Ok(whole.map_or(first, BytesMut::freeze))
}

/// Reads on for at most `max_bytes` and throws it away. Whether the body has come to its end.
pub(super) async fn discard<B: Body<Data = Bytes> + Unpin>(body: &mut B, max_bytes: usize) -> bool {
    let mut left = max_bytes;
    loop {
        match piece(body).await {
            Ok(None) => return true,
            Err(_) => return false,
            Ok(Some(piece)) => match left.checked_sub(piece.len()) {
                None => return false,
                Some(rest) => left = rest,
            },
        }
    }
}

/// The next piece that is not empty; `None` at the end.
async fn piece<B: Body<Data = Bytes> + Unpin>(body: &mut B) -> Result<Option<Bytes>, Unread> {
    loop {
        match body.frame().await {
            None => return Ok(None),
            Some(Err(_)) => return Err(Unread::Broken),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) if !data.is_empty() => return Ok(Some(data)),
                _ => {} // trailers say nothing to us
            },
        }
    }
}
