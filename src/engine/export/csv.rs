//! CSV in two layouts: tickdeck's, with every field, and java-trader's.

use std::io::{self, Write};

use tickdeck_core::event::{Event, EventKind, RawTick};
use tickdeck_core::source::ReceiveTimes;

use crate::export::value::{push_f64, push_int, push_latin1};

/// Which columns, and how they print.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CsvLayout {
    /// `seq,recv_ts,kind,detail` (`recv_ts_derived` where receive times were derived) and every CTP field in struct order; reads back bit for bit,
    /// session events included.
    Tickdeck,
    /// java-trader's 44 quoted columns, `DBL_MAX` as `N/A`. Session events, `recv_ts`, the two
    /// reserve fields and the price bands have no place in it.
    JavaTrader,
}

/// Writes events as CSV, the header first.
///
/// Each call of [`write`](Self::write) hands its rows to the writer at once, so a buffered writer
/// gains little.
#[derive(Debug)]
pub struct CsvWriter<W: Write> {
    out: W,
    layout: CsvLayout,
    rows: Vec<u8>,
    left_out: u64,
}

macro_rules! push_header {
    (($out:ident) $($(#[$doc:meta])* $kind:ident $name:ident $vendor:ident $size:literal @ $offset:literal;)*) => {
        $(
            $out.push(b',');
            $out.extend_from_slice(stringify!($vendor).as_bytes());
        )*
    };
}

macro_rules! push_field {
    (text $out:expr, $value:expr) => {
        push_text($out, $value.as_bytes())
    };
    (f64 $out:expr, $value:expr) => {
        push_f64($out, $value)
    };
    (i32 $out:expr, $value:expr) => {
        push_int($out, $value)
    };
}

macro_rules! push_fields {
    (($out:ident, $tick:ident) $($(#[$doc:meta])* $kind:ident $name:ident $vendor:ident $size:literal @ $offset:literal;)*) => {
        $(
            $out.push(b',');
            push_field!($kind $out, $tick.$name);
        )*
    };
}

impl<W: Write> CsvWriter<W> {
    /// Writes the header, which says what the receive times of the events are worth.
    ///
    /// # Errors
    /// When `out` fails.
    pub fn new(mut out: W, layout: CsvLayout, receive_times: ReceiveTimes) -> io::Result<Self> {
        let mut rows = Vec::new();
        match layout {
            CsvLayout::Tickdeck => {
                rows.extend_from_slice(b"seq,");
                rows.extend_from_slice(receive_times.column().as_bytes());
                rows.extend_from_slice(b",kind,detail");
                tickdeck_ffi::for_each_tick_field!(push_header, rows);
                rows.push(b'\n');
            }
            CsvLayout::JavaTrader => java_trader::push_header(&mut rows),
        }
        out.write_all(&rows)?;
        rows.clear();
        Ok(Self {
            out,
            layout,
            rows,
            left_out: 0,
        })
    }

    /// Writes one row an event.
    ///
    /// # Errors
    /// When the writer fails; rows before the failure may be written.
    pub fn write(&mut self, events: &[Event]) -> io::Result<()> {
        self.rows.clear();
        for event in events {
            match (self.layout, event.as_tick()) {
                (CsvLayout::Tickdeck, _) => push_event(&mut self.rows, event),
                (CsvLayout::JavaTrader, Some(tick)) => {
                    java_trader::push_tick(&mut self.rows, tick);
                }
                (CsvLayout::JavaTrader, None) => self.left_out += 1,
            }
        }
        self.out.write_all(&self.rows)
    }

    /// Events that the layout has no place for: session events in java-trader's.
    #[must_use]
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Flushes and returns the writer.
    ///
    /// # Errors
    /// When the writer fails.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.flush()?;
        Ok(self.out)
    }
}

fn push_event(out: &mut Vec<u8>, event: &Event) {
    push_int(out, event.seq.0);
    out.push(b',');
    push_int(out, event.recv_ts.0);
    out.push(b',');
    out.extend_from_slice(event.kind_name().as_bytes());
    out.push(b',');
    match &event.kind {
        EventKind::Tick(tick) => push_tick(out, tick),
        EventKind::Session(session) => {
            push_quoted(out, session.detail().as_bytes());
            out.extend(std::iter::repeat_n(b',', RawTick::FIELD_NAMES.len()));
        }
    }
    out.push(b'\n');
}

fn push_tick(out: &mut Vec<u8>, tick: &RawTick) {
    tickdeck_ffi::for_each_tick_field!(push_fields, out, tick);
}

/// Text, quoted where CSV needs it.
fn push_text(out: &mut Vec<u8>, bytes: &[u8]) {
    let plain = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b',' | b'"');
    if bytes.iter().all(plain) {
        out.extend_from_slice(bytes);
        return;
    }
    out.push(b'"');
    for byte in bytes {
        if *byte == b'"' {
            out.push(b'"');
        }
        push_latin1(out, *byte);
    }
    out.push(b'"');
}

/// Text that is UTF-8 already, in quotes.
fn push_quoted(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    for byte in text {
        if *byte == b'"' {
            out.push(b'"');
        }
        out.push(*byte);
    }
    out.push(b'"');
}

/// java-trader's layout: the CTP struct of API 6.3.
mod java_trader {
    use super::{RawTick, push_f64, push_int, push_quoted};

    /// A column and its value.
    enum Value<'a> {
        Text(&'a [u8]),
        Price(f64),
        Count(i32),
        Millis(i32),
    }

    const HEADER: [&str; 44] = [
        "TradingDay",
        "InstrumentID",
        "ExchangeID",
        "ExchangeInstID",
        "LastPrice",
        "PreSettlementPrice",
        "PreClosePrice",
        "PreOpenInterest",
        "OpenPrice",
        "HighestPrice",
        "LowestPrice",
        "Volume",
        "Turnover",
        "OpenInterest",
        "ClosePrice",
        "SettlementPrice",
        "UpperLimitPrice",
        "LowerLimitPrice",
        "PreDelta",
        "CurrDelta",
        "UpdateTime",
        "UpdateMillisec",
        "BidPrice1",
        "BidVolume1",
        "AskPrice1",
        "AskVolume1",
        "BidPrice2",
        "BidVolume2",
        "AskPrice2",
        "AskVolume2",
        "BidPrice3",
        "BidVolume3",
        "AskPrice3",
        "AskVolume3",
        "BidPrice4",
        "BidVolume4",
        "AskPrice4",
        "AskVolume4",
        "BidPrice5",
        "BidVolume5",
        "AskPrice5",
        "AskVolume5",
        "AveragePrice",
        "ActionDay",
    ];

    pub(super) fn push_header(out: &mut Vec<u8>) {
        for (index, name) in HEADER.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            push_quoted(out, name.as_bytes());
        }
        out.push(b'\n');
    }

    pub(super) fn push_tick(out: &mut Vec<u8>, tick: &RawTick) {
        for (index, value) in values(tick).into_iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            push_value(out, &value);
        }
        out.push(b'\n');
    }

    fn push_value(out: &mut Vec<u8>, value: &Value<'_>) {
        match value {
            Value::Text(bytes) => return push_quoted(out, bytes),
            _ => out.push(b'"'),
        }
        match *value {
            Value::Price(f64::MAX) => out.extend_from_slice(b"N/A"),
            Value::Price(price) => push_f64(out, price),
            Value::Count(count) => push_int(out, count),
            Value::Millis(millis) => out.extend_from_slice(format!("{millis:03}").as_bytes()),
            Value::Text(_) => {}
        }
        out.push(b'"');
    }

    fn values(tick: &RawTick) -> [Value<'_>; 44] {
        use Value::{Count, Millis, Price, Text};
        [
            Text(tick.trading_day.as_bytes()),
            Text(tick.instrument_id.as_bytes()),
            Text(tick.exchange_id.as_bytes()),
            Text(tick.exchange_inst_id.as_bytes()),
            Price(tick.last_price),
            Price(tick.pre_settlement_price),
            Price(tick.pre_close_price),
            Price(tick.pre_open_interest),
            Price(tick.open_price),
            Price(tick.highest_price),
            Price(tick.lowest_price),
            Count(tick.volume),
            Price(tick.turnover),
            Price(tick.open_interest),
            Price(tick.close_price),
            Price(tick.settlement_price),
            Price(tick.upper_limit_price),
            Price(tick.lower_limit_price),
            Price(tick.pre_delta),
            Price(tick.curr_delta),
            Text(tick.update_time.as_bytes()),
            Millis(tick.update_millisec),
            Price(tick.bid_price1),
            Count(tick.bid_volume1),
            Price(tick.ask_price1),
            Count(tick.ask_volume1),
            Price(tick.bid_price2),
            Count(tick.bid_volume2),
            Price(tick.ask_price2),
            Count(tick.ask_volume2),
            Price(tick.bid_price3),
            Count(tick.bid_volume3),
            Price(tick.ask_price3),
            Count(tick.ask_volume3),
            Price(tick.bid_price4),
            Count(tick.bid_volume4),
            Price(tick.ask_price4),
            Count(tick.ask_volume4),
            Price(tick.bid_price5),
            Count(tick.bid_volume5),
            Price(tick.ask_price5),
            Count(tick.ask_volume5),
            Price(tick.average_price),
            Text(tick.action_day.as_bytes()),
        ]
    }
}
