//! Lists of plain numbers, four at a time: one look at 64 bytes finds where all literals in them begin and end, and four
//! literals are then converted together, without a loop or a branch for their digits.
//!
//! The way of almost all elements: a digit, a point and more digits, or up to eight digits, behind a sign or none.
//! Whatever else there is, and the end of the text, is left to [`super::rows`], which knows the grammar. The crate `wide`
//! has the instructions of each processor.

use bytemuck::cast;
use taxiway_engine::{Element, TensorBuilder};
use wide::{f64x4, i16x8, i32x4, i32x8, u8x16, u16x8};

use super::cursor::Cursor;
use super::number::read_float;

/// The bytes of which one look tells the digits from the others.
const BLOCK: usize = 64;
/// A block, and what is read with the literals at its end.
const WINDOW: usize = BLOCK + 16;
/// The literals that are looked for before they are converted.
const ENOUGH: usize = 16;
/// Those, and as many as a block can hold.
const MOST: usize = 48;
/// The literals that are converted together.
const LANES: usize = 4;

/// How reading elements ended.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Stop {
    /// Behind the list's end.
    End,
    /// Where an element must follow, perhaps behind white space.
    Before,
    /// As [`Stop::Before`], with more of the same to be expected.
    Full,
}

/// Literals that have been found.
struct Found {
    count: usize,
    /// Where the first digit of each is, counted from `base`.
    first: [u32; MOST],
    /// How long each is without its sign, and in the highest bit the sign.
    form: [u32; MOST],
    /// The digits of each as [`four_fractions`] or, in the first half, [`four_integers`] takes them.
    digits: [[u64; 2]; MOST],
    base: usize,
    /// Whether a blank follows a comma. Known beforehand, so that no literal waits for that byte of the one before it.
    blank: bool,
}

const SIGN: u32 = 1 << 31;

/// Appends the floats from `at` on, where one must begin, as far as they are plain, and moves `at` behind them.
#[inline(never)]
pub(super) fn floats(text: &[u8], at: &mut usize, values: &mut TensorBuilder<f32>) -> Stop {
    let mut found = Found::new();
    loop {
        let start = *at;
        let stop = found.fractions(text, at, values);
        if stop == Stop::End {
            return stop;
        }
        let stop = found.integers(text, at, values, |value| Some(value as f32));
        if stop == Stop::End || *at == start {
            return stop;
        }
    }
}

/// As [`floats`], of integers that `convert` makes elements of; where it makes none, this stops.
#[inline(never)]
pub(super) fn integers<T: Element>(
    text: &[u8],
    at: &mut usize,
    values: &mut TensorBuilder<T>,
    convert: impl Fn(i32) -> Option<T>,
) -> Stop {
    Found::new().integers(text, at, values, convert)
}

impl Found {
    fn new() -> Found {
        Found { count: 0, first: [0; MOST], form: [0; MOST], digits: [[0; 2]; MOST], base: 0, blank: true }
    }

    #[inline(always)]
    fn fractions(&mut self, text: &[u8], at: &mut usize, values: &mut TensorBuilder<f32>) -> Stop {
        loop {
            let stop = self.find::<true>(text, at);
            let whole = self.count - self.count % LANES;
            for group in (0..whole).step_by(LANES) {
                values.extend_from_slice(&self.four_floats(text, group));
            }
            if whole < self.count {
                values.extend_from_slice(&self.four_floats(text, whole)[..self.count - whole]);
            }
            if stop != Stop::Full {
                return stop;
            }
        }
    }

    #[inline(always)]
    fn integers<T: Element>(
        &mut self,
        text: &[u8],
        at: &mut usize,
        values: &mut TensorBuilder<T>,
        convert: impl Fn(i32) -> Option<T>,
    ) -> Stop {
        loop {
            let stop = self.find::<false>(text, at);
            for group in (0..self.count).step_by(LANES) {
                let four = four_integers(self, group).map(&convert);
                if group + LANES <= self.count
                    && let [Some(a), Some(b), Some(c), Some(d)] = four
                {
                    values.extend_from_slice(&[a, b, c, d]);
                    continue;
                }
                for (lane, value) in four[..LANES.min(self.count - group)].iter().enumerate() {
                    let Some(value) = value else {
                        *at = self.start(group + lane);
                        return Stop::Before;
                    };
                    values.push(*value);
                }
            }
            if stop != Stop::Full {
                return stop;
            }
        }
    }

