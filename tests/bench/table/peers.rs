//! Other ways to store the same ticks: arrow-rs with its defaults, and DBN.
//!
//! Each uses its best settings: arrow-rs its dictionary encoding and zstd level 3 in arrival order,
//! DBN its compressed encoder. DBN's `Mbp10Msg` has room for about half of a CTP tick (no
//! turnover, open interest, limits, average or OHLC), so its figures are on the low side.

use std::fs::File;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use arrow::array::{
    ArrayRef, AsArray as _, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampNanosecondArray,
};
use arrow::datatypes::{
    DataType, Field, Float64Type, Int32Type, Int64Type, Schema, SchemaRef, TimeUnit,
    TimestampNanosecondType,
};
use dbn::decode::{DecodeRecord as _, dbn::Decoder};
use dbn::encode::{EncodeRecord as _, dbn::Encoder};
use dbn::{BidAskPair, Mbp10Msg, Metadata, RecordHeader, SType, UNDEF_PRICE};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use rustc_hash::FxHashMap;
use tickdeck::event::{Event, EventKind, InstrumentId, RawTick, Seq, Text};
use tickdeck::time::UnixNanos;
use tickdeck_ffi::for_each_tick_field;
use zstd::stream::AutoFinishEncoder;

/// Rows per batch for arrow-rs.
const BATCH_ROWS: usize = 65_536;

macro_rules! data_type {
    (text) => {
        DataType::Utf8
    };
    (f64) => {
        DataType::Float64
    };
    (i32) => {
        DataType::Int32
    };
}

macro_rules! column {
    (text, $rows:expr, $name:ident) => {
        StringArray::from_iter_values($rows.iter().map(|(_, tick)| tick.$name.to_string_lossy()))
    };
    (f64, $rows:expr, $name:ident) => {
        Float64Array::from_iter_values($rows.iter().map(|(_, tick)| tick.$name))
    };
    (i32, $rows:expr, $name:ident) => {
        Int32Array::from_iter_values($rows.iter().map(|(_, tick)| tick.$name))
    };
}

macro_rules! fill {
    (text, $array:expr, $events:expr, $name:ident) => {{
        let array = $array.as_string::<i32>();
        for (row, event) in $events.iter_mut().enumerate() {
            if let EventKind::Tick(tick) = &mut event.kind {
                tick.$name = Text::new(array.value(row).as_bytes()).unwrap_or_default();
            }
        }
    }};
    (f64, $array:expr, $events:expr, $name:ident) => {
        fill!(number Float64Type, $array, $events, $name)
    };
    (i32, $array:expr, $events:expr, $name:ident) => {
        fill!(number Int32Type, $array, $events, $name)
    };
    (number $type:ident, $array:expr, $events:expr, $name:ident) => {{
        let values = $array.as_primitive::<$type>().values();
        for (event, value) in $events.iter_mut().zip(values) {
            if let EventKind::Tick(tick) = &mut event.kind {
                tick.$name = *value;
            }
        }
    }};
}

macro_rules! define_defaults {
    (() $($(#[$doc:meta])* $kind:ident $name:ident $vendor:ident $size:literal @ $offset:literal;)*) => {
        fn schema() -> SchemaRef {
            let time = DataType::Timestamp(TimeUnit::Nanosecond, None);
            Arc::new(Schema::new(vec![
                Field::new("seq", DataType::Int64, false),
                Field::new("recv_ts", time, false),
                $(Field::new(stringify!($name), data_type!($kind), false),)*
            ]))
        }

        fn tick_columns(rows: &[(&Event, &RawTick)]) -> Vec<ArrayRef> {
            vec![$(Arc::new(column!($kind, rows, $name)) as ArrayRef,)*]
        }

        fn fill_ticks(batch: &RecordBatch, events: &mut [Event]) {
            let mut columns = batch.columns().iter().skip(2);
            $(if let Some(array) = columns.next() {
                fill!($kind, array, events, $name);
            })*
        }
    };
}

for_each_tick_field!(define_defaults);

/// Parquet as `ArrowWriter` writes it with only zstd-3 set.
pub(crate) struct Defaults(ArrowWriter<File>);

impl Defaults {
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
            .build();
        let file = File::create(path)?;
        Ok(Self(ArrowWriter::try_new(
            file,
            schema(),
            Some(properties),
        )?))
    }

    pub(crate) fn write(&mut self, events: &[Event]) -> Result<()> {
        for events in events.chunks(BATCH_ROWS) {
            let rows: Vec<_> = events
                .iter()
                .filter_map(|event| Some((event, event.as_tick()?)))
                .collect();
            let seq = rows.iter().map(|(event, _)| event.seq.0.cast_signed());
            let recv_ts = rows.iter().map(|(event, _)| event.recv_ts.0);
            let mut columns: Vec<ArrayRef> = vec![
                Arc::new(Int64Array::from_iter_values(seq)),
                Arc::new(TimestampNanosecondArray::from_iter_values(recv_ts)),
            ];
            columns.extend(tick_columns(&rows));
            self.0.write(&RecordBatch::try_new(schema(), columns)?)?;
        }
        Ok(())
    }

    pub(crate) fn finish(self) -> Result<()> {
        self.0.close()?;
        Ok(())
    }

    /// Every field of every row as an event, in recorded order; the number of rows.
    pub(crate) fn read(path: &Path, mut check: impl FnMut(&[Event])) -> Result<u64> {
        let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)?.build()?;
        let (mut rows, mut events) = (0, Vec::new());
        for batch in reader {
            let batch = batch?;
            let seq = batch.column(0).as_primitive::<Int64Type>();
            let recv_ts = batch.column(1).as_primitive::<TimestampNanosecondType>();
            events.clear();
            events.extend((0..batch.num_rows()).map(|row| Event {
                seq: Seq(seq.value(row).cast_unsigned()),
                recv_ts: UnixNanos(recv_ts.value(row)),
                kind: EventKind::Tick(RawTick::default()),
            }));
            fill_ticks(&batch, &mut events);
            check(black_box(&events));
            rows += events.len() as u64;
        }
        Ok(rows)
    }
}

