//! Rows of the table, one line each, as `cargo xtask bench` reads them.

use std::io::Write as _;

/// The bar for a value.
#[derive(Clone, Copy)]
pub(crate) enum Bar {
    AtMost(f64),
    AtLeast(f64),
    /// Reported only.
    Open,
}

/// Prints rows.
pub(crate) struct Report;

impl Report {
    /// A row: the measured figures, and the value that the bar applies to.
    pub(crate) fn row(&self, what: &str, measured: &str, value: f64, bar: Bar) {
        let (bar, verdict) = match bar {
            Bar::AtMost(limit) => (format!("<= {limit}"), verdict(value <= limit)),
            Bar::AtLeast(limit) => (format!(">= {limit}"), verdict(value >= limit)),
            Bar::Open => (String::new(), ""),
        };
        self.line(&format!(
            "ROW {what} | {measured} | {value:.3} | {bar} | {verdict}"
        ));
    }

    /// A row that could not be measured, and why.
    pub(crate) fn skipped(&self, what: &str, why: &str) {
        self.line(&format!("ROW {what} | {why} | | | SKIPPED"));
    }

    /// The machine and inputs of the figures.
    pub(crate) fn fact(&self, fact: &str) {
        self.line(&format!("FACT {fact}"));
    }

    fn line(&self, line: &str) {
        // The reader is gone; there is no other output.
        let _ = writeln!(std::io::stdout(), "{line}");
    }
}

fn verdict(holds: bool) -> &'static str {
    if holds { "pass" } else { "FAIL" }
}

/// The middle one; of an even count the lower middle.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len().saturating_sub(1) / 2;
    values.get(middle).copied().unwrap_or(f64::NAN)
}
