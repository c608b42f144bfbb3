//! The progress of an instrument: last volume, replayed ticks, snapshots (field guide 5.4 and 5.6).

use tickdeck_core::time::{TradingDay, UnixNanos};

/// The newest tick data seen of one instrument.
#[derive(Debug, Clone, Copy)]
struct Newest {
    day: TradingDay,
    exchange_ts: UnixNanos,
    /// Highest cumulative volume of `day`: a replayed night must not lower the base, or its volume
    /// would count twice.
    volume: i32,
}

/// One tick as far as order and volume go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    pub(super) day: TradingDay,
    pub(super) exchange_ts: UnixNanos,
    /// Cumulative volume of `day`, lots.
    pub(super) volume: i32,
    /// A night tick that came by day.
    pub(super) night_by_day: bool,
}

/// What a [`Mark`] is compared with the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    /// Lots traded since the tick before; `None` when there is no base to count from.
    pub(super) last_volume: Option<i32>,
    /// Stamped before what was seen before.
    pub(super) older: bool,
    /// Older, and without new volume.
    pub(super) replayed: bool,
    /// Not older, and the cumulative volume is below what the day already had.
    pub(super) volume_fell: bool,
}

/// Follows the volume of one instrument.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Progress {
    newest: Option<Newest>,
}

impl Progress {
    /// Adds the next tick in arrival order.
    #[inline]
    pub(super) fn step(&mut self, mark: Mark) -> Step {
        let first = Newest {
            day: mark.day,
            exchange_ts: mark.exchange_ts,
            volume: mark.volume,
        };
        let Some(newest) = &mut self.newest else {
            self.newest = Some(first);
            return Step {
                last_volume: None,
                older: false,
                replayed: false,
                volume_fell: false,
            };
        };
        if mark.day < newest.day {
            // The base of a past day is gone, and its volume is unrelated to today's.
            return Step {
                last_volume: None,
                older: true,
                replayed: true,
                volume_fell: false,
            };
        }
        if mark.day > newest.day {
            *newest = first;
            return Step {
                last_volume: Some(mark.volume.max(0)),
                older: false,
                replayed: false,
                volume_fell: false,
            };
        }
        // Equal times are not evidence by themselves: CZCE stamps several ticks with one second.
        // The last tick of a night that is sent again in the morning is the one case where they
        // are.
        let older = mark.exchange_ts < newest.exchange_ts
            || (mark.exchange_ts == newest.exchange_ts && mark.night_by_day);
        let step = Step {
            last_volume: Some(mark.volume.saturating_sub(newest.volume).max(0)),
            older,
            replayed: older && mark.volume <= newest.volume,
            volume_fell: !older && mark.volume < newest.volume,
        };
        newest.exchange_ts = newest.exchange_ts.max(mark.exchange_ts);
        newest.volume = newest.volume.max(mark.volume);
        step
    }
}

/// Counts the connections of a session: each one makes the next tick of every instrument a
/// snapshot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Connection(u64);

impl Connection {
    /// The front connected or the login succeeded.
    pub(super) fn renew(&mut self) {
        self.0 += 1;
    }

    const fn seen(self) -> bool {
        self.0 > 0
    }
}

/// Whether the next tick of one instrument is the front's snapshot.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Snapshots {
    /// A subscription was acknowledged whose snapshot has not come yet.
    pending: bool,
    /// The connection of the last snapshot.
    taken: Connection,
    /// The connection of the last acknowledgement.
    acknowledged: Connection,
}

impl Snapshots {
    /// The subscription was acknowledged.
    ///
    /// Acknowledgements may come minutes after the snapshot (field guide 8: 17,000 of them took
    /// four minutes), so the first one of a connection whose snapshot has come announces nothing.
    pub(super) fn acknowledge(&mut self, connection: Connection) {
        let late = connection.seen() && self.taken == connection && self.acknowledged != connection;
        self.acknowledged = connection;
        self.pending |= !late;
    }

    /// Whether this tick is a snapshot; it will not be one again.
    #[inline]
    pub(super) fn take(&mut self, connection: Connection) -> bool {
        let snapshot = self.pending || self.taken != connection;
        self.pending = false;
        self.taken = connection;
        snapshot
    }
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;

