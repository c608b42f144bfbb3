//! Measures the pacing itself: lateness and processor share at a given rate of events, on this
//! machine. The benchmark table uses it; a replay does not.

use std::sync::Arc;

use tickdeck_core::clock::{Clock, thread_cpu_ns};
use tickdeck_core::pace::{PaceOptions, PaceReport};
use tickdeck_core::time::UnixNanos;

use super::pace_driver::PaceDriver;
use crate::control::Control;

/// What [`measure`] found.
#[derive(Debug, Clone, Copy)]
pub struct Measured {
    /// Lateness and rate.
    pub report: PaceReport,
    /// Share of one core that the pacing thread used; `None` where the system does not say.
    pub cpu_share: Option<f64>,
}

/// Releases `events_per_s` events per second on average for `seconds` at rate 1, with gaps that are
/// exponentially distributed and the same in every run, on the calling thread.
#[must_use]
pub fn measure(events_per_s: u32, seconds: u32, clock: Arc<dyn Clock>) -> Measured {
    let mean_gap_ns = 1e9 / f64::from(events_per_s.max(1));
    let mut driver = PaceDriver::new(PaceOptions::default(), clock, Arc::new(Control::new()));
    let cpu_before = thread_cpu_ns();
    let (mut recv_ts, mut state) = (UnixNanos(0), 0x7469_636b_u64);
    for _ in 0..u64::from(events_per_s) * u64::from(seconds) {
        driver.wait(recv_ts);
        recv_ts = recv_ts.plus(exponential_ns(&mut state, mean_gap_ns));
    }
    let report = driver.report();
    let cpu_ns = cpu_before.zip(thread_cpu_ns()).map(|(from, to)| to - from);
    #[expect(clippy::cast_precision_loss, reason = "a figure for display")]
    let share = |cpu_ns: i64| cpu_ns as f64 / report.elapsed_ns.max(1) as f64;
    Measured {
        report,
        cpu_share: cpu_ns.map(share),
    }
}

/// The next gap by inversion, from SplitMix64's output function.
fn exponential_ns(state: &mut u64, mean_ns: f64) -> i64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut bits = *state;
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^= bits >> 31;
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit exactly")]
    let uniform = ((bits >> 11) + 1) as f64 / (1_u64 << 53) as f64;
    #[expect(clippy::cast_possible_truncation, reason = "at most 37 mean gaps")]
    let gap_ns = (-uniform.ln() * mean_ns) as i64;
    gap_ns
}

#[cfg(test)]
mod tests {
    use super::*;
    use tickdeck_core::clock::VirtualClock;

    #[test]
    fn gaps_have_the_given_mean() {
        let measured = measure(2_000, 10, Arc::new(VirtualClock::new()));
        assert_eq!(measured.report.events, 20_000);
        let seconds = measured.report.played_ns / 1_000_000_000;
        assert!((9..=10).contains(&seconds), "{measured:?}");
        assert_eq!(measured.report.lateness.unwrap().max_ns, 0);
    }
}
