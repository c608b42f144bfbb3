//! How long to wait before the next attempt: exponential, capped, jittered from a seed.
//!
//! The jitter keeps several recorders from connecting in step. It is a fixed function of seed and
//! attempt (the output mix of SplitMix64), not a stream of random numbers. The same seed yields the
//! same pauses, and nothing that is recorded or published depends on it.

/// Pauses between attempts, ns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The first pause before jitter.
    pub first_ns: i64,
    /// No pause is longer.
    pub cap_ns: i64,
    /// Decides the jitter.
    pub seed: u64,
}

impl Default for Backoff {
    /// 1 s, 2 s, 4 s … 60 s, each up to a quarter shorter.
    fn default() -> Self {
        Self {
            first_ns: tickdeck_core::time::NANOS_PER_SECOND,
            cap_ns: 60 * tickdeck_core::time::NANOS_PER_SECOND,
            seed: 0,
        }
    }
}

impl Backoff {
    /// The pause after `failures` failures in a row, from 1; the last one was attempt `attempt`. It
    /// is the doubled first pause, at most the cap, less a jitter of up to a quarter.
    #[must_use]
    pub fn pause_ns(&self, failures: u32, attempt: u32) -> i64 {
        let doublings = failures.saturating_sub(1).min(62);
        let (first, cap) = (self.first_ns.max(1), self.cap_ns.max(1));
        let full = first
            .checked_mul(1_i64 << doublings)
            .unwrap_or(cap)
            .clamp(1, cap);
        let quarter = full / 4;
        let drawn = mix(self.seed.wrapping_add(u64::from(attempt)));
        let jitter = i64::try_from(drawn >> 1).unwrap_or(0) % (quarter + 1);
        full - jitter
    }
}

/// SplitMix64: one step of the Weyl sequence and its output mix.
const fn mix(state: u64) -> u64 {
    let z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_mix_is_splitmix64() {
        // First outputs of the published generator for seed 1234567.
        let step = 0x9e37_79b9_7f4a_7c15_u64;
        let outputs = [0, 1, 2].map(|n: u64| mix(1_234_567_u64.wrapping_add(step.wrapping_mul(n))));
        assert_eq!(
            outputs,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );
    }

    #[test]
    fn the_seed_decides_the_pauses() {
        let pauses = |seed| {
            let backoff = Backoff {
                seed,
                ..Backoff::default()
            };
            [1, 2, 3, 4].map(|n| backoff.pause_ns(n, n))
        };
        assert_eq!(pauses(7), pauses(7));
        assert_ne!(pauses(7), pauses(8));
    }

    proptest! {
        #[test]
        fn prop_a_pause_is_doubled_jittered_and_capped(
            first_ns in 1_i64..i64::MAX,
            cap_ns in 1_i64..i64::MAX,
            seed: u64,
            failures in 0_u32..200,
            attempt: u32,
        ) {
            let backoff = Backoff { first_ns, cap_ns, seed };
            let pause = i128::from(backoff.pause_ns(failures, attempt));
            let doubled = i128::from(first_ns) << failures.saturating_sub(1).min(62);
            let full = doubled.min(i128::from(cap_ns));
            prop_assert!(pause <= full && pause >= full - full / 4 && pause > 0);
        }
    }
}
