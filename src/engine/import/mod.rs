//! Reads real tick dumps as events: several CSV dialects, also in Parquet, WonderTrader's binary
//! ticks, tickdeck's exports.
//!
//! [`ImportSource`] opens files (also inside zstd, gzip, zip and tar), detects each one's [`Dialect`], reads
//! its rows back into CTP structs and merges all inputs by (`recv_ts`, input, row).
//!
//! - Every value of a row is in the tick. A double that the row lacks is `DBL_MAX` where it would
//!   be published, never a guess.
//! - Rows of one input keep their order, and the same files yield the same events.
//! - Memory is bounded by the number of inputs, not by their size.
//!
//! This module does not know the use of the events.

mod ahead;
mod arrival;
mod cell;
mod clock;
mod columns;
mod csv_rows;
mod detect;
mod dialect;
mod dsb;
mod error;
mod fields;
mod file_name;
mod instruments;
mod jsonl;
mod members;
mod names;
mod number;
mod open;
mod options;
mod out_of_order;
mod parquet_form;
mod parquet_rows;
mod plan;
mod recv_ts_rule;
mod report;
mod row;
mod row_error;
mod spool;
mod stamp;
mod tables;
#[cfg(test)]
mod tests;
mod text;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::path::PathBuf;
use std::sync::Arc;

use tickdeck_core::calendar::TradingCalendar;
use tickdeck_core::contract::{Contract, ContractTable};
use tickdeck_core::event::{Event, EventKind, Seq};
use tickdeck_core::source::{ReceiveTimes, Source, SourceError, SourceInfo};
use tickdeck_core::time::UnixNanos;

use crate::import::ahead::Ahead;
use crate::import::arrival::{Arrival, Verdict};
use crate::import::detect::Detected;
use crate::import::instruments::Instruments;
use crate::import::members::SkippedMembers;
use crate::import::open::Opened;
use crate::import::report::BAD_ROWS_MAX;
use crate::import::row::{ReadRows, Row};
use crate::import::row_error::RowError;
use crate::import::spool::Spool;
use crate::import::stamp::{Placed, Stamper};

pub use dialect::Dialect;
pub use error::{ColumnGuess, ImportError};
pub use instruments::DoubtfulInstrument;
pub use options::{ColumnMap, GivenOption, ImportOptions};
pub use out_of_order::{HeldBack, Moved, NoTime, OutOfOrder, Redated, SetAside};
pub use recv_ts_rule::RecvTsRule;
pub use report::{ImportReport, InputReport};
pub use row_error::{BadRow, RowProblem};

/// Bytes of read buffers over all inputs; each gets its share between the two bounds below.
const BUFFERS_BYTES: usize = 32 * 1024 * 1024;
const BUFFER_MIN: usize = 4 * 1024;
const BUFFER_MAX: usize = 256 * 1024;

/// Rows that are read at first to place one.
const ROWS_AHEAD_MIN: usize = 64;
/// Rows that are read at most, about 12 MB.
const ROWS_AHEAD_MAX: usize = 16 * 1024;
/// Rows that are read at most to find a volume, about 3 MB.
const ROWS_TO_VOLUME_MAX: usize = 4 * 1024;

/// One file or archive member, with its next event.
struct Input {
    rows: Box<dyn ReadRows>,
    stamper: Stamper,
    arrival: Arrival,
    /// The row of the next event.
    row: Row,
    /// Rows after it that were read to place it.
    ahead: Ahead,
    /// Bytes that the report already counts.
    counted: u64,
}

/// The context for adding an input.
struct Reader<'a> {
    input: &'a Opened,
    options: &'a ImportOptions,
    contracts: &'a Arc<ContractTable>,
    calendar: &'a Arc<TradingCalendar>,
}

/// What an input has.
enum Content {
    /// Nothing at all.
    Empty,
    Rows(Detected),
    /// No row, as a README beside them; the error names the dialects that were tried.
    NoData(ImportError),
}

impl Reader<'_> {
    fn content(&self) -> Result<Content, ImportError> {
        if self.input.slice.len == 0 {
            return Ok(Content::Empty);
        }
        match detect::detect(self.input, self.options) {
            Ok(detected) => Ok(Content::Rows(detected)),
            Err(error) if members::is_beside_data(self.input, &error)? => {
                Ok(Content::NoData(error))
            }
            Err(error) => Err(error),
        }
    }
}

