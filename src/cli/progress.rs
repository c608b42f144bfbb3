//! Shows the progress of a long run: a bar on a terminal, log lines elsewhere.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressState, ProgressStyle};
use tickdeck::control::Control;
use tickdeck::progress::{Position, Progress};
use tickdeck_core::clock::{Clock, MonoNanos, SystemClock};
use tickdeck_core::time::NANOS_PER_SECOND;

/// How often a run without a bar says where it is, ns.
const LINE_INTERVAL_NS: i64 = 10 * NANOS_PER_SECOND;
/// Keeps the clock and the bar running while a replay waits.
const REDRAW: Duration = Duration::from_millis(250);

const WITH_TOTAL: &str = "{prefix} [{elapsed_precise}] {bar:24} {human_pos}/{human_len} events, \
                          {rate}, eta {eta} {msg}{paused}";
const WITHOUT_TOTAL: &str =
    "{prefix} [{elapsed_precise}] {spinner} {human_pos} events, {rate} {msg}{paused}";
const OF_BYTES: &str = "{prefix} [{elapsed_precise}] {bar:24} {bytes}/{total_bytes}, \
                        {bytes_per_sec}, eta {eta}";

/// A bar on stderr with position, rate, time to go, market time and lag.
pub(super) struct Bar {
    bar: ProgressBar,
    bars: MultiProgress,
}

impl Bar {
    /// A bar for `verb`; without a total (a loop, a live source) it has no end.
    pub(super) fn new(
        verb: &str,
        total: Option<u64>,
        bars: &MultiProgress,
        control: Arc<Control>,
    ) -> Self {
        let (bar, template) = match total {
            Some(total) => (ProgressBar::new(total), WITH_TOTAL),
            None => (ProgressBar::no_length(), WITHOUT_TOTAL),
        };
        // A test shows that both templates are ones.
        let style = ProgressStyle::with_template(template).map(|style| with_keys(style, control));
        let bar = bars.add(bar.with_prefix(verb.to_owned()));
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.enable_steady_tick(REDRAW);
        let bars = bars.clone();
        Self { bar, bars }
    }
}

/// A bar of a copy, which counts bytes.
pub(super) struct CopyBar {
    bar: ProgressBar,
    bars: MultiProgress,
}

impl CopyBar {
    /// A bar for `verb` up to this many bytes.
    pub(super) fn new(verb: &str, total: u64, bars: &MultiProgress) -> Self {
        let bar = bars.add(ProgressBar::new(total).with_prefix(verb.to_owned()));
        let style = ProgressStyle::with_template(OF_BYTES);
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.enable_steady_tick(REDRAW);
        let bars = bars.clone();
        Self { bar, bars }
    }

    /// So many bytes more.
    pub(super) fn advance(&self, bytes: u64) {
        self.bar.inc(bytes);
    }
}

impl Drop for CopyBar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
        self.bars.remove(&self.bar);
    }
}

/// The parts of a bar that its templates do not know by themselves.
fn with_keys(style: ProgressStyle, control: Arc<Control>) -> ProgressStyle {
    let rate = |state: &ProgressState, out: &mut dyn fmt::Write| {
        // A bar that cannot be drawn does not stop the run.
        let _ = write!(out, "{:.0} events/s", state.per_sec());
    };
    let paused = move |_: &ProgressState, out: &mut dyn fmt::Write| {
        if control.is_paused() {
            let _ = out.write_str(" paused, space resumes");
        }
    };
    style.with_key("rate", rate).with_key("paused", paused)
}

impl Progress for Bar {
    fn at(&mut self, position: Position) {
        self.bar.set_position(position.events);
        let time = position
            .time
            .map(|at| at.to_shanghai().format("%m-%d %H:%M:%S"));
        let lag = position
            .lag_ns
            .map(|lag_ns| format!("lag {}", show_lag(lag_ns)));
        let shown: Vec<String> = time
            .map(|time| time.to_string())
            .into_iter()
            .chain(lag)
            .collect();
        if !shown.is_empty() {
            self.bar.set_message(shown.join(", "));
        }
    }

