//! Days with what is planted in them.

use std::ops::Range;

use tickdeck_core::contract::ContractTable;
use tickdeck_core::event::{Event, EventKind, RawTick, Seq, SessionEvent, Text};
use tickdeck_core::source::{Source, SourceError};
use tickdeck_core::time::{UnixNanos, shanghai_instant};
use tickdeck_recording::Status;

use super::observe::Observer;
use super::*;
use crate::progress::Silent;

/// A Tuesday that began with a night session.
const DAY: &str = "2026-01-06";
const MINUTE: i64 = 60 * NANOS_PER_SECOND;
/// Nights to 02:30, nights to 23:00, and days alone.
const IDS: [&str; 3] = ["au2606", "rb2605", "IF2603"];

fn day() -> TradingDay {
    TradingDay(DAY.parse().unwrap())
}

/// An instant of the day, as `21:00` or `09:00:30`.
fn at(time: &str) -> UnixNanos {
    let parts: Vec<u32> = time.split(':').map(|part| part.parse().unwrap()).collect();
    let seconds = parts[0] * 3600 + parts[1] * 60 + parts.get(2).unwrap_or(&0);
    let date = match parts[0] {
        18.. => "2026-01-05",
        _ => DAY,
    };
    shanghai_instant(date.parse().unwrap(), seconds, 0).unwrap()
}

struct Events(std::vec::IntoIter<Event>);

impl Source for Events {
    fn next_batch(&mut self, batch: &mut Vec<Event>, max: usize) -> Result<(), SourceError> {
        batch.extend(self.0.by_ref().take(max));
        Ok(())
    }
}

/// What happens in a recording.
#[derive(Clone, Default)]
struct Plan(Vec<(UnixNanos, EventKind)>);

impl Plan {
    /// A tick of every instrument in each minute of its trading hours between two times.
    fn of(ids: &[&str], from: &str, to: &str) -> Self {
        let contracts = ContractTable::builtin();
        let calendar = tickdeck_core::calendar::TradingCalendar::builtin();
        let mut plan = Self::default().session(from, SessionEvent::FrontConnected {});
        for id in ids {
            plan = plan.subscribed(from, id, 0);
            let contract = contracts.resolve_on(id.as_bytes(), Some(day())).unwrap();
            let hours = contracts.hours_on(&contract, day());
            let hours = spans::Spans::trading(hours, &calendar, day(), &DayHalf::ALL);
            let mut time = at(from);
            while time < at(to) {
                if hours.meets(time, time) {
                    plan.0.push((time, tick(id)));
                }
                time = time.plus(MINUTE);
            }
        }
        plan
    }

    fn session(mut self, time: &str, event: SessionEvent) -> Self {
        self.0.push((at(time), EventKind::Session(event)));
        self
    }

    fn subscribed(self, time: &str, id: &str, error_id: i32) -> Self {
        let instrument = id.to_owned();
        let event = SessionEvent::Subscribed {
            error_id,
            instrument,
        };
        self.session(time, event)
    }

    /// Without the ticks of these instruments in a span.
    fn without(mut self, ids: &[&str], span: Range<&str>) -> Self {
        let span = at(span.start)..at(span.end);
        self.0.retain(|(time, kind)| match kind {
            EventKind::Tick(tick) => {
                let id = tick.instrument_id.to_string();
                !span.contains(time) || !ids.contains(&id.as_str())
            }
            EventKind::Session(_) => true,
        });
        self
    }

    fn observation(mut self) -> Observation {
        self.0.sort_by_key(|(time, _)| *time);
        self.observed()
    }

    /// What is observed in the order of the plan.
    fn observed(self) -> Observation {
        let events: Vec<Event> = (0..)
            .zip(self.0)
            .map(|(seq, (recv_ts, kind))| Event {
                seq: Seq(seq),
                recv_ts,
                kind,
            })
            .collect();
        let calendar = tickdeck_core::calendar::TradingCalendar::builtin();
        let observer = Observer::new(&calendar, DEFAULT_SILENT_NS);
        let mut source = Events(events.into_iter());
        let events = observer.observe(&mut source, &mut Silent).unwrap();
        Observation {
            session: "s".into(),
            recording: "s".into(),
            status: Status::Complete,
            is_being_written: false,
            has_lost_events: false,
            expected: Some(events.subscribed.clone()),
            events,
        }
    }

