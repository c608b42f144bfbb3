//! Writes a recording: rolls segments, keeps the ledger, seals with the manifest.
//!
//! Segments get their names only when complete. A recording is abandoned by an error, or when it is
//! dropped before [`RecordingWriter::finish`]. It then removes its files unless
//! [`RecordingOptions::keep_partial`] is on.
//!
//! A crash-safe journal belongs in front of the row group buffer: it will hold the content of
//! `RowGroupBuffer` until the row group is on disk.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::file::metadata::KeyValue;
use rustc_hash::FxHashMap;
use tickdeck_core::calendar::TradingCalendar;
use tickdeck_core::contract::{Contract, ContractTable};
use tickdeck_core::event::{Event, InstrumentId};
use tickdeck_core::source::{ReceiveTimes, SourceInfo};
use tickdeck_core::time::{TradingDay, UnixNanos};

use super::columns::RowGroupBuffer;
use super::contracts_file;
use super::digest::EventDigest;
use super::error::RecordingError;
use super::format_version::FormatVersion;
use super::manifest::{CalendarCopy, FORMAT_NAME, Ledger, Manifest, SegmentEntry, Status};
use super::names::{CONTRACTS_FILE, MANIFEST_FILE, segment_file};
use super::place::{Place, choose_place, refuse_occupied, replace};
use super::schema::ROW_GROUP_ROWS;
use super::segment_writer::{SegmentWriter, text_to_utf8};
use super::storage::{Storage, local};

type Result<T> = std::result::Result<T, RecordingError>;

/// When a segment is sealed and the next one begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rolling {
    /// After this many events.
    pub max_rows: u64,
    /// Before an event this many nanoseconds of `recv_ts` after the segment's first; `None`: never.
    pub max_span: Option<i64>,
    /// Events of a row group, at most [`ROW_GROUP_ROWS`]. Fewer costs bytes and saves memory.
    pub row_group_rows: usize,
}

impl Default for Rolling {
    /// Sixteen full row groups: about 110 MB on disk.
    fn default() -> Self {
        Self {
            max_rows: 16 * ROW_GROUP_ROWS as u64,
            max_span: None,
            row_group_rows: ROW_GROUP_ROWS,
        }
    }
}

/// Options of a new recording.
#[derive(Debug, Clone)]
pub struct RecordingOptions {
    /// Session id, in the manifest and in message ids.
    pub session: String,
    /// Where the events come from.
    pub source: SourceInfo,
    /// Contract table in force.
    pub contracts: Arc<ContractTable>,
    /// Calendar in force.
    pub calendar: Arc<TradingCalendar>,
    /// When to seal a segment.
    pub rolling: Rolling,
    /// Replace a recording that is already there.
    pub overwrite: bool,
    /// Keep sealed segments when the recording is abandoned. Right for a live session, wrong for a
    /// conversion.
    pub keep_partial: bool,
}

/// Records events in `seq` order.
#[derive(Debug)]
pub struct RecordingWriter {
    storage: Arc<dyn Storage>,
    folder: PathBuf,
    /// The recording that is replaced at the end; untouched until then.
    replaces: Option<PathBuf>,
    created_folder: bool,
    options: RecordingOptions,
    segment: Option<SegmentWriter>,
    spare: RowGroupBuffer,
    segments: Vec<SegmentEntry>,
    next_seq: u64,
    ticks: u64,
    counts: FxHashMap<InstrumentId, u64>,
    trading_days: BTreeSet<chrono::NaiveDate>,
    day_cache: Option<(i64, chrono::NaiveDate)>,
    dropped: BTreeMap<String, u64>,
    digest: EventDigest,
    /// BLAKE3 of `contracts.parquet` as it was last written.
    contracts_blake3: String,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Failed,
    Finished,
}

impl std::fmt::Debug for SegmentWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SegmentWriter")
            .field("info", self.info())
            .finish_non_exhaustive()
    }
}

impl RecordingWriter {
    /// Whether [`create`](Self::create) would accept the folder. For callers with long work to do
    /// before they create it.
    ///
    /// # Errors
    /// Those of [`create`](Self::create) about what is there already.
    pub fn check_target(target: &Path, overwrite: bool) -> Result<()> {
        let storage = local();
        if storage.exists(target) {
            refuse_occupied(&*storage, target, overwrite)?;
        }
        Ok(())
    }

    /// Starts a recording in `target`, a folder of the local file system, which is created if it
    /// does not exist.
    ///
    /// # Errors
    /// When there is something in `target` already (and [`RecordingOptions::overwrite`] is off), or
    /// the file system refuses.
    pub fn create(target: &Path, options: RecordingOptions) -> Result<Self> {
        Self::create_in(local(), target, options)
    }

