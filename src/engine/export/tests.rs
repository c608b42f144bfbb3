//! What is exported reads back to the same bits.

use std::sync::Arc;

use proptest::prelude::*;
use tickdeck_core::calendar::TradingCalendar;
use tickdeck_core::contract::ContractTable;
use tickdeck_core::event::{Event, EventKind, RawTick, Seq, SessionEvent};
use tickdeck_core::source::{ReceiveTimes, Source, SourceInfo};
use tickdeck_core::time::UnixNanos;

use crate::export::csv::{CsvLayout, CsvWriter};
use crate::export::jsonl::JsonlWriter;
use crate::import::{ImportOptions, ImportSource};

/// Imports `content` and returns the events.
fn read_back(content: &[u8]) -> Vec<Event> {
    import_of(content).0
}

/// The events of `content`, and what a recording of them says.
fn import_of(content: &[u8]) -> (Vec<Event>, SourceInfo) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("exported");
    std::fs::write(&path, content).unwrap();
    let mut source = ImportSource::open(
        &[path],
        ImportOptions::default(),
        Arc::new(ContractTable::builtin()),
        Arc::new(TradingCalendar::builtin()),
    )
    .unwrap();
    let mut events = Vec::new();
    loop {
        let before = events.len();
        source.next_batch(&mut events, 1000).unwrap();
        if events.len() == before {
            return (events, source.info());
        }
    }
}

fn csv(events: &[Event], layout: CsvLayout) -> Vec<u8> {
    let mut writer = CsvWriter::new(Vec::new(), layout, ReceiveTimes::Measured).unwrap();
    writer.write(events).unwrap();
    writer.finish().unwrap()
}

fn jsonl(events: &[Event]) -> Vec<u8> {
    let mut writer = JsonlWriter::new(Vec::new(), ReceiveTimes::Measured);
    writer.write(events).unwrap();
    writer.finish().unwrap()
}

/// Doubles that print in unusual ways, and any bits at all.
fn any_f64() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<u64>().prop_map(f64::from_bits),
        any::<i32>().prop_map(|ticks| f64::from(ticks) / 100.0),
        prop::sample::select(vec![
            0.0,
            -0.0,
            f64::MAX,
            -f64::MAX,
            f64::NAN,
            -f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::from_bits(1),
            f64::from_bits(0x7ff0_0000_0000_0001),
            1.79769e308,
            1.797_693e308,
            1.797_693_134_862_31e308,
            6.92493101914975e-310,
        ]),
    ]
}

macro_rules! fill_field {
    (text $field:expr, $texts:ident, $numbers:ident, $counts:ident) => {
        $field = tickdeck_ffi::Text::from_array(std::array::from_fn(|_| $texts.next().unwrap()))
    };
    (f64 $field:expr, $texts:ident, $numbers:ident, $counts:ident) => {
        $field = $numbers.next().unwrap()
    };
    (i32 $field:expr, $texts:ident, $numbers:ident, $counts:ident) => {
        $field = $counts.next().unwrap()
    };
}