/// Yields the rows of the inputs as events, numbered from 0 and merged in time order.
pub struct ImportSource {
    /// Parallel to the report's inputs; `None` when an input is read to its end.
    inputs: Vec<Option<Input>>,
    /// The next event of each input, earliest first; ties go to the earlier input.
    heads: BinaryHeap<Reverse<(UnixNanos, usize)>>,
    instruments: Instruments,
    /// Those of the first row. All rows must agree: whether receive times are evidence is said of a
    /// whole recording.
    receive_times: Option<ReceiveTimes>,
    next_seq: u64,
    /// Columns of the options that no input has had so far.
    missing: Vec<String>,
    /// Options that no row has taken so far.
    unused: Vec<GivenOption>,
    skip_bad: bool,
    report: ImportReport,
    failed: bool,
}

impl std::fmt::Debug for ImportSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ImportSource")
            .field("report", &self.report)
            .finish_non_exhaustive()
    }
}

impl ImportSource {
    /// Opens `paths`, finds their dialects and reads the first row of each.
    ///
    /// Compressed inputs are decompressed here, into an unnamed temporary file.
    ///
    /// # Errors
    /// When a file cannot be read or decompressed, its dialect is not clear, trading day or
    /// instrument are unknown, or a first row is bad.
    pub fn open(
        paths: &[PathBuf],
        options: ImportOptions,
        contracts: Arc<ContractTable>,
        calendar: Arc<TradingCalendar>,
    ) -> Result<Self, ImportError> {
        let (opened, mut spool) = open::open_all(paths)?;
        if opened.is_empty() {
            let names: Vec<_> = paths
                .iter()
                .map(|path| path.display().to_string())
                .collect();
            return Err(ImportError::NoMembers {
                inputs: names.join(", "),
            });
        }
        if opened.iter().all(|input| input.slice.len == 0) {
            let names: Vec<_> = opened.into_iter().map(|input| input.name).collect();
            return Err(ImportError::Empty {
                inputs: names.join(", "),
            });
        }
        let buffer = (BUFFERS_BYTES / opened.len()).clamp(BUFFER_MIN, BUFFER_MAX);
        let mut source = Self {
            inputs: Vec::with_capacity(opened.len()),
            heads: BinaryHeap::with_capacity(opened.len()),
            instruments: Instruments::new(Arc::clone(&contracts), options.trust_exchange),
            receive_times: None,
            next_seq: 0,
            missing: options.column_names().map(str::to_owned).collect(),
            unused: options.given(),
            skip_bad: options.skip_bad,
            report: ImportReport::default(),
            failed: false,
        };
        let mut have_keys = false;
        let mut skipped = SkippedMembers::default();
        for input in &opened {
            let reader = Reader {
                input,
                options: &options,
                contracts: &contracts,
                calendar: &calendar,
            };
            match reader.content()? {
                Content::Empty => source.add_empty(input),
                Content::Rows(detected) => {
                    skipped.has_data(input);
                    have_keys |= source.add(&reader, detected, &mut spool, buffer)?;
                }
                Content::NoData(error) => skipped.skip(input, error),
            }
        }
        source.report.skipped_members = skipped.finish()?;
        if !have_keys {
            source.refuse_missing()?;
        }
        Ok(source)
    }

    /// Refuses a column of the options that no input has.
    fn refuse_missing(&self) -> Result<(), ImportError> {
        match self.missing.first() {
            Some(name) => Err(ImportError::NoColumn { name: name.clone() }),
            None => Ok(()),
        }
    }

    /// Adds an input without a row.
    fn add_empty(&mut self, input: &Opened) {
        self.inputs.push(None);
        self.report.inputs.push(InputReport::new(&input.name, None));
    }

    /// Adds one input and reads its first row. Returns whether its rows name their columns.
    fn add(
        &mut self,
        new: &Reader<'_>,
        detected: Detected,
        spool: &mut Spool,
        buffer: usize,
    ) -> Result<bool, ImportError> {
        self.missing.retain(|name| !detected.has_column(name));
        let has_keys = detected.has_keys();
        let mut stamper = Stamper::new(Arc::clone(new.contracts), Arc::clone(new.calendar));
        detect::locate(
            new.input,
            &detected,
            new.options,
            &self.instruments,
            &mut stamper,
        )?;
        let report = InputReport::new(&new.input.name, Some(detected.dialect));
        self.report.inputs.push(report);
        let (rows, bytes) = detected.into_reader(new.input, spool, buffer)?;
        self.report.bytes_total += bytes;
        self.inputs.push(Some(Input {
            rows,
            stamper,
            arrival: Arrival::default(),
            row: Row::new(),
            ahead: Ahead::default(),
            counted: 0,
        }));
        self.advance(self.inputs.len() - 1)?;
        Ok(has_keys)
    }

