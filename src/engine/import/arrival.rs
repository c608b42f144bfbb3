//! Receive times for a dump that has none: the exchange time, but never before the row above.
//!
//! The order of the rows is the one fact about arrival that such a dump keeps. Two kinds of rows
//! contradict it, and both are reported:
//!
//! - A row stamped long after its instrument's next rows has a wrong date: a night tick that was
//!   sent again in the morning. It takes the time of the row above, and holds no other row back.
//! - A row stamped long before a row above it is held back to that row's time. Dumps that are grouped
//!   by instrument or written newest first have many.
//!
//! A night is sent again for all instruments at once. So one instrument's rows are compared with each
//! other first: the rows just below may all be wrong in the same way.

use rustc_hash::{FxHashMap, FxHashSet};
use tickdeck_core::dating::{CLOCK_ERROR, STALE_AFTER};
use tickdeck_core::event::InstrumentId;
use tickdeck_core::time::UnixNanos;

use crate::import::ahead::Ahead;
use crate::import::out_of_order::{HeldBack, OutOfOrder, SetAside};
use crate::import::recv_ts_rule::RecvTsRule;
use crate::import::row_error::RowProblem;
use crate::import::stamp::Placed;

/// By how many rows one answer must lead: a single one may be the wrong one itself.
const LEAD: i32 = 2;

/// Gives the rows of one input their receive times, in order.
#[derive(Debug, Default)]
pub(crate) struct Arrival {
    /// The receive time of the row above, and the row that it came from.
    above: Option<(UnixNanos, u64)>,
    /// The exchange time of each instrument's last row that was not set aside.
    previous: FxHashMap<InstrumentId, UnixNanos>,
    rules: Vec<RecvTsRule>,
}

/// What the rows below say about the time of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// They go on from it.
    Sound,
    /// There are too few of them.
    Open,
    /// They are earlier; this is the first of them.
    TooLate(UnixNanos),
}

impl Arrival {
    /// The rules that were used, each once.
    pub(crate) fn rules(&self) -> &[RecvTsRule] {
        &self.rules
    }

    /// The exchange time of a row that only the rows below can confirm.
    pub(crate) fn in_doubt(&self, placed: Placed) -> Option<UnixNanos> {
        let Placed::Stamped(instant) = placed else {
            return None;
        };
        let is_near = |(above, _)| instant.since(above) <= STALE_AFTER;
        (!self.above.is_some_and(is_near)).then_some(instant)
    }

    /// Whether a row of `instrument` is stamped long after the rows below it. Its instrument's own
    /// rows decide. Where there are too few, each other instrument adds its answer.
    pub(crate) fn judge(
        &self,
        instrument: InstrumentId,
        instant: UnixNanos,
        ahead: &Ahead,
    ) -> Verdict {
        let own = self.previous.get(&instrument).copied();
        let mut tally = Tally::default();
        // An equal time is the same tick, sent once more: it says nothing.
        let others = ahead.of(instrument).filter(|row| *row != instant);
        tally.count(instant, own, others);
        let mut asked = FxHashSet::from_iter([instrument]);
        for other in ahead.instruments() {
            if tally.is_decided() {
                break;
            }
            if !asked.insert(other) {
                continue;
            }
            let last = self.previous.get(&other).copied();
            let mut answer = Tally::default();
            answer.count(
                instant,
                last.max(self.above.map(|(above, _)| above)),
                ahead.of(other),
            );
            if answer.is_decided() {
                tally.lead += answer.lead.signum();
                tally.earlier = tally.earlier.or(answer.earlier);
            }
        }
        match tally.earlier {
            _ if tally.lead <= -LEAD => Verdict::Sound,
            Some(earlier) if tally.lead >= LEAD => Verdict::TooLate(earlier),
            _ => Verdict::Open,
        }
    }

