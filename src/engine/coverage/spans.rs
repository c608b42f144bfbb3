//! Spans of time, and those in which a product trades.

use tickdeck_core::calendar::TradingCalendar;
use tickdeck_core::contract::SessionHours;
use tickdeck_core::dating::calendar_date;
use tickdeck_core::time::{DayPart, TradingDay, UnixNanos, shanghai_instant};

use super::report::{DayHalf, Silence};

/// First instant of a span, and the first one after it.
pub(super) type Span = (UnixNanos, UnixNanos);

/// Spans in order, which neither overlap nor touch. None is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Spans(Vec<Span>);

impl Spans {
    /// Spans in any order.
    pub(super) fn new(mut spans: Vec<Span>) -> Self {
        spans.retain(|(from, to)| from < to);
        spans.sort();
        let mut joined: Vec<Span> = Vec::with_capacity(spans.len());
        for (from, to) in spans {
            match joined.last_mut() {
                Some(last) if from <= last.1 => last.1 = last.1.max(to),
                _ => joined.push((from, to)),
            }
        }
        Self(joined)
    }

    /// The sessions of a trading day, without auctions and breaks, in some of its halves.
    pub(super) fn trading(
        hours: SessionHours,
        calendar: &TradingCalendar,
        day: TradingDay,
        halves: &[DayHalf],
    ) -> Self {
        let is_wanted = |open: &u32| {
            let half = match DayPart::of(*open).is_night() {
                true => DayHalf::Night,
                false => DayHalf::Day,
            };
            halves.contains(&half)
        };
        let at = |seconds| {
            let date = calendar_date(calendar, day, DayPart::of(seconds));
            shanghai_instant(date, seconds, 0)
        };
        let sessions = hours.sessions(calendar.opens_at_night(day));
        let sessions = sessions.filter(|(open, _)| is_wanted(open));
        let spans = sessions.filter_map(|(open, close)| Some((at(open)?, at(close)?)));
        Self::new(spans.collect())
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is in these or in those.
    pub(super) fn union(&self, others: &Self) -> Self {
        Self::new([&self.0[..], &others.0[..]].concat())
    }

    /// What is in both.
    pub(super) fn within(&self, others: &Self) -> Self {
        let cut = |(from, to): &Span| {
            let others = others.0.iter();
            let cuts = others.map(move |other| ((*from).max(other.0), (*to).min(other.1)));
            cuts.collect::<Vec<_>>()
        };
        Self::new(self.0.iter().flat_map(cut).collect())
    }

    /// Whether one of them has a part of a span, which may be a single instant.
    pub(super) fn meets(&self, from: UnixNanos, to: UnixNanos) -> bool {
        let meets =
            |span: &Span| (span.0..span.1).contains(&from) || (from < span.0 && span.0 < to);
        self.0.iter().any(meets)
    }

    /// What is in them from one instant to another: its ends and its length. `None` if that is nothing.
    fn between(&self, from: UnixNanos, to: UnixNanos) -> Option<Silence> {
        let cuts = self.0.iter();
        let cuts = cuts.map(|span| (span.0.max(from), span.1.min(to)));
        let mut cuts = cuts.filter(|(from, to)| from < to).peekable();
        let (from, _) = *cuts.peek()?;
        let (mut until, mut nanos) = (from, 0);
        for (start, end) in cuts {
            nanos += end.since(start);
            until = end;
        }
        Some(Silence {
            from,
            to: until,
            trading_ns: nanos,
        })
    }

    /// Where nothing happened for longer than `limit` ns of them. `runs` is when something did, in order
    /// of their first instants.
    pub(super) fn silences(&self, runs: &[Span], limit: i64) -> Vec<Silence> {
        let mut silences = Vec::new();
        let mut last = UnixNanos(i64::MIN);
        let end = UnixNanos(i64::MAX);
        for (first, until) in runs.iter().copied().chain([(end, end)]) {
            silences.extend(self.between(last, first));
            last = last.max(until);
        }
        silences.retain(|silence| silence.trading_ns > limit);
        silences
    }
}

#[cfg(test)]
mod tests {
    use tickdeck_core::contract::SessionClass;
    use tickdeck_core::time::NANOS_PER_SECOND;

    use super::*;

    fn spans(spans: &[(i64, i64)]) -> Spans {
        let instant = |(from, to): &(i64, i64)| (UnixNanos(*from), UnixNanos(*to));
        Spans::new(spans.iter().map(instant).collect())
    }

    #[test]
    fn spans_are_joined_and_cut() {
        let some = spans(&[(5, 7), (1, 3), (3, 4), (6, 9), (8, 8)]);
        assert_eq!(some, spans(&[(1, 4), (5, 9)]));
        assert_eq!(
            some.within(&spans(&[(2, 6), (8, 20)])),
            spans(&[(2, 4), (5, 6), (8, 9)])
        );
        assert!(some.within(&spans(&[(4, 5)])).is_empty());
        assert_eq!(some.union(&spans(&[(4, 5)])), spans(&[(1, 9)]));
        let meets = |from, to| some.meets(UnixNanos(from), UnixNanos(to));
        assert!(meets(5, 5) && meets(0, 2) && meets(3, 20) && meets(0, 20));
        assert!(!meets(4, 4) && !meets(0, 1) && !meets(4, 5) && !meets(9, 20));
    }

    #[test]
    fn a_break_is_not_silence() {
        let hours = spans(&[(100, 200), (300, 400)]);
        let silences = |runs: &[(i64, i64)], limit| {
            let found = hours.silences(&spans(runs).0, limit).into_iter();
            found
                .map(|silence| (silence.from.0, silence.to.0, silence.trading_ns))
                .collect::<Vec<_>>()
        };
        assert_eq!(silences(&[(90, 195), (305, 400)], 10), []);
        // Both sides of a break are one silence.
        assert_eq!(silences(&[(90, 195), (310, 400)], 10), [(195, 310, 15)]);
        assert_eq!(
            silences(&[(120, 250), (301, 350)], 10),
            [(100, 120, 20), (350, 400, 50)]
        );
        assert_eq!(silences(&[(150, 151)], 60), [(151, 400, 149)]);
        assert_eq!(silences(&[], 199), [(100, 400, 200)]);
        assert_eq!(silences(&[], 200), []);
        assert_eq!(spans(&[]).silences(&[], 0), []);
    }

    #[test]
    fn the_night_of_a_monday_is_that_of_friday() {
        let calendar = TradingCalendar::builtin();
        let monday = TradingDay("2026-01-12".parse().unwrap());
        let hours = SessionClass::N0230.hours();
        let night = Spans::trading(hours, &calendar, monday, &[DayHalf::Night]);
        let shown = |spans: &Spans| {
            let text = |at: UnixNanos| at.to_shanghai().format("%m-%d %H:%M").to_string();
            let shown = spans.0.iter().map(|(from, to)| (text(*from), text(*to)));
            shown.collect::<Vec<_>>()
        };
        let expected = ("01-09 21:00".to_owned(), "01-10 02:30".to_owned());
        assert_eq!(shown(&night), [expected]);
        let whole = Spans::trading(hours, &calendar, monday, &DayHalf::ALL);
        assert_eq!(shown(&whole).len(), 4);
        let length = 5 * 3600 + 1800 + 3 * 3600 + 2700;
        let all = whole.silences(&[], 0);
        assert_eq!(all[0].trading_ns, length * NANOS_PER_SECOND);
        // The evening before a holiday has no night session.
        let after = TradingDay("2026-01-05".parse().unwrap());
        assert!(Spans::trading(hours, &calendar, after, &[DayHalf::Night]).is_empty());
    }
}
