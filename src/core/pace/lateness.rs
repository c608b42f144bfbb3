//! How late events were released, in bounded memory.

use hdrhistogram::Histogram;
use serde::Serialize;

/// Largest lateness that keeps its own place, ns: an hour. Above it only the maximum is exact.
const TOP_NS: u64 = 3_600_000_000_000;
/// Two significant digits: quantiles are within 1 %, and the counters take about 40 KB.
const SIGNIFICANT_DIGITS: u8 = 2;

/// Quantiles of the time between due and released, ns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Lateness {
    /// Half of the events were at most this late, ns.
    pub p50_ns: u64,
    /// 99 of 100 events were at most this late, ns.
    pub p99_ns: u64,
    /// The latest event, ns.
    pub max_ns: u64,
}

/// Counts lateness; memory does not grow with the number of events.
#[derive(Debug, Clone)]
pub struct LatenessHistogram {
    counts: Histogram<u64>,
    max_ns: u64,
}

impl LatenessHistogram {
    /// Has counted nothing.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "the bounds are constants")]
    pub fn new() -> Self {
        Self {
            counts: Histogram::new_with_bounds(1, TOP_NS, SIGNIFICANT_DIGITS)
                .expect("1 ns to an hour with two digits are valid bounds"),
            max_ns: 0,
        }
    }

    /// Takes the lateness of one event; early counts as punctual.
    pub fn record(&mut self, late_ns: i64) {
        let late_ns = u64::try_from(late_ns).unwrap_or(0);
        self.counts.saturating_record(late_ns);
        self.max_ns = self.max_ns.max(late_ns);
    }

    /// The quantiles, or `None` when nothing was counted.
    #[must_use]
    pub fn summary(&self) -> Option<Lateness> {
        // A quantile is the upper end of its cell, which may lie above the true maximum.
        let at = |quantile| self.counts.value_at_quantile(quantile).min(self.max_ns);
        (!self.counts.is_empty()).then(|| Lateness {
            p50_ns: at(0.50),
            p99_ns: at(0.99),
            max_ns: self.max_ns,
        })
    }
}

impl Default for LatenessHistogram {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_within_one_percent_and_the_maximum_is_exact() {
        let mut histogram = LatenessHistogram::new();
        assert_eq!(histogram.summary(), None);
        for late_ns in 1..=100_000 {
            histogram.record(late_ns);
        }
        let summary = histogram.summary().unwrap();
        assert!((50_000..=50_500).contains(&summary.p50_ns), "{summary:?}");
        assert!((99_000..=99_990).contains(&summary.p99_ns), "{summary:?}");
        assert_eq!(summary.max_ns, 100_000);
    }

    #[test]
    fn lateness_is_clamped_at_both_ends() {
        let mut histogram = LatenessHistogram::new();
        histogram.record(-5);
        assert_eq!(histogram.summary().unwrap().max_ns, 0);
        histogram.record(i64::MAX);
        assert_eq!(histogram.summary().unwrap().max_ns, i64::MAX.unsigned_abs());
    }
}