    /// Where a literal begins.
    fn start(&self, index: usize) -> usize {
        self.base + self.first[index % MOST] as usize - (self.form[index % MOST] >> 31) as usize
    }

    #[inline(always)]
    fn four_floats(&self, text: &[u8], group: usize) -> [f32; LANES] {
        four_fractions(self, group).unwrap_or_else(|| self.read_again(text, group))
    }

    /// The floats of a group one by one, where the short way cannot tell.
    #[cold]
    fn read_again(&self, text: &[u8], group: usize) -> [f32; LANES] {
        std::array::from_fn(|lane| read_float(&mut Cursor::new(text, self.start(group + lane))).unwrap_or(f32::NAN))
    }

    /// Finds literals from `at` on, where one must begin, and moves `at` behind them: of one digit, a point and more with
    /// `POINT`, else of up to eight digits.
    #[inline(always)]
    fn find<const POINT: bool>(&mut self, text: &[u8], at: &mut usize) -> Stop {
        self.count = 0;
        self.base = *at;
        // Digits are put together in words whose lowest byte comes first.
        if cfg!(target_endian = "big") {
            return Stop::Before;
        }
        while self.count < ENOUGH {
            let Some(window) = text.get(*at..).and_then(<[u8]>::first_chunk) else { return Stop::Before };
            let (start, ended) = self.find_in::<POINT>(window, (*at - self.base) as u32);
            *at += start;
            if ended {
                return Stop::End;
            }
            if start == 0 {
                return Stop::Before;
            }
        }
        Stop::Full
    }

    /// Finds the literals in a window, and returns where the next one must begin, or that the list has ended before.
    #[inline(always)]
    fn find_in<const POINT: bool>(&mut self, window: &[u8; WINDOW], offset: u32) -> (usize, bool) {
        let others = not_digits(window);
        // What stands between two literals, of the two bytes behind one.
        let blank = self.blank;
        let (gap, looked_at) = if blank { (2, 0xFFFF) } else { (1, 0x00FF) };
        let separator = u16::from_le_bytes(*b", ") & looked_at;
        let mut count = self.count;
        let mut start = 0;
        let mut ended = false;
        while start < BLOCK {
            // Where a literal ends, and the next one begins, depends on bits alone: nothing waits for a byte.
            let rest = others >> start;
            let sign = (rest & 1) as usize;
            let first = start + sign;
            let stops = rest >> sign;
            let (plain, stops) = if POINT { (stops & 7 == 2, stops ^ 2) } else { (stops & 1 == 0, stops) };
            if !plain || stops == 0 {
                break;
            }
            let length = stops.trailing_zeros() as usize;
            let end = (first + length) % BLOCK;
            let known = if POINT {
                window[first + 1] == b'.'
            } else {
                (length <= 8) & !((length > 1) & (window[first] == b'0'))
            };
            if !known | ((window[start] == b'-') != (sign == 1)) {
                break;
            }
            let Some(place) = self.first.get_mut(count) else { break };
            *place = offset + first as u32;
            self.form[count] = length as u32 | (sign as u32) << 31;
            if POINT {
                let digits: u8x16 = u8x16::new(bytes_at(window, first)) & mask(length);
                self.digits[count] = cast(digits);
            } else {
                // Moved to the end of the word, behind zeros.
                self.digits[count][0] = u64::from_le_bytes(bytes_at(window, first)) << (64 - 8 * length);
            }
            let next = u16::from_le_bytes(bytes_at(window, end));
            if next & looked_at != separator {
                ended = window[end] == b']';
                if ended {
                    start = end + 1;
                    count += 1;
                } else if window[end] == b',' {
                    self.blank = !blank;
                    start = end + 1 + usize::from(self.blank);
                    count += 1;
                }
                break;
            }
            count += 1;
            start = end + gap;
        }
        self.count = count;
        (start, ended)
    }
}

/// The bytes from `at` on, which is at most the block's length.
#[inline(always)]
fn bytes_at<const LENGTH: usize>(window: &[u8; WINDOW], at: usize) -> [u8; LENGTH] {
    window.get(at..).and_then(<[u8]>::first_chunk).copied().unwrap_or([0; LENGTH])
}

