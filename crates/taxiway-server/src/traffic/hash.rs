//! XXH64 with seed 0, as the xxHash specification describes it: the same number on every machine and in every release,
//! which what is assigned by it relies on.

const PRIMES: [u64; 5] =
    [0x9E37_79B1_85EB_CA87, 0xC2B2_AE3D_27D4_EB4F, 0x1656_67B1_9E37_79F9, 0x85EB_CA77_C2B2_AE63, 0x27D4_EB2F_1656_67C5];

/// The bytes that are taken in at a time while there are as many.
const STRIPE: usize = 32;

/// The hash of these bytes.
pub(crate) fn xxh64(bytes: &[u8]) -> u64 {
    let (stripes, rest) = bytes.split_at(bytes.len() / STRIPE * STRIPE);
    let start = if stripes.is_empty() { PRIMES[4] } else { striped(stripes) };
    avalanche(finish(start.wrapping_add(bytes.len() as u64), rest))
}

fn striped(stripes: &[u8]) -> u64 {
    let mut lanes = [PRIMES[0].wrapping_add(PRIMES[1]), PRIMES[1], 0, 0u64.wrapping_sub(PRIMES[0])];
    for stripe in stripes.chunks_exact(STRIPE) {
        for (lane, word) in lanes.iter_mut().zip(stripe.chunks_exact(8)) {
            *lane = round(*lane, word_of(word));
        }
    }
    let turned = [1, 7, 12, 18].into_iter().zip(lanes);
    let joined = turned.fold(0u64, |sum, (turn, lane)| sum.wrapping_add(lane.rotate_left(turn)));
    lanes.into_iter().fold(joined, |hash, lane| (hash ^ round(0, lane)).wrapping_mul(PRIMES[0]).wrapping_add(PRIMES[3]))
}

/// Takes in what is left: words, then half a word, then bytes.
fn finish(mut hash: u64, rest: &[u8]) -> u64 {
    let words = rest.chunks_exact(8);
    let mut rest = words.remainder();
    for word in words {
        hash = (hash ^ round(0, word_of(word))).rotate_left(27).wrapping_mul(PRIMES[0]).wrapping_add(PRIMES[3]);
    }
    if let Some((half, after)) = rest.split_at_checked(4) {
        hash ^= word_of(half).wrapping_mul(PRIMES[0]);
        hash = hash.rotate_left(23).wrapping_mul(PRIMES[1]).wrapping_add(PRIMES[2]);
        rest = after;
    }
    rest.iter().fold(hash, |hash, &byte| {
        (hash ^ u64::from(byte).wrapping_mul(PRIMES[4])).rotate_left(11).wrapping_mul(PRIMES[0])
    })
}

fn round(lane: u64, word: u64) -> u64 {
    lane.wrapping_add(word.wrapping_mul(PRIMES[1])).rotate_left(31).wrapping_mul(PRIMES[0])
}

fn avalanche(hash: u64) -> u64 {
    let hash = (hash ^ (hash >> 33)).wrapping_mul(PRIMES[1]);
    let hash = (hash ^ (hash >> 29)).wrapping_mul(PRIMES[2]);
    hash ^ (hash >> 32)
}

/// At most eight bytes as a number, the lowest first.
fn word_of(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte))
}

#[cfg(test)]
mod tests {
    use super::xxh64;

    #[test]
    fn it_is_the_published_function() {
        for (text, hash) in [
            ("", 0xEF46_DB37_51D8_E999),
            ("a", 0xD24E_C4F1_A98C_6E5B),
            ("abc", 0x44BC_2CF5_AD77_0999),
            ("abcdefghijklmnopqrstuvwxyz", 0xCFE1_F278_FA89_835C),
            ("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", 0xAAA4_6907_D304_7814),
        ] {
            assert_eq!(xxh64(text.as_bytes()), hash, "{text}");
        }
    }
}
