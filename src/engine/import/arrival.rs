//! Receive times for a dump that has none: the exchange time, but never before the row above.
//!
//! The order of the rows is the one fact about arrival that such a dump keeps. Two kinds of rows
//! contradict it, and both are reported:
//!
//! - A row stamped long after the rows that follow has a wrong date: a night tick that a recorder
//!   dated on the next morning. It takes the time of the row above, and holds no other row back.
//! - A row stamped long before a row above it is held back to that row's time. Dumps that are grouped
//!   by instrument or written newest first have many.

use tickdeck_core::dating::{CLOCK_ERROR, STALE_AFTER};
use tickdeck_core::time::UnixNanos;

use crate::import::out_of_order::{HeldBack, OutOfOrder, SetAside};
use crate::import::recv_ts_rule::RecvTsRule;
use crate::import::row_error::RowProblem;
use crate::import::stamp::Placed;

/// How many of the following rows decide whether a row is stamped too late.
pub(crate) const ROWS_AHEAD: usize = 64;
/// How many of them must be earlier: a single one may be the wrong one itself.
const FEWEST_EARLIER: usize = 2;

/// Gives the rows of one input their receive times, in order.
#[derive(Debug, Default)]
pub(crate) struct Arrival {
    /// The receive time of the row above, and the row that it came from.
    above: Option<(UnixNanos, u64)>,
    rules: Vec<RecvTsRule>,
}

impl Arrival {
    /// The rules that were used, each once.
    pub(crate) fn rules(&self) -> &[RecvTsRule] {
        &self.rules
    }

    /// Whether the rows that follow are needed to place this one.
    pub(crate) fn needs_rows_ahead(&self, placed: Placed) -> bool {
        match (placed, self.above) {
            (Placed::Stamped(_), None) => true,
            (Placed::Stamped(instant), Some((above, _))) => instant.since(above) > STALE_AFTER,
            _ => false,
        }
    }

    /// `recv_ts` of the next row. `following` are the rows after it, as far as they were needed.
    pub(crate) fn next(
        &mut self,
        row: u64,
        placed: Placed,
        following: impl Iterator<Item = Placed> + Clone,
        noted: &mut OutOfOrder,
    ) -> Result<UnixNanos, RowProblem> {
        let (rule, recv_ts) = match placed {
            Placed::Received {
                recv_ts,
                stamped,
                rule,
            } => {
                let early = stamped.map_or(0, |stamped| stamped.since(recv_ts));
                if early > CLOCK_ERROR {
                    noted.receive_early(early);
                }
                self.above = Some((recv_ts, row));
                (rule, recv_ts)
            }
            Placed::Stamped(instant) => {
                let recv_ts = match self.first_earlier(instant, following) {
                    None => self.not_before_above(row, instant, noted),
                    Some(earlier) => {
                        let recv_ts = self.above.map_or(earlier, |(above, _)| above);
                        noted.set_aside(SetAside {
                            row,
                            stamped: instant,
                            by: instant.since(earlier),
                        });
                        self.above.get_or_insert((recv_ts, row));
                        recv_ts
                    }
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

    /// The first of the following rows that contradicts `instant`, when most of them do: they are
    /// earlier than it and not before the row above.
    fn first_earlier(
        &self,
        instant: UnixNanos,
        following: impl Iterator<Item = Placed> + Clone,
    ) -> Option<UnixNanos> {
        let stamped = following.filter_map(|placed| match placed {
            Placed::Stamped(instant) => Some(instant),
            Placed::Received { .. } | Placed::Nowhere => None,
        });
        let is_earlier = |other: &UnixNanos| {
            instant.since(*other) > STALE_AFTER
                && self.above.is_none_or(|(above, _)| *other >= above)
        };
        let all = stamped.clone().count();
        let mut earlier = stamped.filter(is_earlier);
        let first = earlier.next()?;
        let count = 1 + earlier.count();
        (count >= FEWEST_EARLIER && count * 2 > all).then_some(first)
    }
}

#[cfg(test)]
mod tests {
    use tickdeck_core::time::NANOS_PER_SECOND;

    use super::*;

    fn at(seconds: i64) -> UnixNanos {
        UnixNanos(seconds * NANOS_PER_SECOND)
    }

    /// `recv_ts` of rows with these exchange times, in seconds; `None` has no time.
    fn arrive(rows: &[Option<i64>]) -> (Vec<i64>, OutOfOrder) {
        let placed =
            |row: &Option<i64>| row.map_or(Placed::Nowhere, |at_| Placed::Stamped(at(at_)));
        let mut arrival = Arrival::default();
        let mut noted = OutOfOrder::default();
        let received = (1..).zip(rows).map(|(number, row)| {
            let row = placed(row);
            let ahead = if arrival.needs_rows_ahead(row) {
                ROWS_AHEAD
            } else {
                0
            };
            let following = rows.iter().skip(number).take(ahead);
            let number = u64::try_from(number).unwrap();
            let recv_ts = arrival.next(number, row, following.map(placed), &mut noted);
            recv_ts.unwrap().0 / NANOS_PER_SECOND
        });
        let received = received.collect();
        (received, noted)
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
            let none = std::iter::empty();
            let found = arrival.next(1, placed, none, &mut noted).unwrap();
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