    fn judge(self, options: &CoverageOptions) -> DayCoverage {
        judged(&[self.observation()], options)
    }
}

fn tick(id: &str) -> EventKind {
    EventKind::Tick(RawTick {
        instrument_id: Text::new(id.as_bytes()).unwrap(),
        ..RawTick::unset()
    })
}

fn judged(observations: &[Observation], options: &CoverageOptions) -> DayCoverage {
    let reference = Reference::of_recordings(&[]).unwrap();
    let mut coverage = judge(observations, &reference, options);
    assert_eq!(coverage.days.len(), 1, "{coverage:?}");
    coverage.days.remove(0)
}

fn whole() -> Plan {
    Plan::of(&IDS, "20:50", "15:40")
}

fn shown(silences: &[Silence]) -> Vec<(String, String, i64)> {
    let time = |at: UnixNanos| at.to_shanghai().format("%H:%M").to_string();
    let silences = silences.iter();
    silences
        .map(|it| (time(it.from), time(it.to), it.trading_ns / MINUTE))
        .collect()
}

fn silence(from: &str, to: &str, minutes: i64) -> (String, String, i64) {
    (from.to_owned(), to.to_owned(), minutes)
}

fn globs(pattern: &str) -> SymbolGlobs {
    SymbolGlobs::new(&[pattern]).unwrap()
}

#[test]
fn a_whole_day_has_no_finding() {
    let found = whole().judge(&CoverageOptions::default());
    assert!(found.whole, "{found:?}");
    assert_eq!(found.judged, DayHalf::ALL);
    assert!(found.not_recorded.is_empty());
    let first = |id: &str| {
        let mut all = found.instruments.iter();
        all.find(|it| it.instrument == id).unwrap().first_tick
    };
    assert_eq!(first("au2606"), at("21:00"));
    assert_eq!(first("IF2603"), at("09:30"));
    assert_eq!(found.sessions[0].reconnects, 0);
}

#[test]
fn a_gap_and_a_silent_instrument_are_found() {
    let lost = SessionEvent::FrontDisconnected { reason: 4097 };
    let login = SessionEvent::LoginOk {
        trading_day: String::new(),
    };
    let found = whole()
        .without(&IDS, "10:00".."10:40")
        .session("10:00", lost)
        .session("10:40", SessionEvent::FrontConnected {})
        .session("10:40", login)
        .without(&["IF2603"], "13:10".."14:00")
        .subscribed("20:50", "cu2603", 0)
        .subscribed("20:50", "zz2603", 42)
        .judge(&CoverageOptions::default());
    assert!(!found.whole);
    assert_eq!(found.gaps().count(), 1);
    assert_eq!(found.sessions[0].reconnects, 1);
    // CFFEX has no break at 10:15, and begins the afternoon alone.
    assert_eq!(
        shown(&found.silent),
        [silence("09:59", "10:40", 41), silence("13:09", "13:30", 21)]
    );
    let silent = |id: &str| {
        let mut all = found.silent_instruments();
        shown(&all.find(|it| it.instrument == id).unwrap().silent)
    };
    // The break is not part of it.
    assert_eq!(silent("rb2605"), [silence("09:59", "10:40", 26)]);
    assert_eq!(
        silent("IF2603"),
        [silence("09:59", "10:40", 41), silence("13:09", "14:00", 51)]
    );
    assert_eq!(found.without_tick, ["cu2603"]);
    assert_eq!(found.refused, ["zz2603"]);
}

#[test]
fn a_front_that_is_lost_after_the_close_is_not_a_finding() {
    let lost = SessionEvent::FrontDisconnected { reason: 4097 };
    let found = whole()
        .session("15:31", lost)
        .judge(&CoverageOptions::default());
    assert!(found.whole);
    assert!(!found.sessions[0].gaps[0].in_trading_hours);
}