    /// `recv_ts` of the next row, with the verdict of the rows below on one that was in doubt.
    pub(crate) fn next(
        &mut self,
        (row, instrument): (u64, InstrumentId),
        placed: Placed,
        verdict: Verdict,
        noted: &mut OutOfOrder,
    ) -> Result<UnixNanos, RowProblem> {
        let (rule, recv_ts) = match placed {
            Placed::Received {
                recv_ts,
                stamped,
                rule,
            } => {
                let early = stamped.map_or(0, |stamped| stamped.since(recv_ts));
                // A derived one is early where its row was set aside or has a wrong date.
                if early > CLOCK_ERROR && rule != RecvTsRule::RecordedDerived {
                    noted.receive_early(early);
                }
                self.above = Some((recv_ts, row));
                (rule, recv_ts)
            }
            Placed::Stamped(instant) => {
                let recv_ts = if let Verdict::TooLate(earlier) = verdict {
                    noted.set_aside(SetAside {
                        row,
                        stamped: instant,
                        by: instant.since(earlier),
                    });
                    self.above.get_or_insert((earlier, row)).0
                } else {
                    self.previous.insert(instrument, instant);
                    self.not_before_above(row, instant, noted)
                };
                (RecvTsRule::ExchangeTimeMonotone, recv_ts)
            }
            Placed::Nowhere => {
                let (above, _) = self.above.ok_or_else(|| {
                    let expected =
                        "a time HH:MM:SS in the first row: its recv_ts is derived from it";
                    RowProblem::value("UpdateTime", b"", expected)
                })?;
                (RecvTsRule::ExchangeTimeMonotone, above)
            }
        };
        if !self.rules.contains(&rule) {
            self.rules.push(rule);
        }
        Ok(recv_ts)
    }

    fn not_before_above(
        &mut self,
        row: u64,
        instant: UnixNanos,
        noted: &mut OutOfOrder,
    ) -> UnixNanos {
        if let Some((above, by_row)) = self.above
            && instant < above
        {
            let by = above.since(instant);
            if by > STALE_AFTER {
                noted.hold_back(HeldBack {
                    by_row,
                    until: above,
                    rows: 1,
                    most: by,
                });
            }
            return above;
        }
        self.above = Some((instant, row));
        instant
    }
}

/// Rows counted for and against a time, one instrument's in order.
#[derive(Debug, Default)]
struct Tally {
    /// How many more of them are against it.
    lead: i32,
    /// The first one that is against it.
    earlier: Option<UnixNanos>,
}

impl Tally {
    fn is_decided(&self) -> bool {
        self.lead.abs() >= LEAD
    }