/// A bit for each byte of the block, set when it is no digit.
#[inline(always)]
fn not_digits(window: &[u8; WINDOW]) -> u64 {
    let (parts, _) = window.as_chunks::<16>();
    let mut bits = 0;
    for (part, bytes) in parts[..BLOCK / 16].iter().enumerate() {
        // Ten and more gain a high bit.
        let marked = (u8x16::new(*bytes) - u8x16::splat(b'0')).saturating_add(u8x16::splat(128 - 10));
        bits |= u64::from(marked.to_bitmask()) << (16 * part);
    }
    bits
}

/// The floats nearest to four literals of one digit, a point and more; `None` when that is not certain.
///
/// The first fourteen digits behind the point are taken. What they leave out is below 10^-14, which in a double above
/// 10^-3 is less than 2^17 units in the last place; the roundings on the way are a few units.
#[inline(always)]
fn four_fractions(found: &Found, group: usize) -> Option<[f32; LANES]> {
    const NEAR: u32 = (1 << 17) + 16;
    // The first digit counts a million like the others of its eight; the point beside it is shifted out.
    let first = u16x8::new([1 << 8, PAIR, PAIR, PAIR, PAIR, PAIR, PAIR, PAIR]);
    let fours: [i32x4; LANES] = std::array::from_fn(|lane| in_fours(cast(found.digits[group + lane]), first));
    let scale = f64x4::new([1e-6, 1e-14, 1e-6, 1e-14]);
    let pairs = [in_eights(fours[0], fours[1]), in_eights(fours[2], fours[3])];
    let [[a, b, c, d], [e, f, g, h]] = pairs.map(|pair| (f64x4::from(pair) * scale).to_array());
    let doubles = [a + b, c + d, e + f, g + h];
    let mut doubtful = false;
    let four = std::array::from_fn(|lane| {
        let form = found.form[group + lane];
        let near = doubles[lane];
        // A float keeps the upper 23 bits of a double's fraction; the lower 29 decide, with the tie at their half.
        let beside_tie = (near.to_bits() as u32).wrapping_add(NEAR).wrapping_sub(1 << 28) & 0x1FFF_FFFF;
        doubtful |= (beside_tie < 2 * NEAR) | ((form & !SIGN > 16) & (near < 1e-3));
        f32::from_bits((near as f32).to_bits() ^ (form & SIGN))
    });
    (!doubtful).then_some(four)
}

/// Four literals of up to eight digits.
#[inline(always)]
fn four_integers(found: &Found, group: usize) -> [i32; LANES] {
    let [a, b, c, d]: [u64; LANES] = std::array::from_fn(|lane| found.digits[group + lane][0] & 0x0F0F_0F0F_0F0F_0F0F);
    let fours = [[a, b], [c, d]].map(|words| in_fours(cast(words), u16x8::splat(PAIR)));
    let magnitudes = in_eights(fours[0], fours[1]).to_array();
    std::array::from_fn(|lane| {
        let form = found.form[group + lane];
        if form & SIGN == 0 { magnitudes[lane] } else { -magnitudes[lane] }
    })
}

/// What puts two digits together, in the upper byte: the first, in the lower one, times ten, and the second.
const PAIR: u16 = (10 << 8) + 1;

/// Sixteen digits as four numbers of four; `first` says how two digits make one of two.
#[inline(always)]
fn in_fours(digits: u16x8, first: u16x8) -> i32x4 {
    let pairs: i16x8 = cast((digits * first) >> 8);
    pairs.dot(i16x8::new([100, 1, 100, 1, 100, 1, 100, 1]))
}

/// Eight numbers of four digits as four of eight.
#[inline(always)]
fn in_eights(upper: i32x4, lower: i32x4) -> i32x4 {
    let fours = i16x8::from_i32x8_saturate(cast::<[i32x4; 2], i32x8>([upper, lower]));
    fours.dot(i16x8::new([10_000, 1, 10_000, 1, 10_000, 1, 10_000, 1]))
}

/// What keeps the values of the first `count` digits of sixteen, `count` below 64.
#[inline(always)]
fn mask(count: usize) -> u8x16 {
    const MASKS: [u8; 80] = {
        let mut masks = [0; 80];
        let mut at = 0;
        while at < 64 {
            masks[at] = 15;
            at += 1;
        }
        masks
    };
    MASKS.get(64 - count..).and_then(<[u8]>::first_chunk::<16>).map_or(u8x16::splat(0), |bytes| u8x16::new(*bytes))
}