    use super::*;

    fn mark(dom: u32, seconds: i64, volume: i32) -> Mark {
        Mark {
            day: TradingDay(NaiveDate::from_ymd_opt(2026, 1, dom).unwrap()),
            exchange_ts: UnixNanos(seconds * 1_000_000_000),
            volume,
            night_by_day: false,
        }
    }

    #[track_caller]
    fn check(steps: &[(Mark, Option<i32>, bool)]) {
        let mut progress = Progress::default();
        for &(mark, last_volume, replayed) in steps {
            let step = progress.step(mark);
            assert_eq!(
                (step.last_volume, step.replayed),
                (last_volume, replayed),
                "{mark:?}"
            );
        }
    }

    #[test]
    fn the_first_tick_has_no_base_and_the_next_ones_count() {
        check(&[
            (mark(5, 0, 100), None, false),
            (mark(5, 1, 103), Some(3), false),
            (mark(5, 2, 103), Some(0), false),
        ]);
    }

    #[test]
    fn only_a_new_trading_day_resets_the_base() {
        check(&[
            (mark(5, 0, 100), None, false),
            (mark(5, 1, 90), Some(0), false),
            (mark(5, 2, 104), Some(4), false),
            (mark(6, 3, 7), Some(7), false),
            (mark(6, 4, 9), Some(2), false),
        ]);
    }

    #[test]
    fn a_volume_that_falls_is_noticed_and_counts_nothing() {
        let mut progress = Progress::default();
        let marks = [
            (mark(5, 0, 1000), false),
            (mark(5, 1, 0), true),
            (mark(5, 2, 1004), false),
            (mark(5, 1, 900), false),  // older: it had less
            (mark(5, 3, 1004), false), // the same
            (mark(6, 4, 7), false),    // a new trading day
        ];
        let steps = marks.map(|(mark, fell)| {
            let step = progress.step(mark);
            assert_eq!(step.volume_fell, fell, "{mark:?}");
            step.last_volume
        });
        let expected = [None, Some(0), Some(4), Some(0), Some(0), Some(7)];
        assert_eq!(steps, expected);
    }

    #[test]
    fn a_replayed_night_is_marked_and_counts_no_volume_twice() {
        check(&[
            (mark(5, 10, 50), None, false),
            (mark(5, 20, 80), Some(30), false),
            (mark(5, 10, 50), Some(0), true),
            (mark(5, 15, 60), Some(0), true),
            (mark(5, 30, 81), Some(1), false),
        ]);
    }

    #[test]
    fn a_night_tick_by_day_is_replayed_and_quotes_are_not() {
        let again = Mark {
            night_by_day: true,
            ..mark(5, 10, 50)
        };
        check(&[
            (mark(5, 10, 50), None, false),
            (mark(5, 10, 50), Some(0), false),
            (again, Some(0), true),
        ]);
    }

    #[test]
    fn a_past_day_is_replayed_and_leaves_no_trace() {
        check(&[
            (mark(6, 10, 50), None, false),
            (mark(5, 5, 9000), None, true),
            (mark(6, 11, 51), Some(1), false),
        ]);
    }

    #[test]
    fn extreme_volumes_neither_overflow_nor_go_negative() {
        check(&[
            (mark(5, 0, i32::MIN), None, false),
            (mark(5, 1, i32::MAX), Some(i32::MAX), false),
            (mark(6, 2, -5), Some(0), false),
        ]);
    }

    #[test]
    fn every_connection_and_every_subscription_makes_one_snapshot() {
        let mut connection = Connection::default();
        let mut snapshots = Snapshots::default();
        assert!(!snapshots.take(connection), "sliced: nothing announced it");
        snapshots.acknowledge(connection);
        assert!(snapshots.take(connection));
        connection.renew();
        assert!(snapshots.take(connection));
        snapshots.acknowledge(connection);
        assert!(!snapshots.take(connection), "a late acknowledgement");
        snapshots.acknowledge(connection);
        assert!(snapshots.take(connection), "subscribed again");
        assert!(!snapshots.take(connection));
    }
}