    fn finish(&mut self) {
        // The summary says it all; a bar that stays would stand between it and the logs.
        self.bar.finish_and_clear();
        self.bars.remove(&self.bar);
    }
}

/// A `progress` log line now and then.
pub(super) struct Lines<C = SystemClock> {
    verb: String,
    total: Option<u64>,
    clock: C,
    last: (MonoNanos, u64),
}

impl<C: Clock> Lines<C> {
    pub(super) fn new(verb: &str, total: Option<u64>, clock: C) -> Self {
        Self {
            verb: verb.to_owned(),
            total,
            last: (clock.now(), 0),
            clock,
        }
    }

    /// Events per second since the last line, when it is time for the next one.
    fn rate_if_due(&mut self, events: u64) -> Option<u64> {
        let (now, (then, before)) = (self.clock.now(), self.last);
        let span_ns = now.since(then);
        if span_ns < LINE_INTERVAL_NS {
            return None;
        }
        self.last = (now, events);
        let done = i128::from(events.saturating_sub(before));
        u64::try_from(done * i128::from(NANOS_PER_SECOND) / i128::from(span_ns)).ok()
    }
}

impl<C: Clock> Progress for Lines<C> {
    fn at(&mut self, position: Position) {
        if let Some(events_per_s) = self.rate_if_due(position.events) {
            tracing::info!(
                event = "progress",
                verb = self.verb,
                events = position.events,
                total = self.total,
                events_per_s,
                lag_ns = position.lag_ns,
            );
        }
    }

    fn finish(&mut self) {}
}

/// A lag for display: `0.3 ms`, `12 ms`, `4.2 s`.
fn show_lag(lag_ns: i64) -> String {
    let micros = lag_ns.max(0) / 1_000;
    match micros {
        0..10_000 => format!("{}.{} ms", micros / 1_000, micros / 100 % 10),
        10_000..1_000_000 => format!("{} ms", micros / 1_000),
        _ => format!("{}.{} s", micros / 1_000_000, micros / 100_000 % 10),
    }
}

#[cfg(test)]
mod tests {
    use indicatif::ProgressDrawTarget;

    use super::*;
    use tickdeck_core::clock::VirtualClock;
    use tickdeck_core::time::UnixNanos;

    #[test]
    fn the_templates_are_valid() {
        for template in [WITH_TOTAL, WITHOUT_TOTAL, OF_BYTES] {
            assert!(ProgressStyle::with_template(template).is_ok());
        }
    }

    #[test]
    fn a_bar_follows_the_position_and_ends() {
        let bars = MultiProgress::with_draw_target(ProgressDrawTarget::hidden());
        for total in [None, Some(10)] {
            let mut bar = Bar::new("replay", total, &bars, Arc::default());
            bar.at(Position {
                events: 7,
                time: Some(UnixNanos(1_757_640_600_000_000_000)),
                lag_ns: Some(1_500_000),
            });
            assert_eq!(
                (bar.bar.position(), bar.bar.message()),
                (7, "09-12 09:30:00, lag 1.5 ms".into())
            );
            bar.finish();
            assert!(bar.bar.is_finished());
        }
    }

    #[test]
    fn a_line_every_ten_seconds_has_the_current_rate() {
        let mut lines = Lines::new("replay", None, VirtualClock::new());
        lines.clock.advance(LINE_INTERVAL_NS - 1);
        assert_eq!(lines.rate_if_due(100), None);
        lines.clock.advance(1);
        assert_eq!(lines.rate_if_due(200), Some(20));
        assert_eq!(lines.rate_if_due(300), None);
        lines.clock.advance(2 * LINE_INTERVAL_NS);
        assert_eq!(lines.rate_if_due(400), Some(10));
    }

    #[test]
    fn lags_are_short() {
        let shown = [-5, 90, 350_000, 12_345_678, 4_250_000_000].map(show_lag);
        assert_eq!(shown, ["0.0 ms", "0.0 ms", "0.3 ms", "12 ms", "4.2 s"]);
    }
}
