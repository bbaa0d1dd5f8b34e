//! The body of an answer: bytes that are there, or a file that is read as the client takes it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use tokio::task::{JoinHandle, spawn_blocking};

/// What is read of a file at once.
const PIECE_BYTES: u64 = 256 << 10;

/// The body of an answer.
pub(in crate::transport) enum Outgoing {
    Whole(Full<Bytes>),
    File(FileBody),
}

/// A part of a file. It is read piece by piece on threads that may block, one piece ahead of no one: a slow client
/// holds neither a thread nor more memory than a piece.
pub(in crate::transport) struct FileBody {
    file: Arc<File>,
    at: u64,
    left: u64,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
}

impl Outgoing {
    pub(super) fn whole(body: Vec<u8>) -> Outgoing {
        Outgoing::Whole(Full::from(body))
    }

    /// `length` bytes of a file from `start` on. One that ends before that breaks the answer off.
    pub(super) fn file(file: File, start: u64, length: u64) -> Outgoing {
        Outgoing::File(FileBody { file: Arc::new(file), at: start, left: length, reading: None })
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match &mut *self {
            Outgoing::Whole(body) => Pin::new(body).poll_frame(context).map_err(|never| match never {}),
            Outgoing::File(body) => body.poll_piece(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Outgoing::Whole(body) => body.is_end_stream(),
            Outgoing::File(body) => body.left == 0,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Outgoing::Whole(body) => body.size_hint(),
            Outgoing::File(body) => SizeHint::with_exact(body.left),
        }
    }
}

impl FileBody {
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let reading = self.reading.get_or_insert_with(|| {
            let (file, at, length) = (Arc::clone(&self.file), self.at, self.left.min(PIECE_BYTES) as usize);
            spawn_blocking(move || {
                let mut piece = vec![0; length];
                file.read_exact_at(&mut piece, at)?;
                Ok(piece.into())
            })
        });
        let piece = ready!(Pin::new(reading).poll(context)).unwrap_or_else(|error| Err(io::Error::other(error)));
        self.reading = None;
        Poll::Ready(Some(piece.map(|piece| {
            self.at += piece.len() as u64;
            self.left -= piece.len() as u64;
            Frame::data(piece)
        })))
    }
}