    /// Counts rows until they decide. Against `instant` are rows that go on from `floor` and are long
    /// before it. Rows that go back are neither for nor against it: they lie in no order.
    fn count(
        &mut self,
        instant: UnixNanos,
        mut floor: Option<UnixNanos>,
        rows: impl Iterator<Item = UnixNanos>,
    ) {
        for row in rows {
            if instant.since(row) <= STALE_AFTER {
                self.lead -= 1;
            } else if floor.is_none_or(|floor| row >= floor) {
                self.lead += 1;
                self.earlier.get_or_insert(row);
                floor = Some(row);
            }
            if self.is_decided() {
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tickdeck_core::time::NANOS_PER_SECOND;

    use super::*;
    use crate::import::row::Row;

    fn at(seconds: i64) -> UnixNanos {
        UnixNanos(seconds * NANOS_PER_SECOND)
    }

    /// A row of the instrument with that exchange time, in seconds; `None` has no time.
    fn row(instrument: &str, seconds: Option<i64>) -> (Row, Placed) {
        let mut row = Row::new();
        row.tick.instrument_id = InstrumentId::new(instrument.as_bytes()).unwrap();
        let placed = seconds.map_or(Placed::Nowhere, |seconds| Placed::Stamped(at(seconds)));
        (row, placed)
    }

    /// `recv_ts` of these rows, in seconds, when all of them are read ahead.
    fn arrive_mixed(rows: impl Iterator<Item = (Row, Placed)>) -> (Vec<i64>, OutOfOrder) {
        let mut ahead = Ahead::default();
        rows.for_each(|row| ahead.push(Ok(row)));
        let mut arrival = Arrival::default();
        let mut noted = OutOfOrder::default();
        let mut received = Vec::new();
        for number in 1.. {
            let Some(read) = ahead.pop() else { break };
            let (row, placed) = read.unwrap();
            let instrument = row.tick.instrument_id;
            let verdict = arrival.in_doubt(placed).map_or(Verdict::Sound, |instant| {
                arrival.judge(instrument, instant, &ahead)
            });
            let recv_ts = arrival.next((number, instrument), placed, verdict, &mut noted);
            received.push(recv_ts.unwrap().0 / NANOS_PER_SECOND);
        }
        (received, noted)
    }

    /// The same for rows of one instrument.
    fn arrive(rows: &[Option<i64>]) -> (Vec<i64>, OutOfOrder) {
        arrive_mixed(rows.iter().map(|seconds| row("rb2605", *seconds)))
    }

    #[test]
    fn rows_in_order_keep_their_exchange_times() {
        let (received, noted) = arrive(&[Some(10), Some(20), None, Some(90_000)]);
        assert_eq!(received, [10, 20, 20, 90_000]);
        assert_eq!(noted, OutOfOrder::default());
    }

    #[test]
    fn one_row_stamped_too_late_holds_nothing_back() {
        let (received, noted) = arrive(&[
            Some(10),
            Some(50_000),
            Some(1_000),
            Some(1_001),
            Some(1_002),
        ]);
        assert_eq!(received, [10, 10, 1_000, 1_001, 1_002]);
        assert_eq!(noted.held_back, 0);
        let aside = SetAside {
            row: 2,
            stamped: at(50_000),
            by: 49_000 * NANOS_PER_SECOND,
        };
        assert_eq!(noted.aside, [aside]);
        // As the first row it takes the time of the rows below.
        let (received, noted) = arrive(&[Some(50_000), Some(1_000), Some(1_001)]);
        assert_eq!(received, [1_000, 1_000, 1_001]);
        assert_eq!(noted.set_aside, 1);
    }

    #[test]
    fn a_stale_row_is_held_back_and_named() {
        let (received, noted) = arrive(&[Some(1_000), Some(10), Some(1_001), Some(999)]);
        assert_eq!(received, [1_000, 1_000, 1_001, 1_001]);
        let held = HeldBack {
            by_row: 1,
            until: at(1_000),
            rows: 1,
            most: 990 * NANOS_PER_SECOND,
        };
        assert_eq!((noted.held_back, noted.by), (1, vec![held]));
    }

    #[test]
    fn a_receipt_before_the_exchange_time_is_counted() {
        let mut noted = OutOfOrder::default();
        let mut arrival = Arrival::default();
        for (recv, stamped) in [(1_000, Some(1_060)), (1_000, Some(29_800)), (1_000, None)] {
            let placed = Placed::Received {
                recv_ts: at(recv),
                stamped: stamped.map(at),
                rule: RecvTsRule::Recorded,
            };
            let row = (1, InstrumentId::EMPTY);
            let found = arrival.next(row, placed, Verdict::Sound, &mut noted);
            let found = found.unwrap();
            assert_eq!(found, at(recv), "as recorded");
        }
        assert_eq!(
            (noted.early, noted.earliest),
            (1, 28_800 * NANOS_PER_SECOND)
        );
    }

    #[test]
    fn groups_are_held_back_by_the_last_row_before() {
        let (received, noted) =
            arrive(&[Some(1_000), Some(9_000), Some(10), Some(500), Some(9_001)]);
        assert_eq!(received, [1_000, 9_000, 9_000, 9_000, 9_001]);
        assert_eq!(
            (noted.held_back, noted.by[0].rows, noted.by[0].by_row),
            (2, 2, 2)
        );
    }
}
