//! Normalized ticks as one Parquet table, which pandas, polars and DuckDB read as it is.
//!
//! The columns have the names and the order of the `vnpy` payload. Times are timestamps in Shanghai, days are
//! dates, and a missing value is null. Rows are in the order of the events.

use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use chrono::{Datelike as _, NaiveDate};
use parquet::basic::{Compression, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int32Type, Int64Type};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use tickdeck_core::source::PayloadSource;

use crate::normalize::{Flag, Flags, LEVELS, NormalizedTick};

/// Rows of a row group. Their columns take some 20 MB.
const GROUP_ROWS: usize = 65_536;

/// The columns as an Arrow schema, which has what Parquet cannot say: the time zone.
const ARROW_SCHEMA: &str = include_str!("table_schema.txt");

/// Days of the common era up to 1970-01-01.
const EPOCH_DAYS: i32 = 719_163;

/// Where the values of a column come from.
#[derive(Clone, Copy)]
enum Get {
    /// A text, that of the instrument, the source or the flags.
    Text(Text),
    /// Nanoseconds since 1970, UTC.
    Time(fn(&NormalizedTick<'_>) -> i64),
    Day(fn(&NormalizedTick<'_>) -> NaiveDate),
    Long(fn(&NormalizedTick<'_>) -> i64),
    Count(fn(&NormalizedTick<'_>) -> i32),
    Lots(fn(&NormalizedTick<'_>) -> Option<i32>),
    Number(fn(&NormalizedTick<'_>) -> Option<f64>),
    /// Price of a level: of the bids or asks, from 0.
    Price(Side, usize),
    /// Volume of a level.
    Size(Side, usize),
}

#[derive(Clone, Copy)]
enum Text {
    VtSymbol,
    Symbol,
    Exchange,
    Source,
    Flags,
}

#[derive(Clone, Copy)]
enum Side {
    Bid,
    Ask,
}

impl Side {
    const fn level(self, tick: &NormalizedTick<'_>, level: usize) -> (Option<f64>, Option<i32>) {
        let found = match self {
            Self::Bid => &tick.bids[level],
            Self::Ask => &tick.asks[level],
        };
        (found.price, found.volume)
    }
}

/// Every column, in order.
fn columns() -> Vec<(String, Get)> {
    let mut columns = vec![
        ("vt_symbol", Get::Text(Text::VtSymbol)),
        ("symbol", Get::Text(Text::Symbol)),
        ("exchange", Get::Text(Text::Exchange)),
        ("timestamp", Get::Time(|tick| tick.exchange_ts.0)),
        ("trading_day", Get::Day(|tick| tick.trading_day.0)),
        ("action_day", Get::Day(|tick| tick.action_day)),
        ("last_price", Get::Number(|tick| tick.last_price)),
        ("last_volume", Get::Lots(|tick| tick.last_volume)),
        ("volume", Get::Count(|tick| tick.volume)),
        ("turnover", Get::Number(|tick| tick.turnover)),
        ("open_interest", Get::Number(|tick| tick.open_interest)),
        ("open_price", Get::Number(|tick| tick.open_price)),
        ("high_price", Get::Number(|tick| tick.high_price)),
        ("low_price", Get::Number(|tick| tick.low_price)),
        ("pre_close", Get::Number(|tick| tick.pre_close)),
        (
            "pre_settlement_price",
            Get::Number(|tick| tick.pre_settlement_price),
        ),
        (
            "pre_open_interest",
            Get::Number(|tick| tick.pre_open_interest),
        ),
        ("close_price", Get::Number(|tick| tick.close_price)),
        (
            "settlement_price",
            Get::Number(|tick| tick.settlement_price),
        ),
        ("average_price", Get::Number(|tick| tick.average_price)),
        ("limit_up", Get::Number(|tick| tick.limit_up)),
        ("limit_down", Get::Number(|tick| tick.limit_down)),
    ]
    .into_iter()
    .map(|(name, get)| (name.to_owned(), get))
    .collect::<Vec<_>>();
    for level in 0..LEVELS {
        let number = level + 1;
        columns.extend([
            (format!("bid_price_{number}"), Get::Price(Side::Bid, level)),
            (format!("bid_volume_{number}"), Get::Size(Side::Bid, level)),
            (format!("ask_price_{number}"), Get::Price(Side::Ask, level)),
            (format!("ask_volume_{number}"), Get::Size(Side::Ask, level)),
        ]);
    }
    columns.extend(
        [
            ("local_time", Get::Time(|tick| tick.recv_ts.0)),
            ("seq", Get::Long(|tick| tick.seq.0.cast_signed())),
            ("source", Get::Text(Text::Source)),
            ("flags", Get::Text(Text::Flags)),
        ]
        .map(|(name, get)| (name.to_owned(), get)),
    );
    columns
}

impl Get {
    /// The column in the language of Parquet schemas.
    fn declared(self, name: &str) -> String {
        match self {
            Self::Text(Text::Flags) => format!("optional binary {name} (STRING);"),
            Self::Text(_) => format!("required binary {name} (STRING);"),
            Self::Time(_) => format!("required int64 {name} (TIMESTAMP(NANOS,true));"),
            Self::Day(_) => format!("required int32 {name} (DATE);"),
            Self::Long(_) => format!("required int64 {name};"),
            Self::Count(_) => format!("required int32 {name};"),
            Self::Lots(_) | Self::Size(..) => format!("optional int32 {name};"),
            Self::Number(_) | Self::Price(..) => format!("optional double {name};"),
        }
    }

    const fn values(self) -> Values {
        match self {
            Self::Text(Text::Flags) => Values::Text(Nullable::new()),
            Self::Text(_) => Values::Text(Nullable::required()),
            Self::Time(_) | Self::Long(_) => Values::Long(Nullable::required()),
            Self::Day(_) | Self::Count(_) => Values::Int(Nullable::required()),
            Self::Lots(_) | Self::Size(..) => Values::Int(Nullable::new()),
            Self::Number(_) | Self::Price(..) => Values::Double(Nullable::new()),
        }
    }
}

/// Values that may be missing, as Parquet takes them: those that are there, and for each row whether it has
/// one.
struct Nullable<T> {
    values: Vec<T>,
    /// `None` for a column without missing values.
    levels: Option<Vec<i16>>,
}

impl<T> Nullable<T> {
    const fn new() -> Self {
        Self {
            values: Vec::new(),
            levels: Some(Vec::new()),
        }
    }

    const fn required() -> Self {
        Self {
            values: Vec::new(),
            levels: None,
        }
    }

    fn push(&mut self, value: Option<T>) {
        if let Some(levels) = &mut self.levels {
            levels.push(value.is_some().into());
        }
        self.values.extend(value);
    }

    fn write<P: DataType<T = T>, W: Write + Send>(
        &mut self,
        group: &mut SerializedRowGroupWriter<'_, W>,
    ) -> Result<()> {
        let column = group.next_column()?;
        let mut column = column
            .ok_or_else(|| ParquetError::General("more columns than in the schema".into()))?;
        let written = column
            .typed::<P>()
            .write_batch(&self.values, self.levels.as_deref(), None);
        written?;
        column.close()?;
        self.values.clear();
        if let Some(levels) = &mut self.levels {
            levels.clear();
        }
        Ok(())
    }
}

enum Values {
    Text(Nullable<ByteArray>),
    Long(Nullable<i64>),
    Int(Nullable<i32>),
    Double(Nullable<f64>),
}

/// The texts of an instrument, which its rows share.
#[derive(Clone)]
struct Names {
    vt_symbol: ByteArray,
    symbol: ByteArray,
    exchange: ByteArray,
}

fn shared(text: &str) -> ByteArray {
    Bytes::copy_from_slice(text.as_bytes()).into()
}

impl Names {
    fn of(tick: &NormalizedTick<'_>) -> Self {
        let contract = &tick.instrument.contract;
        Self {
            vt_symbol: shared(&tick.instrument.vt_symbol),
            symbol: shared(&contract.instrument_id),
            exchange: shared(contract.exchange.as_str()),
        }
    }
}

/// Writes the table, row group by row group.
pub struct TableWriter<W: Write + Send> {
    writer: SerializedFileWriter<W>,
    columns: Vec<(Get, Values)>,
    rows: usize,
    source: ByteArray,
    /// By [`Instrument::index`](crate::normalize::Instrument::index).
    names: Vec<Option<Names>>,
    /// The last set of flags and its text.
    flags: (Flags, Option<ByteArray>),
}

impl<W: Write + Send> std::fmt::Debug for TableWriter<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TableWriter")
            .field("rows", &self.rows)
            .finish_non_exhaustive()
    }
}

impl<W: Write + Send> TableWriter<W> {
    /// Begins a table in `out`. `source` is the value of its column of that name.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn new(out: W, source: PayloadSource) -> Result<Self> {
        let columns = columns();
        let declared = columns.iter().map(|(name, get)| get.declared(name));
        let declared = declared.collect::<Vec<_>>().join("\n");
        let schema = parse_message_type(&format!("message tick {{\n{declared}\n}}"))?;
        let schema_text = KeyValue::new("ARROW:schema".to_owned(), ARROW_SCHEMA.trim().to_owned());
        let properties = WriterProperties::builder()
            .set_created_by(concat!("tickdeck ", env!("CARGO_PKG_VERSION")).into())
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_key_value_metadata(Some(vec![schema_text]))
            .build();
        Ok(Self {
            writer: SerializedFileWriter::new(out, Arc::new(schema), Arc::new(properties))?,
            columns: columns
                .into_iter()
                .map(|(_, get)| (get, get.values()))
                .collect(),
            rows: 0,
            source: shared(source.as_str()),
            names: Vec::new(),
            flags: (Flags::EMPTY, None),
        })
    }

    /// Adds a row.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub fn write(&mut self, tick: &NormalizedTick<'_>) -> Result<()> {
        let index = tick.instrument.index;
        if self.names.len() <= index {
            self.names.resize(index + 1, None);
        }
        let names = self.names[index].get_or_insert_with(|| Names::of(tick));
        if self.flags.0 != tick.flags {
            self.flags = (tick.flags, text_of(tick.flags));
        }
        for (get, values) in &mut self.columns {
            match (*get, values) {
                (Get::Text(text), Values::Text(values)) => values.push(match text {
                    Text::VtSymbol => Some(names.vt_symbol.clone()),
                    Text::Symbol => Some(names.symbol.clone()),
                    Text::Exchange => Some(names.exchange.clone()),
                    Text::Source => Some(self.source.clone()),
                    Text::Flags => self.flags.1.clone(),
                }),
                (Get::Time(get) | Get::Long(get), Values::Long(values)) => {
                    values.push(Some(get(tick)));
                }
                (Get::Day(get), Values::Int(values)) => {
                    values.push(Some(days_since_1970(get(tick))));
                }
                (Get::Count(get), Values::Int(values)) => values.push(Some(get(tick))),
                (Get::Lots(get), Values::Int(values)) => values.push(get(tick)),
                (Get::Size(side, level), Values::Int(values)) => {
                    values.push(side.level(tick, level).1);
                }
                (Get::Number(get), Values::Double(values)) => values.push(get(tick)),
                (Get::Price(side, level), Values::Double(values)) => {
                    values.push(side.level(tick, level).0);
                }
                // `Get::values` makes no other pair.
                _ => {}
            }
        }
        self.rows += 1;
        match self.rows {
            GROUP_ROWS => self.end_group(),
            _ => Ok(()),
        }
    }

    fn end_group(&mut self) -> Result<()> {
        let mut group = self.writer.next_row_group()?;
        for (_, values) in &mut self.columns {
            match values {
                Values::Text(values) => values.write::<ByteArrayType, _>(&mut group)?,
                Values::Long(values) => values.write::<Int64Type, _>(&mut group)?,
                Values::Int(values) => values.write::<Int32Type, _>(&mut group)?,
                Values::Double(values) => values.write::<DoubleType, _>(&mut group)?,
            }
        }
        group.close()?;
        self.rows = 0;
        Ok(())
    }

    /// Writes what is left and the footer. Returns the output.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub fn finish(mut self) -> Result<W> {
        if self.rows > 0 {
            self.end_group()?;
        }
        self.writer.into_inner()
    }
}

fn days_since_1970(day: NaiveDate) -> i32 {
    day.num_days_from_ce() - EPOCH_DAYS
}

/// The words of flags, separated by commas; `None` without one.
fn text_of(flags: Flags) -> Option<ByteArray> {
    let words = flags.iter().map(Flag::as_str).collect::<Vec<_>>();
    (!words.is_empty()).then(|| shared(&words.join(",")))
}