macro_rules! fill_fields {
    (($tick:ident, $texts:ident, $numbers:ident, $counts:ident) $($(#[$doc:meta])* $kind:ident $name:ident $vendor:ident $size:literal @ $offset:literal;)*) => {
        $(fill_field!($kind $tick.$name, $texts, $numbers, $counts);)*
    };
}

/// A tick of any bits in every field.
fn any_tick() -> impl Strategy<Value = RawTick> {
    let texts = prop::collection::vec(any::<u8>(), 64);
    let numbers = prop::collection::vec(any_f64(), 48);
    let counts = prop::collection::vec(any::<i32>(), 16);
    (texts, numbers, counts).prop_map(|(texts, numbers, counts)| {
        let mut texts = texts.into_iter().cycle();
        let mut numbers = numbers.into_iter().cycle();
        let mut counts = counts.into_iter().cycle();
        let mut tick = RawTick::default();
        tickdeck_ffi::for_each_tick_field!(fill_fields, tick, texts, numbers, counts);
        tick
    })
}

fn events_of(ticks: Vec<(RawTick, i64)>) -> Vec<Event> {
    let numbered = ticks.into_iter().zip(0..);
    let event = |((tick, recv_ts), seq)| Event {
        seq: Seq(seq),
        recv_ts: UnixNanos(recv_ts),
        kind: EventKind::Tick(tick),
    };
    numbered.map(event).collect()
}

/// The dump of two rows without receive times, and what a recording of it says.
fn derived() -> (Vec<Event>, SourceInfo) {
    import_of(
        b"TradingDay,InstrumentID,LastPrice,UpdateTime\n\
        20260105,rb2605,3110,09:00:01\n20260105,rb2605,3111,09:00:00\n",
    )
}

#[test]
fn derived_receive_times_read_back_as_derived() {
    let (events, info) = derived();
    assert_eq!(info.receive_times(), ReceiveTimes::Derived);
    let mut csv = CsvWriter::new(Vec::new(), CsvLayout::Tickdeck, ReceiveTimes::Derived).unwrap();
    csv.write(&events).unwrap();
    let mut jsonl = JsonlWriter::new(Vec::new(), ReceiveTimes::Derived);
    jsonl.write(&events).unwrap();
    for text in [csv.finish().unwrap(), jsonl.finish().unwrap()] {
        let (again, info) = import_of(&text);
        assert_eq!(again, events);
        assert_eq!(info.recv_ts, "recorded-derived");
        assert_eq!(info.receive_times(), ReceiveTimes::Derived);
    }
}

proptest! {
    #[test]
    fn prop_csv_reads_back_bit_for_bit(
        ticks in prop::collection::vec((any_tick(), any::<i64>()), 1..4)
    ) {
        let events = events_of(ticks);
        prop_assert_eq!(read_back(&csv(&events, CsvLayout::Tickdeck)), events);
    }

    #[test]
    fn prop_jsonl_reads_back_bit_for_bit(
        ticks in prop::collection::vec((any_tick(), any::<i64>()), 1..4)
    ) {
        let events = events_of(ticks);
        prop_assert_eq!(read_back(&jsonl(&events)), events);
    }
}

fn session() -> Vec<Event> {
    let kinds = [
        SessionEvent::FrontConnected {},
        SessionEvent::LoginFailed {
            error_id: 3,
            message: "CTP:不合法的登录, \"quoted\"\nline".into(),
        },
        SessionEvent::Overflow { dropped: u64::MAX },
    ];
    let session = kinds.into_iter().map(EventKind::Session);
    let tick = EventKind::Tick(RawTick::unset());
    let kinds = session.chain([tick]).enumerate();
    kinds
        .map(|(index, kind)| Event {
            seq: Seq(u64::try_from(index).unwrap()),
            recv_ts: UnixNanos(1_767_574_800_000_000_000),
            kind,
        })
        .collect()
}

#[test]
fn session_events_read_back_from_csv_and_jsonl() {
    assert_eq!(read_back(&csv(&session(), CsvLayout::Tickdeck)), session());
    assert_eq!(read_back(&jsonl(&session())), session());
}

#[test]
fn java_trader_layout_counts_omitted_session_events() {
    let mut writer =
        CsvWriter::new(Vec::new(), CsvLayout::JavaTrader, ReceiveTimes::Measured).unwrap();
    writer.write(&session()).unwrap();
    assert_eq!(writer.left_out(), 3);
}

#[test]
fn the_text_is_what_the_documentation_shows() {
    let tick = RawTick {
        trading_day: tickdeck_ffi::Text::new(b"20260105").unwrap(),
        instrument_id: tickdeck_ffi::Text::new(b"SPD \"a\",\xe9").unwrap(),
        last_price: 3110.5,
        open_price: -0.0,
        close_price: f64::NAN,
        volume: 7,
        ..RawTick::unset()
    };
    let events = events_of(vec![(tick, 1_767_574_800_500_000_000)]);
    let rows = csv(&events, CsvLayout::Tickdeck);
    insta::assert_snapshot!(String::from_utf8(rows).unwrap(), @r#"
    seq,recv_ts,kind,detail,TradingDay,reserve1,ExchangeID,reserve2,LastPrice,PreSettlementPrice,PreClosePrice,PreOpenInterest,OpenPrice,HighestPrice,LowestPrice,Volume,Turnover,OpenInterest,ClosePrice,SettlementPrice,UpperLimitPrice,LowerLimitPrice,PreDelta,CurrDelta,UpdateTime,UpdateMillisec,BidPrice1,BidVolume1,AskPrice1,AskVolume1,BidPrice2,BidVolume2,AskPrice2,AskVolume2,BidPrice3,BidVolume3,AskPrice3,AskVolume3,BidPrice4,BidVolume4,AskPrice4,AskVolume4,BidPrice5,BidVolume5,AskPrice5,AskVolume5,AveragePrice,ActionDay,InstrumentID,ExchangeInstID,BandingUpperPrice,BandingLowerPrice
    0,1767574800500000000,tick,,20260105,,,,3110.5,1.7976931348623157e+308,1.7976931348623157e+308,0.0,-0.0,1.7976931348623157e+308,1.7976931348623157e+308,7,0.0,0.0,NaN,1.7976931348623157e+308,1.7976931348623157e+308,1.7976931348623157e+308,1.7976931348623157e+308,1.7976931348623157e+308,,0,1.7976931348623157e+308,0,1.7976931348623157e+308,0,1.7976931348623157e+308,0,1.7976931348623157e+308,0,1.7976931348623157e+308,0,1.7976931348623157e+308,0,1.7976931348623157e+308,0,1.7976931348623157e+308,0,1.7976931348623157e+308,0,1.7976931348623157e+308,0,0.0,,"SPD ""a"",é",,1.7976931348623157e+308,1.7976931348623157e+308
    "#);
    let rows = csv(&events, CsvLayout::JavaTrader);
    insta::assert_snapshot!(String::from_utf8_lossy(&rows), @r#"
    "TradingDay","InstrumentID","ExchangeID","ExchangeInstID","LastPrice","PreSettlementPrice","PreClosePrice","PreOpenInterest","OpenPrice","HighestPrice","LowestPrice","Volume","Turnover","OpenInterest","ClosePrice","SettlementPrice","UpperLimitPrice","LowerLimitPrice","PreDelta","CurrDelta","UpdateTime","UpdateMillisec","BidPrice1","BidVolume1","AskPrice1","AskVolume1","BidPrice2","BidVolume2","AskPrice2","AskVolume2","BidPrice3","BidVolume3","AskPrice3","AskVolume3","BidPrice4","BidVolume4","AskPrice4","AskVolume4","BidPrice5","BidVolume5","AskPrice5","AskVolume5","AveragePrice","ActionDay"
    "20260105","SPD ""a"",�","","","3110.5","N/A","N/A","0.0","-0.0","N/A","N/A","7","0.0","0.0","NaN","N/A","N/A","N/A","N/A","N/A","","000","N/A","0","N/A","0","N/A","0","N/A","0","N/A","0","N/A","0","N/A","0","N/A","0","N/A","0","N/A","0","0.0",""
    "#);
    insta::assert_snapshot!(String::from_utf8(jsonl(&events)).unwrap(), @r#"{"seq":0,"recv_ts":1767574800500000000,"kind":"tick","TradingDay":"20260105","reserve1":"","ExchangeID":"","reserve2":"","LastPrice":3110.5,"PreSettlementPrice":1.7976931348623157e+308,"PreClosePrice":1.7976931348623157e+308,"PreOpenInterest":0.0,"OpenPrice":-0.0,"HighestPrice":1.7976931348623157e+308,"LowestPrice":1.7976931348623157e+308,"Volume":7,"Turnover":0.0,"OpenInterest":0.0,"ClosePrice":"NaN","SettlementPrice":1.7976931348623157e+308,"UpperLimitPrice":1.7976931348623157e+308,"LowerLimitPrice":1.7976931348623157e+308,"PreDelta":1.7976931348623157e+308,"CurrDelta":1.7976931348623157e+308,"UpdateTime":"","UpdateMillisec":0,"BidPrice1":1.7976931348623157e+308,"BidVolume1":0,"AskPrice1":1.7976931348623157e+308,"AskVolume1":0,"BidPrice2":1.7976931348623157e+308,"BidVolume2":0,"AskPrice2":1.7976931348623157e+308,"AskVolume2":0,"BidPrice3":1.7976931348623157e+308,"BidVolume3":0,"AskPrice3":1.7976931348623157e+308,"AskVolume3":0,"BidPrice4":1.7976931348623157e+308,"BidVolume4":0,"AskPrice4":1.7976931348623157e+308,"AskVolume4":0,"BidPrice5":1.7976931348623157e+308,"BidVolume5":0,"AskPrice5":1.7976931348623157e+308,"AskVolume5":0,"AveragePrice":0.0,"ActionDay":"","InstrumentID":"SPD \"a\",é","ExchangeInstID":"","BandingUpperPrice":1.7976931348623157e+308,"BandingLowerPrice":1.7976931348623157e+308}"#);
}
