//! Nested lists into the flat elements of one tensor, in one pass: the way of every request that is right.
//!
//! Whatever is not plainly right, [`read`] gives up on; [`super::exact`] then goes over it again, slowly, to say what
//! is wrong in TensorFlow Serving's words.

use smallvec::SmallVec;
use taxiway_engine::{MAX_RANK, Shape};

use super::cursor::Cursor;
use super::sink::Sink;

/// The lists around the place where the reader stands, and what is known of the shape.
struct Levels {
    /// The length of the lists of each level, once the first of them has ended.
    extents: SmallVec<[Option<usize>; 4]>,
    /// The elements so far of the open list of each level.
    counts: SmallVec<[usize; 4]>,
    /// Whether `extents` holds all levels: a scalar or an empty list has been met.
    complete: bool,
}

/// Appends the elements of the value that the cursor stands on, and returns its shape. `None` when the value is not
/// a regular nest of lists of what the sink takes.
#[inline]
pub(super) fn read(cursor: &mut Cursor<'_>, sink: &mut Sink) -> Option<Shape> {
    if cursor.peek() != b'[' {
        return sink.push(cursor).ok().map(|()| Shape::new());
    }
    let mut levels = Levels { extents: SmallVec::new(), counts: SmallVec::new(), complete: false };
    loop {
        if levels.open(cursor)? {
            if cursor.peek() == b'[' {
                continue;
            }
            if !std::mem::replace(&mut levels.complete, true) || levels.counts.len() == levels.extents.len() {
                *levels.counts.last_mut()? = sink.row(cursor)?;
            } else {
                return None;
            }
        }
        // A list has ended.
        loop {
            levels.close()?;
            let Some(outer) = levels.counts.last_mut() else {
                return levels.extents.into_iter().collect();
            };
            *outer += 1;
            if cursor.another_element().ok()? {
                break;
            }
        }
        if cursor.peek() != b'[' {
            return None;
        }
    }
}

impl Levels {
    /// Steps into a list; whether it holds anything. An empty one is stepped over.
    #[inline]
    fn open(&mut self, cursor: &mut Cursor<'_>) -> Option<bool> {
        cursor.at += 1;
        cursor.space();
        self.counts.push(0);
        if self.counts.len() > self.extents.len() {
            if self.complete || self.counts.len() > MAX_RANK {
                return None;
            }
            self.extents.push(None);
        }
        if cursor.take(b']') {
            self.complete = true;
            return Some(false);
        }
        Some(true)
    }

    /// Ends the innermost list; its length must be that of the others of its level.
    #[inline]
    fn close(&mut self) -> Option<()> {
        let count = self.counts.pop()?;
        let extent = self.extents.get_mut(self.counts.len())?;
        (*extent.get_or_insert(count) == count).then_some(())
    }
}