    /// The same on any storage.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub fn create_in(
        storage: Arc<dyn Storage>,
        target: &Path,
        options: RecordingOptions,
    ) -> Result<Self> {
        let place = choose_place(&*storage, target, options.overwrite)?;
        let Place {
            folder,
            replaces,
            created,
        } = place;
        let writer = Self {
            storage,
            folder,
            replaces,
            created_folder: created,
            options,
            segment: None,
            spare: RowGroupBuffer::default(),
            segments: Vec::new(),
            next_seq: 0,
            ticks: 0,
            counts: FxHashMap::default(),
            trading_days: BTreeSet::new(),
            day_cache: None,
            dropped: BTreeMap::new(),
            digest: EventDigest::new(),
            contracts_blake3: String::new(),
            state: State::Open,
        };
        writer.write_manifest(Status::Recording)?;
        Ok(writer)
    }

    /// Appends events; their `seq` must continue without a gap.
    ///
    /// # Errors
    /// On a gap, or when writing fails; after that nothing more is accepted.
    pub fn write(&mut self, events: &[Event]) -> Result<()> {
        if self.state != State::Open {
            return Err(RecordingError::WriterFailed {
                path: self.folder.clone(),
            });
        }
        let written = events.iter().try_for_each(|event| self.push(event));
        if written.is_err() {
            self.state = State::Failed;
        }
        written
    }

    fn push(&mut self, event: &Event) -> Result<()> {
        if event.seq.0 != self.next_seq {
            return Err(RecordingError::SeqGap {
                path: self.folder.clone(),
                expected: self.next_seq,
                found: event.seq.0,
            });
        }
        if self.segment_is_full(event) {
            self.seal_segment()?;
        }
        let segment = match &mut self.segment {
            Some(segment) => segment,
            none => none.insert(start_segment(
                &self.storage,
                &self.folder,
                self.segments.len(),
                &self.options,
                std::mem::take(&mut self.spare),
            )?),
        };
        segment.push(event)?;
        self.next_seq += 1;
        self.digest.update(event);
        if let Some(tick) = event.as_tick() {
            self.ticks += 1;
            *self.counts.entry(tick.instrument_id).or_insert(0) += 1;
            self.note_trading_day(event.recv_ts);
        }
        Ok(())
    }

    /// Says how the receive times came about, for a source that knows it only after its last event.
    pub fn set_recv_ts(&mut self, rules: String) {
        self.options.source.recv_ts = rules;
    }

    /// Trading day by receive time; one calendar look-up per hour of receive time.
    fn note_trading_day(&mut self, recv_ts: UnixNanos) {
        const NANOS_PER_HOUR: i64 = 3_600 * tickdeck_core::time::NANOS_PER_SECOND;
        let hour = recv_ts.0.div_euclid(NANOS_PER_HOUR);
        if self.day_cache.is_some_and(|(cached, _)| cached == hour) {
            return;
        }
        let day = self.options.calendar.trading_day_of(recv_ts).0;
        self.day_cache = Some((hour, day));
        self.trading_days.insert(day);
    }

    fn segment_is_full(&self, next: &Event) -> bool {
        let Some(segment) = &self.segment else {
            return false;
        };
        let rolling = &self.options.rolling;
        let info = segment.info();
        info.rows >= rolling.max_rows.max(1)
            || rolling
                .max_span
                .is_some_and(|span| next.recv_ts.since(info.start) >= span.max(1))
    }

    fn seal_segment(&mut self) -> Result<()> {
        if let Some(segment) = self.segment.take() {
            let (info, buffer) = segment.finish()?;
            self.spare = buffer;
            let file = segment_file(self.segments.len());
            self.segments.push(SegmentEntry::new(file, info));
            if self.options.keep_partial {
                // List it at once: a killed recorder leaves a readable recording.
                self.write_contracts()?;
                self.write_manifest(Status::Recording)?;
            }
        }
        Ok(())
    }

    /// Counts ticks that were lost before they could be recorded.
    pub fn count_dropped(&mut self, reason: &str, ticks: u64) {
        *self.dropped.entry(reason.to_owned()).or_insert(0) += ticks;
    }

    /// Adds contracts that became known while the events were written; they are kept with the
    /// recording.
    pub fn add_contracts(&mut self, contracts: impl IntoIterator<Item = Contract>) {
        Arc::make_mut(&mut self.options.contracts).extend(contracts);
    }

    /// The folder being written.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Ticks accepted so far.
    #[must_use]
    pub const fn ticks(&self) -> u64 {
        self.ticks
    }

    /// Ticks in sealed segments, which survive the end of this writer.
    #[must_use]
    pub fn sealed_ticks(&self) -> u64 {
        self.segments.iter().map(|segment| segment.ticks).sum()
    }

    /// Seals the last segment and writes contract table and manifest.
    ///
    /// # Errors
    /// When writing fails; sealed segments stay readable one by one.
    pub fn finish(mut self) -> Result<Manifest> {
        if self.state != State::Open {
            return Err(RecordingError::WriterFailed {
                path: self.folder.clone(),
            });
        }
        self.state = State::Failed;
        self.seal_segment()?;
        self.write_contracts()?;
        let digest = std::mem::take(&mut self.digest).finish();
        let manifest = self.manifest(Status::Complete, digest);
        manifest.write(&*self.storage, &self.folder)?;
        if let Some(target) = &self.replaces {
            replace(&*self.storage, target, &self.folder)?;
        }
        self.state = State::Finished;
        Ok(manifest)
    }

    fn write_contracts(&mut self) -> Result<()> {
        let path = self.folder.join(CONTRACTS_FILE);
        let content = contracts_file::encode(&path, &self.contracts_in_force())?;
        self.storage.put(&path, &content)?;
        self.contracts_blake3 = blake3::hash(&content).to_hex().to_string();
        Ok(())
    }

    /// The manifest of what is sealed so far; the digest comes with the end.
    fn write_manifest(&self, status: Status) -> Result<()> {
        let manifest = self.manifest(status, String::new());
        manifest.write(&*self.storage, &self.folder)
    }

    /// Explicit contracts, and the table's entry for every instrument seen, by id.
    fn contracts_in_force(&self) -> Vec<Contract> {
        let mut by_id: BTreeMap<String, Contract> = self
            .options
            .contracts
            .explicit()
            .map(|contract| (contract.instrument_id.clone(), contract.clone()))
            .collect();
        // The day determines the decade of a CZCE id. Without it, terms that changed would be
        // recorded as unknown, and a replay would know less than the session.
        let day = self.trading_days.last().copied().map(TradingDay);
        for id in self.counts.keys() {
            if let Ok(contract) = self.options.contracts.resolve_on(id.as_bytes(), day) {
                by_id
                    .entry(contract.instrument_id.clone())
                    .or_insert(contract);
            }
        }
        by_id.into_values().collect()
    }

    fn manifest(&self, status: Status, digest: String) -> Manifest {
        let calendar = &self.options.calendar;
        Manifest {
            format: FORMAT_NAME.into(),
            format_version: FormatVersion::CURRENT,
            session: self.options.session.clone(),
            status,
            source: self.options.source.clone(),
            events: self.next_seq,
            ticks: self.ticks,
            start: self.segments.iter().map(|s| s.start).min(),
            end: self.segments.iter().map(|s| s.end).max(),
            trading_days: self.trading_days.iter().map(ToString::to_string).collect(),
            digest,
            contracts_digest: self.options.contracts.digest(),
            contracts_blake3: self.contracts_blake3.clone(),
            calendar: CalendarCopy {
                digest: calendar.digest(),
                text: calendar.to_text(),
            },
            ledger: Ledger {
                received: self.ticks + self.dropped.values().sum::<u64>(),
                recorded: self.ticks,
                dropped: self.dropped.clone(),
            },
            instruments: self
                .counts
                .iter()
                .map(|(id, count)| (text_to_utf8(id.as_bytes()), *count))
                .collect(),
            segments: self.segments.clone(),
        }
    }
}

