//! Edits the prepared session: changes fields of some ticks, sends some again, adds strangers.
//!
//! Order rule: additions are merged by receive time after what the model sent at that time, so
//! receive times never fall.

use std::vec::IntoIter;

use tickdeck_ffi::{RawTick, Text};

use crate::convention::{clock_text, with_id};
use crate::event::MarketEvent;
use crate::random::Draw;
use crate::session::{Days, MILLI, SECOND};

/// Reason of a lost connection: network read failed (field guide 1.6).
const READ_FAILED: i32 = 0x1001;

/// The edited session.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    events: IntoIter<(i64, MarketEvent)>,
    ticks: u64,
}

impl Script {
    /// Edits `events` and makes them ready to be read.
    pub(crate) fn new(seed: u64, events: Vec<(i64, MarketEvent)>, days: &Days) -> Self {
        let mut editor = Editor {
            events,
            added: Vec::new(),
            days,
            draw: Draw::new(seed, b"\0quirks"),
        };
        editor.dates();
        editor.numbers();
        editor.times();
        editor.turnover();
        editor.strangers();
        editor.order();
        editor.morning();
        editor.after_close();
        let mut events = editor.events;
        events.append(&mut editor.added);
        // Stable: what the model sent at a time stays before what was added for it.
        events.sort_by_key(|(at, _)| *at);
        let ticks = events
            .iter()
            .filter(|(_, event)| matches!(event, MarketEvent::Tick(_)))
            .count();
        Self {
            ticks: u64::try_from(ticks).unwrap_or(0),
            events: events.into_iter(),
        }
    }

    /// Ticks in the whole session.
    pub(crate) const fn tick_count(&self) -> u64 {
        self.ticks
    }

    /// The next event.
    pub(crate) fn next(&mut self) -> Option<(i64, MarketEvent)> {
        self.events.next()
    }
}

struct Editor<'a> {
    events: Vec<(i64, MarketEvent)>,
    added: Vec<(i64, MarketEvent)>,
    days: &'a Days,
    draw: Draw,
}

/// Whether `id` is a future of product `root`.
fn is_future(id: &[u8], root: &str) -> bool {
    id.strip_prefix(root.as_bytes())
        .is_some_and(|rest| !rest.is_empty() && rest.iter().all(u8::is_ascii_digit))
}

