//! Who a client says it speaks to, when it speaks through a file.
//!
//! gRPC's C core, and with it every Python and C++ client, sends the percent-encoded path of a Unix socket as
//! `:authority`. That is no authority of a URI, so the HTTP/2 library refuses the request. Nothing here reads the
//! authority, and a Unix socket has only one server behind it, so bytes that a host name cannot have are replaced on
//! their way in.
//!
//! The replacement happens in place and keeps lengths: frames, and the sizes of the entries in HPACK's dynamic table,
//! are what the client believes them to be. Header blocks are walked, not decoded. Values in Huffman's code are left
//! alone, and so are names taken from the dynamic table: the clients that send paths use neither.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What an HTTP/2 client says first.
const PREFACE_BYTES: usize = 24;
const FRAME_HEAD_BYTES: usize = 9;

const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;
const PRIORITY_BYTES: usize = 5;

const NAME: &[u8] = b":authority";
/// Its index in HPACK's static table.
const NAME_INDEX: usize = 1;

/// A connection whose client may name a file as its authority.
pub(super) struct PlainAuthority<S> {
    stream: S,
    frames: Frames,
}

impl<S> PlainAuthority<S> {
    pub(super) fn new(stream: S) -> PlainAuthority<S> {
        PlainAuthority { stream, frames: Frames::new() }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for PlainAuthority<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, into);
        self.frames.pass(&mut into.filled_mut()[before..]);
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for PlainAuthority<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Finds the header blocks in what a client sends, however it is cut.
struct Frames {
    place: Place,
    block: Block,
}

/// What comes next. Counts are of bytes.
enum Place {
    /// What is no header block.
    Other(usize),
    /// A frame's head, of which so much is there.
    Head([u8; FRAME_HEAD_BYTES], usize),
    /// The length of the padding, then `rest`, which begins with a priority when `skip` says so.
    PadLength { rest: usize, skip: usize },
    /// What to skip, a piece of a header block, and the padding after it.
    Fragment { skip: usize, left: usize, padding: usize },
}

impl Frames {
    fn new() -> Frames {
        Frames { place: Place::Other(PREFACE_BYTES), block: Block::Field }
    }

    fn pass(&mut self, mut bytes: &mut [u8]) {
        while !bytes.is_empty() {
            let taken = self.step(bytes);
            bytes = &mut bytes[taken..];
        }
    }

    /// Takes some of the bytes, which may be none when only the place changes.
    fn step(&mut self, bytes: &mut [u8]) -> usize {
        let (taken, next) = match self.place {
            Place::Other(0) => (0, Place::Head([0; FRAME_HEAD_BYTES], 0)),
            Place::Other(left) => {
                let taken = left.min(bytes.len());
                (taken, Place::Other(left - taken))
            }
            Place::Head(mut head, filled) => {
                head[filled] = bytes[0];
                let whole = filled + 1 == FRAME_HEAD_BYTES;
                (1, if whole { self.begin(head) } else { Place::Head(head, filled + 1) })
            }
            Place::PadLength { rest, skip } => {
                // A frame that is too short for its padding ends the connection where it is read.
                let padding = usize::from(bytes[0]).min(rest.saturating_sub(skip));
                (1, Place::Fragment { skip, left: rest.saturating_sub(skip + padding), padding })
            }
            Place::Fragment { skip: 0, left: 0, padding } => (0, Place::Other(padding)),
            Place::Fragment { skip: 0, left, padding } => {
                let taken = left.min(bytes.len());
                bytes[..taken].iter_mut().for_each(|byte| self.block.take(byte));
                (taken, Place::Fragment { skip: 0, left: left - taken, padding })
            }
            Place::Fragment { skip, left, padding } => {
                let taken = skip.min(bytes.len());
                (taken, Place::Fragment { skip: skip - taken, left, padding })
            }
        };
        self.place = next;
        taken
    }

