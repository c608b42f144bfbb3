//! The pure machine: receive times and the present instant in, due times out.

use serde::Serialize;

use super::lateness::{Lateness, LatenessHistogram};
use super::rate::Rate;
use crate::clock::MonoNanos;
use crate::time::UnixNanos;

/// How a recording is played.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PaceOptions {
    /// Speed; by default the recorded one.
    pub rate: Rate,
    /// Longest pause between two events, in ns of **recorded** time (divided by the rate like all
    /// recorded time); a longer one is played as if it were this long. `None` keeps all pauses.
    pub max_gap_ns: Option<i64>,
    /// Time before the first event of the first pass, ns of real time.
    pub delay_ns: i64,
}

/// When an event is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Now: its time has come, or has passed.
    Now,
    /// At this instant, which is still to come.
    At(MonoNanos),
    /// Not before [`Pacer::resume`].
    Paused,
}

/// The result of the pacing of a run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PaceReport {
    /// The requested rate; the newest one if it was changed.
    pub rate_asked: Rate,
    /// Recorded time played per real time, pauses of the user excluded and shortened pauses at
    /// their shortened length; `None` when there is nothing to divide.
    pub rate_achieved: Option<f64>,
    /// How late events were released; `None` when nothing was paced (no event, or rate `max`).
    pub lateness: Option<Lateness>,
    /// Events released.
    pub events: u64,
    /// Real time from the start instant of the first pass, without the user's pauses, ns.
    pub elapsed_ns: i64,
    /// Recorded time played, over all passes, ns.
    pub played_ns: i64,
}

/// Computes due times. For each event call [`due`](Self::due), again after every wait until it says
/// [`Due::Now`], and then [`released`](Self::released) once.
#[derive(Debug, Clone)]
pub struct Pacer {
    options: PaceOptions,
    pass: Option<Pass>,
    paused_at: Option<Pause>,
    totals: Totals,
    lateness: LatenessHistogram,
}

/// One run through the recording, with the two fixed points of its due times.
#[derive(Debug, Clone, Copy)]
struct Pass {
    /// When [`start_ns`](Self::start_ns) is due. Only the user moves it: by a pause or another rate.
    start: MonoNanos,
    /// Recorded time played when the present rate began, ns; 0 unless the rate was changed.
    start_ns: i128,
    /// Receive time of the first event.
    first: UnixNanos,
    /// Largest receive time so far.
    newest: UnixNanos,
    /// Recorded time taken out of shortened pauses, ns. A sum of integers: exact.
    cut_ns: i128,
    /// Recorded time up to the newest event that was released, ns.
    released_ns: i128,
}

/// A pause whose beginning is known from the first time that it mattered.
#[derive(Debug, Clone, Copy)]
enum Pause {
    BeforeStart,
    Since(MonoNanos),
}

#[derive(Debug, Clone, Copy, Default)]
struct Totals {
    start: Option<MonoNanos>,
    paused_ns: i64,
    played_ns: i128,
    events: u64,
}

impl Pass {
    /// Takes the next receive time. Taking the same one twice changes nothing.
    fn advance(&mut self, recv_ts: UnixNanos, max_gap_ns: Option<i64>) {
        if recv_ts <= self.newest {
            return;
        }
        if let Some(max_gap_ns) = max_gap_ns {
            let gap_ns = i128::from(recv_ts.0) - i128::from(self.newest.0);
            self.cut_ns += (gap_ns - i128::from(max_gap_ns)).max(0);
        }
        self.newest = recv_ts;
    }

    /// Recorded time from the first event to `recv_ts`, without what was cut, ns.
    fn played_ns(&self, recv_ts: UnixNanos) -> i128 {
        i128::from(recv_ts.0) - i128::from(self.first.0) - self.cut_ns
    }

    fn due(&self, recv_ts: UnixNanos, rate: Rate) -> MonoNanos {
        let offset = match rate {
            Rate::Max => 0,
            Rate::Times(ratio) => ratio.divide(self.played_ns(recv_ts) - self.start_ns),
        };
        saturate(i128::from(self.start.0) + offset)
    }