    /// The report so far.
    #[must_use]
    pub fn report(&self) -> &ImportReport {
        &self.report
    }

    /// What a recording of the rows so far says of its source.
    #[must_use]
    pub fn info(&self) -> SourceInfo {
        let words = |words: Vec<String>| words.join(",");
        let dialects = self.report.dialects();
        let rules = self.report.recv_ts_rules();
        SourceInfo {
            kind: "import".into(),
            detail: format!(
                "dialect={}",
                words(dialects.iter().map(ToString::to_string).collect())
            ),
            payload_source: "ctp".into(),
            recv_ts: words(rules.iter().map(|rule| rule.as_str().to_owned()).collect()),
            ..SourceInfo::default()
        }
    }

    /// Ids that the dumps write in another form than CTP, with CTP's.
    #[must_use]
    pub fn renamed_instruments(&self) -> BTreeMap<String, String> {
        self.instruments.renamed()
    }

    /// The options that have changed no row so far.
    #[must_use]
    pub fn options_without_effect(&self) -> Vec<GivenOption> {
        let mut unused = self.unused.clone();
        if !self.instruments.trusted().is_empty() {
            unused.retain(|option| *option != GivenOption::TrustExchange);
        }
        unused
    }

    /// The instruments so far whose exchange is in doubt, by id.
    #[must_use]
    pub fn doubtful_instruments(&self) -> Vec<DoubtfulInstrument> {
        self.instruments.doubtful()
    }

    /// The contracts by which a replay publishes instruments under the exchange that their rows
    /// name; none without [`ImportOptions::trust_exchange`].
    #[must_use]
    pub fn trusted_contracts(&self) -> Vec<Contract> {
        self.instruments.trusted()
    }

    /// Reads the next good row of an input and puts it among the heads.
    fn advance(&mut self, index: usize) -> Result<(), ImportError> {
        let (Some(slot), Some(report)) = (
            self.inputs.get_mut(index),
            self.report.inputs.get_mut(index),
        ) else {
            return Ok(());
        };
        let Some(input) = slot else {
            return Ok(());
        };
        loop {
            let next = input.next(
                &mut report.out_of_order,
                &mut self.instruments,
                &mut self.receive_times,
            );
            self.unused
                .retain(|option| !input.stamper.has_taken(*option));
            let read = input.rows.bytes_read();
            self.report.bytes_read += read.saturating_sub(input.counted);
            input.counted = read.max(input.counted);
            match next {
                Ok(Some(recv_ts)) => {
                    report.blank_volumes += u64::from(input.row.is_volume_blank);
                    report.recv_ts_rules.clear();
                    report.recv_ts_rules.extend(input.arrival.rules());
                    self.heads.push(Reverse((recv_ts, index)));
                    return Ok(());
                }
                Ok(None) => {
                    self.missing.retain(|name| !input.rows.has_had(name));
                    *slot = None;
                    return Ok(());
                }
                Err(RowError::Io(error)) => return Err(ImportError::io(&report.name, error)),
                Err(RowError::Bad(row, problem)) => {
                    let bad = BadRow {
                        input: report.name.clone(),
                        row,
                        problem,
                    };
                    if !self.skip_bad {
                        return Err(ImportError::Row(bad));
                    }
                    report.skipped += 1;
                    if self.report.bad_rows.len() < BAD_ROWS_MAX {
                        self.report.bad_rows.push(bad);
                    }
                }
            }
        }
    }

    /// Appends the event of the earliest head and reads the row after it.
    fn pop(&mut self, batch: &mut Vec<Event>) -> Result<bool, ImportError> {
        let Some(Reverse((recv_ts, index))) = self.heads.pop() else {
            self.refuse_missing()?;
            return Ok(false);
        };
        let (Some(Some(input)), Some(report)) = (
            self.inputs.get_mut(index),
            self.report.inputs.get_mut(index),
        ) else {
            return Ok(false);
        };
        let kind = match input.row.session.take() {
            Some(session) => EventKind::Session(session),
            None => EventKind::Tick(input.row.tick),
        };
        report.rows += 1;
        let seq = Seq(self.next_seq);
        self.next_seq += 1;
        // Before the next row is read: an error there must not take this event along.
        batch.push(Event { seq, recv_ts, kind });
        self.advance(index)?;
        Ok(true)
    }
}

