//! Encodes a row group: its rows sorted by instrument, column by column, on up to two threads.
//!
//! Which thread encodes a column does not show in the file: the chunks are put in order.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::ScopedJoinHandle;

use parquet::column::writer::{get_column_writer, get_typed_column_writer_mut};
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::errors::{ParquetError, Result};
use parquet::file::properties::WriterPropertiesPtr;
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use parquet::schema::types::{ColumnDescPtr, SchemaDescriptor};
use tickdeck_core::event::TICK_KIND;
use tickdeck_core::thread;

use super::columns::{RowGroupBuffer, SessionRow, TickColumn};
use super::encoding::{Column, EncodedChunk, Encoder};
use super::latin1::text_to_utf8;
use super::schema::{
    DETAIL, EVENT_COLUMNS, KIND, RECV_TS, SEQ, compression_level, encoding_of, parquet_schema,
};

/// Row groups with fewer rows are encoded on the calling thread alone.
const ROWS_OF_TWO_THREADS: usize = 4_096;

/// Encodes row groups, one at a time.
pub(super) struct GroupEncoder {
    schema: SchemaDescriptor,
    properties: WriterPropertiesPtr,
    /// One a thread.
    encoders: [Encoder; 2],
    threads: usize,
}

impl GroupEncoder {
    /// For segments with these properties.
    pub(super) fn new(properties: WriterPropertiesPtr) -> Result<Self> {
        let encoder = || Encoder::new(compression_level()?);
        Ok(Self {
            schema: SchemaDescriptor::new(parquet_schema()?),
            properties,
            encoders: [encoder()?, encoder()?],
            threads: thread::cores(),
        })
    }

    /// The chunks of all columns, in the order of the file.
    pub(super) fn encode(&mut self, buffer: &RowGroupBuffer) -> Result<Vec<EncodedChunk>> {
        let group = Group {
            schema: &self.schema,
            properties: &self.properties,
            buffer,
            ticks: buffer.ticks.all(),
            order: buffer.order_by_instrument(),
        };
        let [first, second] = &mut self.encoders;
        let next = AtomicUsize::new(0);
        if self.threads < 2 || buffer.len() < ROWS_OF_TWO_THREADS {
            return Ok(in_order(group.encode_from(&next, first)?));
        }
        let (mine, theirs) = std::thread::scope(|scope| {
            let work = || group.encode_from(&next, second);
            // Without a second thread, the first one encodes all.
            let helper = thread::spawn_scoped(scope, "encoder", work).ok();
            let mine = group.encode_from(&next, first);
            (mine, helper.map(ScopedJoinHandle::join))
        });
        let mut chunks = mine?;
        if let Some(theirs) = theirs {
            // A panic was reported with its place.
            let ended = |_| ParquetError::General("the encoder thread ended early".into());
            chunks.extend(theirs.map_err(ended)??);
        }
        Ok(in_order(chunks))
    }
}

/// A chunk and the place of its column.
type Placed = (usize, EncodedChunk);

fn in_order(mut chunks: Vec<Placed>) -> Vec<EncodedChunk> {
    chunks.sort_unstable_by_key(|(column, _)| *column);
    chunks.into_iter().map(|(_, chunk)| chunk).collect()
}

/// A full row group and the order of its ticks.
struct Group<'a> {
    schema: &'a SchemaDescriptor,
    properties: &'a WriterPropertiesPtr,
    buffer: &'a RowGroupBuffer,
    ticks: Vec<TickColumn<'a>>,
    order: Vec<u32>,
}

