//! Helpers for tests of normalizer and encoder: the raw rows of `fixtures/raw_rows` and events made
//! from them.

use std::sync::Arc;

use chrono::DateTime;
use tickdeck_core::calendar::TradingCalendar;
use tickdeck_core::contract::ContractTable;
use tickdeck_core::event::{Event, EventKind, RawTick, Seq, SessionEvent, Text};
use tickdeck_core::source::ReceiveTimes;
use tickdeck_core::time::UnixNanos;
use tickdeck_ffi::for_each_tick_field;

use super::Normalizer;

/// The row `fixtures/raw_rows/{name}.json`; fields that it leaves out are "no value".
pub(crate) fn raw_row(name: &str) -> RawTick {
    let path = format!(
        "{}/fixtures/raw_rows/{name}.json",
        concat!(env!("CARGO_MANIFEST_DIR"), "/../..")
    );
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let row: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut tick = RawTick::unset();
    tick.average_price = f64::MAX;
    macro_rules! read {
        (text $target:expr, $value:expr) => {
            $target = Text::new($value.as_str().unwrap().as_bytes()).unwrap()
        };
        (f64 $target:expr, $value:expr) => {
            $target = $value.as_f64().unwrap()
        };
        (i32 $target:expr, $value:expr) => {
            $target = i32::try_from($value.as_i64().unwrap()).unwrap()
        };
    }
    macro_rules! read_all {
        (() $($(#[$doc:meta])* $kind:ident $name:ident $vendor:ident $size:literal @ $offset:literal;)*) => {
            $(if let Some(value) = row.get(stringify!($vendor)) {
                read!($kind tick.$name, value);
            })*
        };
    }
    for_each_tick_field!(read_all);
    tick
}

/// A CTP text.
pub(crate) fn text<const N: usize>(text: &str) -> Text<N> {
    Text::new(text.as_bytes()).unwrap()
}

/// The instant of an RFC 3339 text.
pub(crate) fn instant(rfc3339: &str) -> UnixNanos {
    let instant = DateTime::parse_from_rfc3339(rfc3339).unwrap();
    UnixNanos(instant.timestamp_nanos_opt().unwrap())
}

/// Makes events in `seq` order.
#[derive(Default)]
pub(crate) struct Events {
    next: u64,
}

impl Events {
    /// `tick`, received at the RFC 3339 time `recv`.
    pub(crate) fn tick(&mut self, recv: &str, tick: RawTick) -> Event {
        self.event(instant(recv), EventKind::Tick(tick))
    }

    /// A session event; its time does not matter.
    pub(crate) fn session(&mut self, event: SessionEvent) -> Event {
        self.event(UnixNanos(0), EventKind::Session(event))
    }

    fn event(&mut self, recv_ts: UnixNanos, kind: EventKind) -> Event {
        let seq = Seq(self.next);
        self.next += 1;
        Event { seq, recv_ts, kind }
    }
}

/// A normalizer with the tables that are built in, for receive times of a clock.
pub(crate) fn builtin() -> Normalizer {
    with_receive_times(ReceiveTimes::Measured)
}

/// A normalizer with the tables that are built in.
pub(crate) fn with_receive_times(receive_times: ReceiveTimes) -> Normalizer {
    Normalizer::new(
        Arc::new(ContractTable::builtin()),
        Arc::new(TradingCalendar::builtin()),
        receive_times,
    )
}
