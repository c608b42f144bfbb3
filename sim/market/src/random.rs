//! The one door to randomness: ChaCha8 words and the integer draws made from them.
//!
//! Every draw is mapped here, from raw 32-bit words, with integer arithmetic only, so that no
//! crate's distribution and no platform's `ln` or `exp` can change a generated market. ChaCha8 is
//! a published algorithm (RFC 8439's block with 8 rounds); `rand_chacha` supplies its words.
//!
//! Each instrument owns a stream named by its id, so its path does not depend on which other
//! instruments are generated beside it. An option follows its underlying, when that is present.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Quantiles of the exponential distribution of mean 1024, at the middle of 128 equal shares:
/// `round(-ln(1 - (i + 0.5) / 128) * 1024)`, computed once and frozen.
const EXPONENTIAL: [u16; 128] = [
    4, 12, 20, 28, 37, 45, 53, 62, 70, 79, 88, 96, 105, 114, 123, 132, 141, 151, 160, 169, 179,
    188, 198, 208, 218, 227, 238, 248, 258, 268, 279, 289, 300, 311, 322, 333, 344, 355, 366, 378,
    390, 401, 413, 425, 437, 450, 462, 475, 488, 501, 514, 527, 541, 554, 568, 582, 596, 611, 625,
    640, 655, 671, 686, 702, 718, 734, 751, 767, 784, 802, 819, 837, 856, 874, 893, 913, 932, 952,
    973, 994, 1015, 1037, 1059, 1082, 1105, 1129, 1153, 1178, 1204, 1230, 1257, 1285, 1313, 1343,
    1373, 1404, 1436, 1469, 1503, 1538, 1575, 1613, 1652, 1693, 1736, 1780, 1827, 1876, 1927, 1981,
    2038, 2098, 2162, 2230, 2303, 2382, 2468, 2561, 2663, 2777, 2905, 3052, 3223, 3428, 3686, 4030,
    4553, 5678,
];

/// A seeded stream of integer draws.
#[derive(Debug, Clone)]
pub(crate) struct Draw(ChaCha8Rng);

impl Draw {
    /// The stream `name` of `seed`; different names never share a stream in practice (64-bit FNV-1a).
    pub(crate) fn new(seed: u64, name: &[u8]) -> Self {
        let mut key = [0_u8; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(b"tickdeck");
        key[16..20].copy_from_slice(&crate::GENERATOR_VERSION.to_le_bytes());
        let mut words = ChaCha8Rng::from_seed(key);
        words.set_stream(fnv1a(name));
        Self(words)
    }

    /// A number in `0..n`; 0 when `n` is 0. The bias of the multiply-shift map is below `n / 2^32`.
    #[inline]
    pub(crate) fn below(&mut self, n: u32) -> u32 {
        ((u64::from(self.0.next_u32()) * u64::from(n)) >> 32) as u32
    }

    /// A number in `low..=high` (`low` when the range is empty).
    #[inline]
    pub(crate) fn between(&mut self, low: i32, high: i32) -> i32 {
        let span = u32::try_from(high.saturating_sub(low).max(0)).unwrap_or(0);
        low + i32::try_from(self.below(span.saturating_add(1))).unwrap_or(0)
    }

    /// True with probability `per_mille / 1000`.
    #[inline]
    pub(crate) fn chance(&mut self, per_mille: u32) -> bool {
        self.below(1000) < per_mille
    }

    /// An exponential draw of the given mean (0 or more). It is in steps of a 128th of the
    /// distribution plus a linear blur, so that it is not confined to 128 values.
    #[inline]
    pub(crate) fn exponential(&mut self, mean: i64) -> i64 {
        let word = self.0.next_u32();
        let quantile = usize::try_from(word >> 25).unwrap_or(0);
        let blur = i64::from((word >> 9) & 0xff) - 128;
        let scaled = i64::from(EXPONENTIAL[quantile]) * mean;
        (scaled + scaled * blur / 4096) / 1024
    }
}

/// 64-bit FNV-1a: a stable name for a stream, not a defence.
pub(crate) fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_a_stream_are_pinned() {
        let mut draw = Draw::new(1, b"rb2601");
        let drawn: Vec<u32> = (0..4).map(|_| draw.below(1_000_000)).collect();
        assert_eq!(drawn, PINNED);
    }

    const PINNED: [u32; 4] = [982_517, 924_248, 997_809, 41_615];

    #[test]
    fn an_exponential_draw_keeps_its_mean() {
        let mut draw = Draw::new(7, b"mean");
        let sum: i64 = (0..20_000).map(|_| draw.exponential(1000)).sum();
        let mean = sum / 20_000;
        assert!((960..1040).contains(&mean), "mean {mean}");
    }

    #[test]
    fn a_draw_stays_in_its_range() {
        let mut draw = Draw::new(7, b"range");
        assert!((0..1000).all(|_| (-3..=4).contains(&draw.between(-3, 4))));
        assert_eq!(draw.between(5, 5), 5);
        assert_eq!(draw.below(0), 0);
    }
}