/// DBN `mbp-10` with zstd at the level and with the checksum of DBN's compressed encoder.
pub(crate) struct Dbn {
    encoder: Encoder<AutoFinishEncoder<'static, File>>,
    ids: FxHashMap<InstrumentId, u32>,
}

impl Dbn {
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let metadata = Metadata::builder()
            .dataset("CTP")
            .schema(Some(dbn::Schema::Mbp10))
            .start(0)
            .stype_in(Some(SType::RawSymbol))
            .stype_out(SType::InstrumentId)
            .build();
        let mut zstd = zstd::Encoder::new(File::create(path)?, 0)?;
        zstd.include_checksum(true)?;
        Ok(Self {
            encoder: Encoder::new(zstd.auto_finish(), &metadata)?,
            ids: FxHashMap::default(),
        })
    }

    pub(crate) fn write(&mut self, events: &[Event]) -> Result<()> {
        for event in events {
            if let Some(tick) = event.as_tick() {
                let next = u32::try_from(self.ids.len())?;
                let id = *self.ids.entry(tick.instrument_id).or_insert(next);
                self.encoder.encode_record(&mbp10(event, tick, id))?;
            }
        }
        Ok(())
    }

    /// Every record in order; their number.
    pub(crate) fn read(path: &Path) -> Result<u64> {
        let mut decoder = Decoder::new(zstd::Decoder::new(File::open(path)?)?)?;
        let mut records = 0;
        while let Some(record) = decoder.decode_record::<Mbp10Msg>()? {
            black_box(record.clone());
            records += 1;
        }
        Ok(records)
    }
}

/// The fields of a tick that the record has.
fn mbp10(event: &Event, tick: &RawTick, id: u32) -> Mbp10Msg {
    let ts = event.recv_ts.0.cast_unsigned();
    let mut record = Mbp10Msg {
        hd: RecordHeader::new::<Mbp10Msg>(dbn::rtype::MBP_10, 1, id, ts),
        price: fixed(tick.last_price),
        size: tick.volume.cast_unsigned(),
        ts_recv: ts,
        sequence: u32::try_from(event.seq.0).unwrap_or(u32::MAX),
        ..Mbp10Msg::default()
    };
    macro_rules! level {
        ($at:literal $bid:ident $bids:ident $ask:ident $asks:ident) => {
            record.levels[$at] = BidAskPair {
                bid_px: fixed(tick.$bid),
                ask_px: fixed(tick.$ask),
                bid_sz: tick.$bids.cast_unsigned(),
                ask_sz: tick.$asks.cast_unsigned(),
                ..BidAskPair::default()
            }
        };
    }
    level!(0 bid_price1 bid_volume1 ask_price1 ask_volume1);
    level!(1 bid_price2 bid_volume2 ask_price2 ask_volume2);
    level!(2 bid_price3 bid_volume3 ask_price3 ask_volume3);
    level!(3 bid_price4 bid_volume4 ask_price4 ask_volume4);
    level!(4 bid_price5 bid_volume5 ask_price5 ask_volume5);
    record
}

/// A price in DBN's billionths.
fn fixed(price: f64) -> i64 {
    if price == f64::MAX {
        return UNDEF_PRICE;
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "prices are below nine billion"
    )]
    let scaled = (price * 1e9).round() as i64;
    scaled
}