    fn begin(&mut self, head: [u8; FRAME_HEAD_BYTES]) -> Place {
        let [a, b, c, kind, flags, ..] = head;
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        let priority = if flags & PRIORITY == 0 { 0 } else { PRIORITY_BYTES };
        match kind {
            HEADERS => {
                self.block = Block::Field;
                match length.checked_sub(1) {
                    Some(rest) if flags & PADDED != 0 => Place::PadLength { rest, skip: priority.min(rest) },
                    _ => {
                        let skip = priority.min(length);
                        Place::Fragment { skip, left: length - skip, padding: 0 }
                    }
                }
            }
            CONTINUATION => Place::Fragment { skip: 0, left: length, padding: 0 },
            _ => Place::Other(length),
        }
    }
}

/// A place in a header block: the fields of HPACK, one after the other.
#[derive(Clone, Copy)]
enum Block {
    /// At the first byte of a field.
    Field,
    /// In a number that goes on, of which `value` is known and the next byte counts by `shift`.
    Number { value: usize, shift: u32, of: Counted },
    /// At the length of a name.
    NameLength,
    /// At the length of a value.
    ValueLength { authority: bool },
    /// In a name of which `left` is to come; `alike` bytes of it are those of `:authority`, `None` when it differs.
    Name { left: usize, alike: Option<usize> },
    /// In a value.
    Value { left: usize, replace: bool },
    /// Not HPACK any more: the rest of the block is left to whoever reads it.
    Lost,
}

/// What a number says.
#[derive(Clone, Copy)]
enum Counted {
    /// A whole field, or the size of the table.
    Field,
    /// Where a name stands; 0 when it follows.
    NameIndex,
    NameLength {
        plain: bool,
    },
    ValueLength {
        replace: bool,
    },
}

impl Block {
    fn take(&mut self, byte: &mut u8) {
        *self = match *self {
            Block::Field => match *byte {
                first @ 0x80.. => number(first, 7, Counted::Field),
                first @ 0x40..0x80 => number(first, 6, Counted::NameIndex),
                first @ 0x20..0x40 => number(first, 5, Counted::Field),
                first => number(first, 4, Counted::NameIndex),
            },
            Block::Number { value, shift, of } => {
                // The longest length that anyone may mean is far below what five bytes can say.
                let more = usize::from(*byte & 0x7f).checked_shl(shift).filter(|_| shift <= 28);
                match more.and_then(|more| value.checked_add(more)) {
                    None => Block::Lost,
                    Some(value) if *byte & 0x80 == 0 => of.counted(value),
                    Some(value) => Block::Number { value, shift: shift + 7, of },
                }
            }
            Block::NameLength => number(*byte, 7, Counted::NameLength { plain: *byte & 0x80 == 0 }),
            Block::ValueLength { authority } => {
                number(*byte, 7, Counted::ValueLength { replace: authority && *byte & 0x80 == 0 })
            }
            Block::Name { left, alike } => {
                let alike = alike.filter(|&alike| NAME.get(alike) == Some(byte)).map(|alike| alike + 1);
                match left - 1 {
                    0 => Block::ValueLength { authority: alike == Some(NAME.len()) },
                    left => Block::Name { left, alike },
                }
            }
            Block::Value { left, replace } => {
                if replace && !matches!(*byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-') {
                    *byte = b'-';
                }
                if left == 1 { Block::Field } else { Block::Value { left: left - 1, replace } }
            }
            Block::Lost => Block::Lost,
        };
    }
}

/// After the first byte of a number, of which the low `bits` count.
fn number(first: u8, bits: u32, of: Counted) -> Block {
    let most = (1 << bits) - 1;
    match usize::from(first) & most {
        value if value == most => Block::Number { value, shift: 0, of },
        value => of.counted(value),
    }
}

impl Counted {
    /// What follows a number.
    fn counted(self, value: usize) -> Block {
        match (self, value) {
            (Counted::Field, _) => Block::Field,
            (Counted::NameIndex, 0) => Block::NameLength,
            (Counted::NameIndex, index) => Block::ValueLength { authority: index == NAME_INDEX },
            (Counted::NameLength { .. }, 0) => Block::ValueLength { authority: false },
            (Counted::NameLength { plain }, left) => Block::Name { left, alike: plain.then_some(0) },
            (Counted::ValueLength { .. }, 0) => Block::Field,
            (Counted::ValueLength { replace }, left) => Block::Value { left, replace },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = (payload.len() as u32).to_be_bytes();
        [&length[1..], &[kind, flags, 0, 0, 0, 1], payload].concat()
    }

    fn connection(frames: &[Vec<u8>]) -> Vec<u8> {
        [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frames.concat()].concat()
    }

    fn passed(bytes: &[u8], piece: usize) -> Vec<u8> {
        let (mut bytes, mut frames) = (bytes.to_vec(), Frames::new());
        bytes.chunks_mut(piece).for_each(|piece| frames.pass(piece));
        bytes
    }

    /// What grpcio sends, as the block of a first call.
    const BLOCK: &[u8] = b"@\x05:path\x06/a.B/C@\n:authority\x0ftmp%2Fgrpc.sock\x83\x86@\x02te\x08trailers";
    const PLAIN: &[u8] = b"@\x05:path\x06/a.B/C@\n:authority\x0ftmp-2Fgrpc.sock\x83\x86@\x02te\x08trailers";

    #[test]
    fn the_path_in_an_authority_becomes_a_name_of_its_length() {
        let padded = |block: &[u8]| [&[3], &[0xff; 5][..], block, &[0x40, 1, b'%']].concat();
        let (one, two) = (|block: &[u8]| block[..20].to_vec(), |block: &[u8]| block[20..].to_vec());
        let frames = |block: &[u8]| {
            connection(&[
                frame(4, 0, b"%%%%%%"),
                frame(HEADERS, 4, block),
                frame(0, 1, b"@\x0a:authority\x01%"),
                frame(HEADERS, 4 | PADDED | PRIORITY, &padded(block)),
                frame(HEADERS, PRIORITY, &[&[0xff; 5], &one(block)[..]].concat()),
                frame(CONTINUATION, 0, b""),
                frame(CONTINUATION, 4, &two(block)),
                frame(HEADERS, 4, block),
            ])
        };
        let (sent, expected) = (frames(BLOCK), frames(PLAIN));
        for piece in 1..sent.len() {
            assert_eq!(passed(&sent, piece), expected, "in pieces of {piece}");
        }
    }

    #[test]
    fn a_name_may_be_an_index_and_a_long_value_has_a_long_length() {
        let value = |byte: &str| format!("{}{byte}", "a".repeat(299)).into_bytes();
        for first in [0x41, 0x01, 0x11] {
            let block = |byte| [&[first, 0x7f, 0xad, 0x01], &value(byte)[..], b"\x3f\xe1\x1f\xff\x01\x82"].concat();
            let (sent, expected) = (block("%"), block("-"));
            let of = |block: &[u8]| connection(&[frame(HEADERS, 4, block)]);
            assert_eq!(passed(&of(&sent), 1), of(&expected));
        }
    }

    #[test]
    fn everything_else_is_left_alone() {
        for block in [
            &b"\x44\x03/a%"[..],                  // a path
            b"@\x0aauthority:\x01%",              // another name
            b"@\x09:authorit\x01%",               // a shorter one
            b"\x41\x81%",                         // Huffman's code
            b"\xbe\xc1\x41\x00\x10\x01%\x01%",    // whole fields by index, an empty authority, a name never indexed
            b"\x41\xff\xff\xff\xff\xff\xff\x7f%", // a length that nobody means
        ] {
            let sent = connection(&[frame(HEADERS, 4, block), frame(0, 0, b"%")]);
            assert_eq!(passed(&sent, 3), sent);
        }
    }

    proptest! {
        #[test]
        fn noise_passes_in_any_pieces_alike(noise in proptest::collection::vec(any::<u8>(), 0..400), piece in 1usize..50) {
            let sent = connection(&[frame(HEADERS, 4 | (noise.len() as u8 & 0x28), &noise), noise.clone()]);
            let whole = passed(&sent, sent.len());
            prop_assert_eq!(&whole, &passed(&sent, piece));
            let changed = sent.iter().zip(&whole).filter(|(before, after)| before != after);
            prop_assert!(changed.clone().all(|(_, &after)| after == b'-'));
        }
    }
}