#[test]
fn only_the_halves_that_a_recording_reaches_into_are_judged() {
    let of_day = || Plan::of(&IDS, "08:50", "15:40");
    let found = of_day().judge(&CoverageOptions::default());
    assert!(found.whole);
    assert_eq!(found.judged, [DayHalf::Day]);
    assert_eq!(found.not_recorded, [DayHalf::Night]);
    let all = CoverageOptions {
        judged: Judged::All,
        ..CoverageOptions::default()
    };
    let found = of_day().judge(&all);
    assert_eq!(shown(&found.silent), [silence("21:00", "02:30", 330)]);
    assert_eq!(found.silent_instruments().count(), 2);
    // What begins late lacks the beginning of its half, unless that is accepted.
    let late = || Plan::of(&IDS, "09:20", "15:40");
    let found = late().judge(&CoverageOptions::default());
    assert_eq!(shown(&found.silent), [silence("09:00", "09:20", 20)]);
    let recorded = CoverageOptions {
        judged: Judged::Recorded,
        ..CoverageOptions::default()
    };
    assert!(late().judge(&recorded).whole);
    // Both recordings make the day whole.
    let night = Plan::of(&IDS, "20:50", "02:40").observation();
    let found = judged(&[of_day().observation(), night], &all);
    assert!(found.whole && found.sessions.len() == 2, "{found:?}");
}

#[test]
fn an_instrument_is_missed_only_while_it_trades() {
    let night = Plan::of(&["au2606"], "20:50", "02:40").subscribed("20:50", "IF2603", 0);
    let found = night.clone().judge(&CoverageOptions::default());
    assert!(found.whole, "{found:?}");
    let found = night
        .subscribed("20:50", "ag2606", 0)
        .judge(&CoverageOptions::default());
    assert_eq!(found.without_tick, ["ag2606"]);
}

#[test]
fn a_recording_that_is_written_is_judged_until_its_last_event() {
    let mut running = Plan::of(&IDS, "08:50", "11:00").observation();
    assert!(!judged(&[running.clone()], &CoverageOptions::default()).whole);
    running.is_being_written = true;
    assert!(judged(&[running], &CoverageOptions::default()).whole);
}

#[test]
fn what_is_allowed_may_be_silent() {
    let plan = || {
        whole()
            .without(&["IF2603"], "10:00".."15:00")
            .subscribed("20:50", "IF2606", 0)
            .subscribed("20:50", "IF2609", 42)
    };
    let with = |change: &dyn Fn(&mut CoverageOptions)| {
        let mut options = CoverageOptions::default();
        change(&mut options);
        let found = plan().judge(&options);
        let counts = (found.silent_instruments().count(), found.without_tick.len());
        (found.whole, counts, found.refused.len())
    };
    assert_eq!(with(&|_| {}), (false, (1, 1), 1));
    assert_eq!(
        with(&|it| it.allowed = Some(globs("IF*"))),
        (true, (0, 0), 0)
    );
    assert_eq!(with(&|it| it.min_ticks = 100), (false, (0, 1), 1));
    assert_eq!(with(&|it| it.symbols = globs("*.SHFE")), (true, (0, 0), 0));
}

/// A session of a minute is not whole because its only instrument may be silent.
#[test]
fn a_day_of_which_everything_may_be_silent_is_not_judged() {
    let plan = || Plan::of(&["rb2605"], "10:00", "10:01");
    let with = |change: &dyn Fn(&mut CoverageOptions)| {
        let mut options = CoverageOptions::default();
        change(&mut options);
        let found = plan().judge(&options);
        (found.is_judged(), found.whole)
    };
    assert_eq!(with(&|_| {}), (true, false));
    assert_eq!(with(&|it| it.min_ticks = 100_000), (false, true));
    assert_eq!(with(&|it| it.allowed = Some(globs("rb*"))), (false, true));
}

#[test]
fn a_clock_that_is_set_back_is_not_silence() {
    let mut plan = whole();
    plan.0.sort_by_key(|(time, _)| *time);
    // For some minutes the machine believes that it is two hours earlier.
    for (time, _) in &mut plan.0 {
        if (at("11:00")..at("11:04")).contains(time) {
            *time = time.plus(-120 * MINUTE);
        }
    }
    let found = judged(&[plan.observed()], &CoverageOptions::default());
    assert!(found.whole, "{found:?}");
}

#[test]
fn events_outside_of_trading_hours_are_not_judged() {
    let mut plan = Plan::default().subscribed("18:30", "rb2605", 0);
    plan.0.push((at("18:40"), tick("rb2605")));
    let found = plan.judge(&CoverageOptions::default());
    assert!(found.whole && !found.is_judged());
    assert_eq!(found.not_recorded, DayHalf::ALL);
}