    /// Ends the present rate at `now`. The recorded time until `now` is played, but none beyond `limit`,
    /// which is the newest event with its pauses: a replay that is late is on time again.
    fn rebase(&mut self, limit: &Self, rate: Rate, now: MonoNanos) {
        let since_start = i128::from(now.since(self.start)).max(0);
        let limit_ns = limit.played_ns(limit.newest);
        self.start_ns = match rate {
            Rate::Times(ratio) => limit_ns.min(self.start_ns + ratio.multiply(since_start)),
            // Nothing was paced: the spacing begins at the newest event.
            Rate::Max => self.played_ns(self.newest),
        };
        // Before the start, the rest of the delay remains.
        self.start = self.start.max(now);
    }
}

impl Pacer {
    /// A pacer that has seen nothing. Negative spans count as zero.
    #[must_use]
    pub fn new(options: PaceOptions) -> Self {
        let options = PaceOptions {
            max_gap_ns: options.max_gap_ns.map(|gap| gap.max(0)),
            delay_ns: options.delay_ns.max(0),
            ..options
        };
        Self {
            options,
            pass: None,
            paused_at: None,
            totals: Totals::default(),
            lateness: LatenessHistogram::new(),
        }
    }

    /// When the next event, received at `recv_ts`, is to be released, seen from `now`. May be asked
    /// again for the same event. The first event of a pass that is not paused fixes the start
    /// instant: `now`, and for the first pass the delay after it.
    #[inline]
    pub fn due(&mut self, recv_ts: UnixNanos, now: MonoNanos) -> Due {
        if self.paused_at.is_some() {
            return Due::Paused;
        }
        let (rate, max_gap_ns) = (self.options.rate, self.options.max_gap_ns);
        let pass = self.pass_from(recv_ts, now);
        pass.advance(recv_ts, max_gap_ns);
        seen_from(now, pass.due(pass.newest, rate))
    }

    /// When a clock stamp before the next event is to be released, seen from `now`. Stamps are not
    /// events: they shorten no pause and are not counted.
    pub fn stamp_due(&mut self, stamp: UnixNanos, now: MonoNanos) -> Due {
        if self.paused_at.is_some() {
            return Due::Paused;
        }
        let (rate, max_gap_ns) = (self.options.rate, self.options.max_gap_ns);
        let mut pass = *self.pass_from(stamp, now);
        pass.advance(stamp, max_gap_ns);
        seen_from(now, pass.due(stamp.max(pass.newest), rate))
    }

    /// The event of the last [`due`](Self::due) was released at `now`. Returns how late, ns; `None`
    /// at rate `max`, where nothing is late.
    #[inline]
    pub fn released(&mut self, now: MonoNanos) -> Option<i64> {
        self.totals.events += 1;
        let pass = self.pass.as_mut()?;
        pass.released_ns = pass.played_ns(pass.newest);
        let Rate::Times(_) = self.options.rate else {
            return None;
        };
        let late_ns = now.since(pass.due(pass.newest, self.options.rate)).max(0);
        self.lateness.record(late_ns);
        Some(late_ns)
    }

    /// Whether events need no clock: an unpaced replay that is under way.
    #[inline]
    #[must_use]
    pub fn is_free_running(&self) -> bool {
        self.options.rate == Rate::Max
            && self.paused_at.is_none()
            && self.pass.is_some()
            && self.totals.events > 0
    }

    /// Takes an event of an unpaced replay that is under way, without looking at a clock: whether
    /// that was possible. Counts as [`due`](Self::due) and [`released`](Self::released).
    #[inline]
    pub fn pass_through(&mut self, recv_ts: UnixNanos) -> bool {
        let free = self.is_free_running();
        let max_gap_ns = self.options.max_gap_ns;
        match &mut self.pass {
            Some(pass) if free => {
                pass.advance(recv_ts, max_gap_ns);
                pass.released_ns = pass.played_ns(pass.newest);
            }
            _ => return false,
        }
        self.totals.events += 1;
        true
    }