impl Group<'_> {
    /// Encodes the columns that no thread has taken yet.
    fn encode_from(&self, next: &AtomicUsize, encoder: &mut Encoder) -> Result<Vec<Placed>> {
        let mut chunks = Vec::new();
        loop {
            let column = next.fetch_add(1, Ordering::Relaxed);
            if column >= self.schema.num_columns() {
                return Ok(chunks);
            }
            chunks.push((column, self.encode(column, encoder)?));
        }
    }

    fn encode(&self, index: usize, encoder: &mut Encoder) -> Result<EncodedChunk> {
        let descr = self.schema.column(index);
        let sessions = match index {
            DETAIL => return self.details(descr),
            SEQ | RECV_TS | KIND => 0,
            _ => self.buffer.sessions.len(),
        };
        let column = Column {
            descr: &descr,
            encoding: encoding_of(descr.name()),
            rows: count(self.buffer.len())?,
            nulls: count(sessions)?,
        };
        match index {
            SEQ => self.clock(&column, encoder, |row| row.seq, &self.buffer.tick_seq),
            RECV_TS => self.clock(
                &column,
                encoder,
                |row| row.recv_ts,
                &self.buffer.tick_recv_ts,
            ),
            KIND => self.kinds(&column, encoder),
            _ => match &self.ticks[index - EVENT_COLUMNS.len()] {
                TickColumn::F64(values) => encoder.numbers(&column, self.sorted(values), None),
                TickColumn::I32(values) => encoder.numbers(&column, self.sorted(values), None),
                TickColumn::Text { keys, values } => {
                    let texts: Vec<String> = values.iter().map(|text| text_to_utf8(text)).collect();
                    encoder.texts(&column, self.sorted(keys), &texts)
                }
            },
        }
    }

    /// Values of ticks in the order of the file.
    fn sorted<'v, T: Copy>(&'v self, values: &'v [T]) -> impl Iterator<Item = T> + 'v {
        self.order.iter().map(|row| values[*row as usize])
    }

    /// A column that every row has, and by which files are searched.
    fn clock(
        &self,
        column: &Column<'_>,
        encoder: &mut Encoder,
        of_session: impl Fn(&SessionRow) -> i64,
        of_ticks: &[i64],
    ) -> Result<EncodedChunk> {
        let of_sessions = || self.buffer.sessions.iter().map(&of_session);
        let all = || of_sessions().chain(of_ticks.iter().copied());
        let range = all().min().zip(all().max());
        encoder.numbers(column, of_sessions().chain(self.sorted(of_ticks)), range)
    }

    fn kinds(&self, column: &Column<'_>, encoder: &mut Encoder) -> Result<EncodedChunk> {
        let mut kinds = vec![TICK_KIND];
        let mut keys = Vec::new();
        for session in &self.buffer.sessions {
            let known = kinds.iter().position(|kind| *kind == session.kind);
            keys.push(count(known.unwrap_or(kinds.len()))?);
            if known.is_none() {
                kinds.push(session.kind);
            }
        }
        let ticks = std::iter::repeat_n(0, self.order.len());
        encoder.texts(column, keys.into_iter().chain(ticks), &kinds)
    }

    /// Details of session events are few and of any length. The library's writer keeps its pages
    /// small.
    fn details(&self, descr: ColumnDescPtr) -> Result<EncodedChunk> {
        let sessions = self.buffer.sessions.iter();
        let details: Vec<ByteArray> = sessions
            .map(|session| ByteArray::from(session.detail.as_str()))
            .collect();
        let mut levels = vec![1_i16; details.len()];
        levels.resize(self.buffer.len(), 0);
        let mut sink = TrackedWrite::new(Vec::new());
        let pages = Box::new(SerializedPageWriter::new(&mut sink));
        let mut writer = get_column_writer(descr, Arc::clone(self.properties), pages);
        get_typed_column_writer_mut::<ByteArrayType>(&mut writer).write_batch(
            &details,
            Some(&levels),
            None,
        )?;
        let mut close = writer.close()?;
        close.offset_index = close
            .offset_index
            .filter(|index| index.page_locations().len() > 1);
        Ok(EncodedChunk::new(sink.into_inner()?, close))
    }
}

/// A number of rows.
fn count(rows: usize) -> Result<u32> {
    u32::try_from(rows).map_err(|_| ParquetError::General(format!("a row group of {rows} rows")))
}

#[cfg(test)]
mod tests {
    use tickdeck_core::event::{Event, EventKind, RawTick, Seq, SessionEvent, Text};
    use tickdeck_core::time::UnixNanos;

    use super::super::schema::writer_properties;
    use super::*;

    fn event(seq: u64) -> Event {
        let price = f64::from(u32::try_from(seq * 7_919 % 1_000).unwrap());
        let tick = RawTick {
            instrument_id: Text::new(format!("rb{}", seq % 61).as_bytes()).unwrap(),
            last_price: price,
            turnover: price * price,
            bid_price5: f64::NAN,
            volume: i32::try_from(seq).unwrap(),
            ..RawTick::default()
        };
        Event {
            seq: Seq(seq),
            recv_ts: UnixNanos(1_000_000_007 * i64::try_from(seq).unwrap()),
            kind: match seq % 997 {
                0 => EventKind::Session(SessionEvent::FrontConnected {}),
                _ => EventKind::Tick(tick),
            },
        }
    }

    fn buffer(events: impl Iterator<Item = u64>) -> RowGroupBuffer {
        let mut buffer = RowGroupBuffer::default();
        events.for_each(|seq| buffer.push(&event(seq)));
        buffer
    }

    fn encoder(threads: usize) -> GroupEncoder {
        let properties = Arc::new(writer_properties(Vec::new()).unwrap());
        let encoder = GroupEncoder::new(properties).unwrap();
        GroupEncoder { threads, ..encoder }
    }

    fn encode(encoder: &mut GroupEncoder, buffer: &RowGroupBuffer) -> Vec<String> {
        let chunks = encoder.encode(buffer).unwrap();
        chunks.iter().map(|chunk| format!("{chunk:?}")).collect()
    }

    #[test]
    fn bytes_do_not_depend_on_threads_and_earlier_groups() {
        let group = buffer(0..2 * ROWS_OF_TWO_THREADS as u64);
        let expected = encode(&mut encoder(1), &group);
        assert_eq!(expected.len(), encoder(1).schema.num_columns());
        let mut two = encoder(2);
        for earlier in [0..1, 5_000..30_000, 0..9_000] {
            assert!(encode(&mut two, &group) == expected);
            encode(&mut two, &buffer(earlier));
        }
    }

    #[test]
    fn rows_of_one_kind_alone_are_encoded() {
        for events in [vec![0], vec![1], vec![0, 997, 1_994]] {
            let group = buffer(events.into_iter());
            assert_eq!(encode(&mut encoder(2), &group).len(), 52);
        }
    }
}