impl Input {
    /// Makes the next row the current one and gives its `recv_ts`.
    fn next(
        &mut self,
        noted: &mut OutOfOrder,
        instruments: &mut Instruments,
        expected: &mut Option<ReceiveTimes>,
    ) -> Result<Option<UnixNanos>, RowError> {
        let placed = match self.ahead.pop() {
            Some(read) => {
                let (row, placed) = read?;
                self.row = row;
                placed
            }
            None => match self.read(instruments)? {
                Some(placed) => placed,
                None => return Ok(None),
            },
        };
        let row = (self.row.number, self.row.tick.instrument_id);
        let receive_times = placed.receive_times();
        if *expected.get_or_insert(receive_times) != receive_times {
            let measured = receive_times == ReceiveTimes::Measured;
            let problem = RowProblem::MixedReceiveTimes { measured };
            return Err(RowError::Bad(row.0, problem));
        }
        let verdict = self.verdict(placed, instruments);
        if self.row.is_volume_unknown {
            self.fill_volume_from_below(instruments);
        }
        // A row dated on a day without trading is out of order for that reason alone.
        let mut of_moved = OutOfOrder::default();
        let of_order = match self.row.moved {
            Some(_) => &mut of_moved,
            None => &mut *noted,
        };
        let recv_ts = self.arrival.next(row, placed, verdict, of_order);
        if recv_ts.is_ok() {
            self.row.note_times(noted);
        }
        recv_ts
            .map(Some)
            .map_err(|problem| RowError::Bad(row.0, problem))
    }

    /// What the rows below say about the current one. Only as many are read as decide it.
    fn verdict(&mut self, placed: Placed, instruments: &mut Instruments) -> Verdict {
        let Some(instant) = self.arrival.in_doubt(placed) else {
            return Verdict::Sound;
        };
        let instrument = self.row.tick.instrument_id;
        let mut rows = ROWS_AHEAD_MIN;
        loop {
            let is_at_end = !self.read_ahead(rows, instruments);
            let verdict = self.arrival.judge(instrument, instant, &self.ahead);
            if verdict != Verdict::Open || is_at_end || rows >= ROWS_AHEAD_MAX {
                return verdict;
            }
            rows *= 4;
        }
    }

    /// Fills a volume that is blank from the beginning of its trading day on with the next one of the day.
    /// A 0 there would be the base of a false `last_volume`.
    fn fill_volume_from_below(&mut self, instruments: &mut Instruments) {
        let instrument = self.row.tick.instrument_id;
        let mut rows = ROWS_AHEAD_MIN;
        loop {
            let is_at_end = !self.read_ahead(rows, instruments);
            let next = self.ahead.next_volume(instrument);
            if next.is_some() || is_at_end || rows >= ROWS_TO_VOLUME_MAX {
                self.stamper.take_volume(&mut self.row, next);
                return;
            }
            rows *= 4;
        }
    }

    /// Reads the next row of the input and places it.
    fn read(&mut self, instruments: &mut Instruments) -> Result<Option<Placed>, RowError> {
        if !self.rows.next_row(&mut self.row)? {
            return Ok(None);
        }
        self.stamper.note_symbol(&self.row);
        instruments.complete(&mut self.row, self.stamper.symbol);
        self.stamper.zero_is_missing = self.row.zero_is_missing;
        let placed = self.stamper.complete(&mut self.row);
        self.stamper.fill_volume(&mut self.row);
        placed
            .map(Some)
            .map_err(|problem| RowError::Bad(self.row.number, problem))
    }

    /// Reads until that many rows are ahead. Returns whether there are as many.
    fn read_ahead(&mut self, rows: usize, instruments: &mut Instruments) -> bool {
        let current = std::mem::replace(&mut self.row, Row::new());
        while self.ahead.len() < rows {
            match self.read(instruments) {
                Ok(Some(placed)) => {
                    let row = std::mem::replace(&mut self.row, Row::new());
                    self.ahead.push(Ok((row, placed)));
                }
                Ok(None) => break,
                Err(error) => {
                    let is_last = matches!(error, RowError::Io(_));
                    self.ahead.push(Err(error));
                    if is_last {
                        break;
                    }
                }
            }
        }
        self.row = current;
        self.ahead.len() >= rows
    }
}

impl Source for ImportSource {
    fn next_batch(&mut self, batch: &mut Vec<Event>, max: usize) -> Result<(), SourceError> {
        if self.failed {
            return Err(ImportError::Stopped.into());
        }
        for _ in 0..max {
            match self.pop(batch) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    self.failed = true;
                    return Err(error.into());
                }
            }
        }
        Ok(())
    }
}