    /// Stops the replay's time at `now`.
    pub fn pause(&mut self, now: MonoNanos) {
        let pause = match self.pass {
            Some(_) => Pause::Since(now),
            None => Pause::BeforeStart,
        };
        self.paused_at.get_or_insert(pause);
    }

    /// Resumes the replay's time at `now`: the wait remaining before the pause remains after it.
    pub fn resume(&mut self, now: MonoNanos) {
        if let Some(Pause::Since(from)) = self.paused_at.take() {
            let span_ns = now.since(from).max(0);
            self.totals.paused_ns = self.totals.paused_ns.saturating_add(span_ns);
            if let Some(pass) = &mut self.pass {
                pass.start = pass.start.plus(span_ns);
            }
        }
    }

    /// Plays at another rate from `now` on. `next` is the receive time of the next event: the recorded
    /// time that is left until then is kept.
    pub fn set_rate(&mut self, rate: Rate, next: UnixNanos, now: MonoNanos) {
        let now = match self.paused_at {
            Some(Pause::Since(from)) => from,
            _ => now,
        };
        if let Some(pass) = &mut self.pass {
            let mut limit = *pass;
            limit.advance(next, self.options.max_gap_ns);
            pass.rebase(&limit, self.options.rate, now);
        }
        self.options.rate = rate;
    }

    /// Whether the replay is paused.
    #[must_use]
    pub const fn is_paused(&self) -> bool {
        self.paused_at.is_some()
    }

    /// Ends a pass, for a replay that loops: the next event starts one with its own start instant,
    /// at once and without the delay.
    pub fn new_pass(&mut self) {
        if let Some(pass) = self.pass.take() {
            self.totals.played_ns += pass.released_ns;
        }
        if let Some(pause @ Pause::Since(_)) = &mut self.paused_at {
            *pause = Pause::BeforeStart;
        }
    }

    /// The result of the pacing, for a run whose last event was released before `end`.
    #[must_use]
    pub fn report(&self, end: MonoNanos) -> PaceReport {
        // The next event may be known already. It was not played.
        let pass_played = self.pass.map_or(0, |pass| pass.released_ns);
        let played_ns = saturate(self.totals.played_ns + pass_played).0;
        let standing_ns = match self.paused_at {
            Some(Pause::Since(from)) => end.since(from).max(0),
            _ => 0,
        };
        let elapsed_ns = self.totals.start.map_or(0, |start| {
            let paused_ns = self.totals.paused_ns.saturating_add(standing_ns);
            end.since(start).saturating_sub(paused_ns).max(0)
        });
        PaceReport {
            rate_asked: self.options.rate,
            rate_achieved: (elapsed_ns > 0 && played_ns > 0).then(|| ratio(played_ns, elapsed_ns)),
            lateness: self.lateness.summary(),
            events: self.totals.events,
            elapsed_ns,
            played_ns,
        }
    }

    /// The present pass; starts one at `recv_ts` and `now` if there is none.
    fn pass_from(&mut self, recv_ts: UnixNanos, now: MonoNanos) -> &mut Pass {
        let (options, totals) = (&self.options, &mut self.totals);
        self.pass.get_or_insert_with(|| {
            let delay_ns = totals.start.map_or(options.delay_ns, |_| 0);
            let start = now.plus(delay_ns);
            totals.start.get_or_insert(start);
            Pass {
                start,
                start_ns: 0,
                first: recv_ts,
                newest: recv_ts,
                cut_ns: 0,
                released_ns: 0,
            }
        })
    }
}

fn seen_from(now: MonoNanos, due: MonoNanos) -> Due {
    if due <= now { Due::Now } else { Due::At(due) }
}

fn saturate(nanos: i128) -> MonoNanos {
    let limit = if nanos < 0 { i64::MIN } else { i64::MAX };
    MonoNanos(i64::try_from(nanos).unwrap_or(limit))
}

#[expect(clippy::cast_precision_loss, reason = "a figure for display")]
fn ratio(numerator: i64, denominator: i64) -> f64 {
    numerator as f64 / denominator as f64
}

#[cfg(test)]
#[path = "pacer_tests.rs"]
mod tests;