impl Editor<'_> {
    /// Positions of the ticks of product `root`'s future received in `from..to`.
    fn positions(&self, root: &str, from: i64, to: i64) -> Vec<usize> {
        let found = |(index, (at, event)): (usize, &(i64, MarketEvent))| match event {
            MarketEvent::Tick(tick)
                if (from..to).contains(at) && is_future(tick.instrument_id.as_bytes(), root) =>
            {
                Some(index)
            }
            _ => None,
        };
        self.events.iter().enumerate().filter_map(found).collect()
    }

    fn night(&self, root: &str) -> Vec<usize> {
        let (from, to) = (self.days.evening_at(21, 0), self.days.evening_at(30, 0));
        self.positions(root, from, to)
    }

    fn day(&self, root: &str) -> Vec<usize> {
        self.positions(root, self.days.at(9, 0), self.days.at(15, 0))
    }

    /// Edits the ticks at `positions` in place.
    fn edit(&mut self, positions: &[usize], mut change: impl FnMut(&mut RawTick)) {
        for &position in positions {
            if let Some((_, MarketEvent::Tick(tick))) = self.events.get_mut(position) {
                change(tick);
            }
        }
    }

    /// Edits the `nth` of `positions`, if it exists.
    fn edit_nth(&mut self, positions: &[usize], nth: usize, change: impl FnMut(&mut RawTick)) {
        let one: Vec<usize> = positions.get(nth).copied().into_iter().collect();
        self.edit(&one, change);
    }

    fn tick_at(&self, position: usize) -> Option<(i64, RawTick)> {
        match self.events.get(position)? {
            (at, MarketEvent::Tick(tick)) => Some((*at, *tick)),
            _ => None,
        }
    }

    fn add(&mut self, at: i64, tick: RawTick) {
        self.added.push((at, MarketEvent::Tick(tick)));
    }

    /// Trading day, action day and exchange id.
    fn dates(&mut self) {
        let night = self.night("m");
        self.edit_nth(&night, 3, |tick| tick.trading_day = Text::EMPTY);
        let night = self.night("i");
        self.edit_nth(&night, 4, |tick| tick.action_day = Text::EMPTY);
        let natural = self.days.natural(self.days.evening_at(21, 0));
        let night = self.night("p");
        self.edit(&night, |tick| tick.action_day = natural);
        let day = self.day("rb");
        let some = &day[day.len().min(5)..day.len().min(10)];
        self.edit(some, |tick| {
            tick.exchange_id = Text::new(b"SHFE").unwrap_or_default();
            tick.exchange_inst_id = tick.instrument_id;
        });
        let evening = self.positions("AP", 0, self.days.evening_at(21, 0));
        self.edit(&evening, |tick| tick.open_price = tick.last_price);
    }

    /// Bit patterns that no price has.
    fn numbers(&mut self) {
        let day = self.day("IF");
        self.edit_nth(&day, 3, |tick| tick.average_price = f64::NAN);
        self.edit_nth(&day, 6, |tick| tick.last_price = f64::NAN);
        let night = self.night("cu");
        self.edit_nth(&night, 2, |tick| tick.upper_limit_price = f64::INFINITY);
        self.edit_nth(&night, 3, |tick| tick.lower_limit_price = f64::NEG_INFINITY);
        let day = self.day("m");
        self.edit_nth(&day, 2, |tick| tick.pre_delta = -0.0);
        let day = self.day("T");
        self.edit_nth(&day, 2, |tick| tick.curr_delta = -0.0);
        self.negative_spread();
    }

    /// A few ticks of a DCE spread below zero, over zero itself as -0.0.
    fn negative_spread(&mut self) {
        let mut quotes = [(-3.0, -2.0), (-2.0, -1.0), (-1.0, -0.0)].into_iter();
        for (_, event) in &mut self.events {
            let MarketEvent::Tick(tick) = event else {
                continue;
            };
            if tick.instrument_id.as_bytes().starts_with(b"SP ") && tick.bid_volume1 > 0 {
                let Some((bid, ask)) = quotes.next() else {
                    break;
                };
                (tick.bid_price1, tick.ask_price1, tick.last_price) = (bid, ask, bid);
            }
        }
    }

    /// Exchange times that are none.
    fn times(&mut self) {
        let night = self.night("au");
        self.edit_nth(&night, 4, |tick| tick.update_time = Text::EMPTY);
        for (nth, text) in [(6, &b"24:61:00"[..]), (8, b"9:00:01"), (10, b"--------")] {
            self.edit_nth(&night, nth, |tick| {
                tick.update_time = Text::new(text).unwrap_or_default();
            });
        }
        let day = self.day("i");
        if let Some((_, mut tick)) = day.first().and_then(|&p| self.tick_at(p)) {
            tick.update_time = clock_text(7 * 3600 + 54 * 60 + 41);
            tick.update_millisec = 500;
            tick.exchange_id = Text::new(b"DCE").unwrap_or_default();
            tick.exchange_inst_id = tick.instrument_id;
            self.add(self.days.at(8, 33), tick);
        }
    }

    /// CZCE turnover with the multiplier, and falling.
    fn turnover(&mut self) {
        let day = self.day("TA");
        self.edit(&day, |tick| tick.turnover *= 5.0);
        let day = self.day("MA");
        let volumes: Vec<i32> = day
            .iter()
            .map(|&p| self.tick_at(p).map_or(0, |(_, tick)| tick.volume))
            .collect();
        let quiet = (1..volumes.len()).find(|&i| volumes[i] > 0 && volumes[i] == volumes[i - 1]);
        if let Some(nth) = quiet {
            self.edit_nth(&day, nth, |tick| {
                tick.average_price -= 1.0;
                tick.turnover = tick.average_price * f64::from(tick.volume);
            });
        }
        let day = self.positions("SR", self.days.at(8, 0), self.days.at(14, 59));
        let settled = self.night("SR").last().and_then(|&p| self.tick_at(p));
        if let Some((_, night)) = settled {
            self.edit(&day, |tick| {
                tick.close_price = night.last_price;
                tick.settlement_price = night.average_price;
            });
        }
    }

    /// Ids outside every table, borrowed prices.
    fn strangers(&mut self) {
        let digits = |root: &str, this: &Self| -> Vec<u8> {
            let tick = this.day(root).first().and_then(|&p| this.tick_at(p));
            let id = tick.map(|(_, tick)| tick.instrument_id);
            id.map(|id| id.as_bytes()[root.len()..].to_vec())
                .unwrap_or_default()
        };
        let year = digits("m", self);
        let czce = digits("SR", self);
        let strangers: [(&str, Vec<u8>); 7] = [
            ("rb", b"zz2609".to_vec()),
            ("sc", [b"sc", &year[..], b"TAS"].concat()),
            ("l", [b"l", &year[..], b"F"].concat()),
            ("c", [b"c", &year[..], b"-MS-C-2300"].concat()),
            ("MA", [b"MA", &czce[..], b"MSC2400"].concat()),
            ("cu", b"X\x02\x0cz\x7f".to_vec()),
            ("rb", b"\xc2\xdd\xce\xc62601".to_vec()),
        ];
        for (like, id) in strangers {
            let source = self.day(like);
            // `cu` lends its real id to reserve1, as in a quoted answer of a front.
            for &position in source.iter().skip(1).step_by(3).take(3) {
                let Some((at, tick)) = self.tick_at(position) else {
                    continue;
                };
                let mut stranger = with_id(&tick, &id);
                if like == "cu" {
                    stranger.reserve1 =
                        Text::new(tick.instrument_id.as_bytes()).unwrap_or_default();
                    stranger.reserve2 = stranger.reserve1;
                    stranger.banding_upper_price = f64::from_bits(0x0000_7f79_9c3e_10a0);
                    stranger.banding_lower_price = f64::from_bits(0x0000_7f79_5b6a_2e80);
                }
                let later = i64::from(self.draw.below(400));
                self.add(at + later, stranger);
            }
        }
    }

    /// Duplicates and exchanged neighbours.
    fn order(&mut self) {
        let day = self.day("l");
        for nth in [4, 9] {
            if let Some((at, tick)) = day.get(nth).and_then(|&p| self.tick_at(p)) {
                self.add(at + 300, tick);
            }
        }
        let day = self.day("au");
        if let [_, _, first, second, ..] = day[..]
            && let (Some((_, a)), Some((_, b))) = (self.tick_at(first), self.tick_at(second))
        {
            self.edit(&[first], |tick| *tick = b);
            self.edit(&[second], |tick| *tick = a);
        }
        let at = self.days.at(8, 59) + 20 * SECOND;
        let day = self.day("si");
        if let Some((_, tick)) = day.first().and_then(|&p| self.tick_at(p)) {
            let mut empty = RawTick::unset();
            empty.instrument_id = tick.instrument_id;
            empty.trading_day = tick.trading_day;
            empty.action_day = tick.action_day;
            empty.update_time = clock_text(8 * 3600 + 59 * 60 + 20);
            empty.upper_limit_price = tick.upper_limit_price;
            empty.lower_limit_price = tick.lower_limit_price;
            self.add(at, empty);
        }
    }

    /// The night's end: disconnected, restarted in the morning, snapshots, a piece of the night.
    fn morning(&mut self) {
        let lost = self.days.evening_at(26, 31);
        let reason = READ_FAILED;
        self.added
            .push((lost, MarketEvent::FrontDisconnected { reason }));
        let start = self.days.at(8, 30);
        self.added.push((start, MarketEvent::FrontConnected));
        let trading_day = self.days.day_text.to_string_lossy().into_owned();
        self.added
            .push((start + 29 * MILLI, MarketEvent::LoginOk { trading_day }));
        let instruments: Vec<String> = self
            .events
            .iter()
            .filter_map(|(_, event)| match event {
                MarketEvent::Subscribed { instrument } => Some(instrument.clone()),
                _ => None,
            })
            .collect();
        let mut at = start + 55 * MILLI;
        for instrument in &instruments {
            at += 1_300 + i64::from(self.draw.below(900));
            let instrument = instrument.clone();
            self.added
                .push((at, MarketEvent::Subscribed { instrument }));
        }
        for instrument in &instruments {
            at += 42_000 + i64::from(self.draw.below(9_000));
            if let Some(tick) = self.morning_snapshot(instrument.as_bytes()) {
                self.add(at, tick);
            }
        }
        self.replay_night();
    }

    /// The newest tick of an instrument before the morning; CZCE's night tick as a stale copy.
    fn morning_snapshot(&self, id: &[u8]) -> Option<RawTick> {
        let morning = self.days.at(8, 0);
        let (at, mut tick) = self
            .events
            .iter()
            .rev()
            .find_map(|(at, event)| match event {
                MarketEvent::Tick(tick) if *at < morning && tick.instrument_id.as_bytes() == id => {
                    Some((*at, *tick))
                }
                _ => None,
            })?;
        let traded_at_night = at > self.days.evening_at(21, 0) && tick.update_millisec == 0;
        let czce = id.first().is_some_and(u8::is_ascii_uppercase);
        if traded_at_night && czce && tick.volume > 0 {
            tick.trading_day = self.days.day_text;
            tick.action_day = self.days.day_text;
            tick.close_price = tick.last_price;
            tick.settlement_price = tick.average_price;
        }
        Some(tick)
    }

    /// Twenty seconds of two instruments' night once more, as fast as the front can send.
    fn replay_night(&mut self) {
        let mut at = self.days.at(8, 31);
        let open = self.days.evening_at(21, 0);
        for root in ["rb", "MA"] {
            for position in self.positions(root, open, open + 20 * SECOND) {
                if let Some((_, tick)) = self.tick_at(position) {
                    at += 48_000;
                    self.add(at, tick);
                }
            }
        }
    }

    /// Lots booked after the close (field guide 5.5; CZCE most).
    fn after_close(&mut self) {
        let rows = self.positions("AP", self.days.at(14, 0), self.days.at(16, 0));
        let Some((_, mut tick)) = rows.last().and_then(|&p| self.tick_at(p)) else {
            return;
        };
        tick.volume += 37;
        tick.turnover = tick.average_price * f64::from(tick.volume);
        tick.open_interest -= 12.0;
        tick.update_time = clock_text(15 * 3600 + 20 * 60 + 11);
        self.add(self.days.at(15, 20) + 11 * SECOND + 60 * MILLI, tick);
    }
}