impl Drop for RecordingWriter {
    /// Removes partial files, unless the options keep them.
    fn drop(&mut self) {
        if self.state == State::Finished {
            return;
        }
        // Errors are ignored: the one that abandoned the recording is already on its way.
        self.segment = None;
        if self.options.keep_partial && !self.segments.is_empty() {
            return;
        }
        let files = (0..=self.segments.len()).map(segment_file);
        for file in files.chain([MANIFEST_FILE.into(), CONTRACTS_FILE.into()]) {
            let _ = self.storage.remove(&self.folder.join(file));
        }
        if self.created_folder {
            let _ = self.storage.remove_folder(&self.folder);
        }
    }
}

fn start_segment(
    storage: &Arc<dyn Storage>,
    folder: &Path,
    index: usize,
    options: &RecordingOptions,
    buffer: RowGroupBuffer,
) -> Result<SegmentWriter> {
    let source = &options.source;
    let mut metadata = vec![
        (
            "tickdeck.format_version",
            FormatVersion::CURRENT.to_string(),
        ),
        ("tickdeck.session", options.session.clone()),
        ("tickdeck.source", source.kind.clone()),
        ("tickdeck.payload_source", source.payload_source.clone()),
        ("tickdeck.api_version", source.api_version.clone()),
        ("tickdeck.struct_layout", source.struct_layout.clone()),
    ];
    // A lone segment must be read as the recording is: a clock's receive times need no word.
    if source.receive_times() == ReceiveTimes::Derived {
        metadata.push(("tickdeck.recv_ts", source.recv_ts.clone()));
    }
    let metadata = metadata.into_iter();
    let metadata = metadata.map(|(key, value)| KeyValue::new(key.into(), value));
    SegmentWriter::create(
        Arc::clone(storage),
        &folder.join(segment_file(index)),
        metadata.collect(),
        buffer,
        options.rolling.row_group_rows,
    )
}
