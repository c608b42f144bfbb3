//! Writes a recording: rolls segments, keeps the ledger, seals with the manifest.
//!
//! Segments get their names only when complete. A recording is abandoned by an error, or when it is
//! dropped before [`RecordingWriter::finish`]. It then removes its files unless
//! [`RecordingOptions::keep_partial`] is on. Events in a journal are kept in any case.
//!
//! A session that must survive a crash writes through a [`BackgroundWriter`](crate::BackgroundWriter):
//! its journal is in front of this writer, which removes a journal file once segments have its events.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::NaiveDate;
use parquet::file::metadata::KeyValue;
use tickdeck_core::calendar::TradingCalendar;
use tickdeck_core::contract::{Contract, ContractTable, Exchange};
use tickdeck_core::event::{Event, InstrumentId};
use tickdeck_core::source::{ReceiveTimes, SourceInfo};

use super::catalog::Catalog;
use super::columns::RowGroupBuffer;
use super::contracts_file;
use super::error::RecordingError;
use super::format_version::FormatVersion;
use super::journal::JournalFiles;
use super::manifest::{
    CalendarCopy, FORMAT_NAME, Ledger, LostEvents, Manifest, SegmentEntry, Status,
};
use super::names::{FileNames, segment_file};
use super::observed::Observed;
use super::owner::Owner;
use super::place::{Place, choose_place, refuse_occupied};
use super::replace::replace;
use super::schema::ROW_GROUP_ROWS;
use super::segment_writer::SegmentWriter;
use super::storage::{Storage, local};
use super::tally::{DayOf, Tally};

type Result<T> = std::result::Result<T, RecordingError>;

/// When a segment is sealed and the next one begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rolling {
    /// After this many events.
    pub max_rows: u64,
    /// Before an event this many nanoseconds of `recv_ts` after the segment's first; `None`: never.
    pub max_span: Option<i64>,
    /// When the row groups that are written have this many bytes; `None`: never. Looked at after each
    /// row group, so a segment has at least one.
    pub max_bytes: Option<u64>,
    /// Before an event of a later trading day, by receive time and calendar.
    pub by_trading_day: bool,
    /// Events of a row group, at most [`ROW_GROUP_ROWS`]. Fewer costs bytes and saves memory.
    pub row_group_rows: usize,
}

impl Default for Rolling {
    /// Sixteen full row groups: about 30 MB on disk.
    fn default() -> Self {
        Self {
            max_rows: 16 * ROW_GROUP_ROWS as u64,
            max_span: None,
            max_bytes: None,
            by_trading_day: false,
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
    place: Place,
    options: RecordingOptions,
    segment: Option<SegmentWriter>,
    /// The latest trading day of the open segment, if segments end with it.
    segment_day: Option<NaiveDate>,
    days: DayOf,
    spare: RowGroupBuffer,
    segments: Vec<SegmentEntry>,
    next_seq: u64,
    tally: Tally,
    dropped: BTreeMap<String, u64>,
    /// What a recovery could not read.
    lost: Vec<LostEvents>,
    /// `None` when it cannot be known: a segment of a recording that is continued is damaged.
    observed: Option<Observed>,
    /// BLAKE3 of the tables in force, of a recording that is continued.
    inherited_contracts_digest: Option<String>,
    /// Whether the contract table stays as it is.
    keeps_contracts: bool,
    /// BLAKE3 of `contracts.parquet` as it was last written.
    contracts_blake3: String,
    journal: VecDeque<JournalFile>,
    /// Whether nothing in the folder was there before this writer.
    is_new: bool,
    state: State,
}

/// A journal file in the folder.
#[derive(Debug)]
struct JournalFile {
    path: PathBuf,
    /// The `seq` after its last event, once that is known.
    end_seq: Option<u64>,
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
        refuse_among_data(target)
    }

    /// Starts a recording in `target`, a folder of the local file system, which is created if it
    /// does not exist.
    ///
    /// # Errors
    /// When there is something in `target` already (and [`RecordingOptions::overwrite`] is off), it
    /// lies in a catalogue but is not the folder of a session, or the file system refuses.
    pub fn create(target: &Path, options: RecordingOptions) -> Result<Self> {
        refuse_among_data(target)?;
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
        let place = choose_place(&storage, target, options.overwrite)?;
        let mut writer = Self {
            storage,
            place,
            options,
            segment: None,
            segment_day: None,
            days: DayOf::default(),
            spare: RowGroupBuffer::default(),
            segments: Vec::new(),
            next_seq: 0,
            tally: Tally::default(),
            dropped: BTreeMap::new(),
            lost: Vec::new(),
            observed: Some(Observed::default()),
            inherited_contracts_digest: None,
            keeps_contracts: false,
            contracts_blake3: String::new(),
            journal: VecDeque::new(),
            is_new: true,
            state: State::Open,
        };
        writer.write_manifest(Status::Recording)?;
        if writer.options.keep_partial {
            // A killed session must not lose the contracts of its trader front.
            writer.write_contracts()?;
            writer.write_manifest(Status::Recording)?;
        }
        Ok(writer)
    }

    /// Continues a recording whose writer was killed. `manifest` lists the segments that are there.
    pub(super) fn resume(
        storage: Arc<dyn Storage>,
        place: Place,
        options: RecordingOptions,
        manifest: Manifest,
        observed: Option<Observed>,
    ) -> Self {
        Self {
            storage,
            place,
            options,
            segment: None,
            segment_day: None,
            days: DayOf::default(),
            spare: RowGroupBuffer::default(),
            next_seq: manifest.events,
            tally: Tally::of(&manifest),
            segments: manifest.segments,
            dropped: manifest.ledger.dropped,
            lost: manifest.lost,
            observed,
            inherited_contracts_digest: Some(manifest.contracts_digest),
            keeps_contracts: false,
            contracts_blake3: manifest.contracts_blake3,
            journal: VecDeque::new(),
            is_new: false,
            state: State::Open,
        }
    }

    /// Appends events; their `seq` must continue without a gap.
    ///
    /// # Errors
    /// On a gap, or when writing fails; after that nothing more is accepted.
    pub fn write(&mut self, events: &[Event]) -> Result<()> {
        if self.state != State::Open {
            return Err(RecordingError::WriterFailed {
                path: self.place.folder.clone(),
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
                path: self.place.folder.clone(),
                expected: self.next_seq,
                found: event.seq.0,
            });
        }
        if self.segment_is_full(event) || self.begins_a_day(event) {
            self.seal_segment()?;
        }
        let segment = match &mut self.segment {
            Some(segment) => segment,
            none => none.insert(start_segment(
                &self.storage,
                &self.place,
                Manifest::next_index(&self.segments),
                &self.options,
                std::mem::take(&mut self.spare),
            )?),
        };
        segment.push(event, &mut self.tally)?;
        self.next_seq += 1;
        if let Some(observed) = &mut self.observed {
            observed.on(event);
        }
        self.tally
            .add_without_instrument(event, &self.options.calendar);
        Ok(())
    }

    /// Says how the receive times came about, for a source that knows it only after its last event.
    pub fn set_recv_ts(&mut self, rules: String) {
        self.options.source.recv_ts = rules;
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
            || rolling
                .max_bytes
                .is_some_and(|most| segment.written_bytes() >= most.max(1))
    }

    /// Whether `next` is of a later trading day than the events of the open segment. A clock that went
    /// back ends no day.
    fn begins_a_day(&mut self, next: &Event) -> bool {
        if !self.options.rolling.by_trading_day {
            return false;
        }
        let day = self.days.day(next.recv_ts, &self.options.calendar);
        let before = self.segment_day.filter(|before| *before >= day);
        let is_later = before.is_none() && self.segment_day.is_some();
        self.segment_day = before.or(Some(day));
        is_later
    }

    /// Ends the segment that is being written, if there is one.
    pub(super) fn seal_segment(&mut self) -> Result<()> {
        if let Some(segment) = self.segment.take() {
            self.place.owner.check(&self.place.folder)?;
            let (info, buffer) = segment.finish(&mut self.tally)?;
            self.spare = buffer;
            let file = segment_file(Manifest::next_index(&self.segments));
            self.segments.push(SegmentEntry::new(file, info));
            if self.options.keep_partial {
                // The name must be durable before the manifest has it.
                self.storage.sync_dir(&self.place.folder)?;
                // List it at once: a killed recorder leaves a readable recording.
                self.write_contracts()?;
                self.write_manifest(Status::Recording)?;
                self.release_journal();
            }
        }
        Ok(())
    }

    /// Leaves a contract table that is damaged or missing, so that every reader sees that.
    pub(super) const fn keep_contracts(&mut self) {
        self.keeps_contracts = true;
    }

    /// Lists every sealed segment at once, and keeps them when the recording is abandoned.
    pub(super) const fn keep_partial(&mut self) {
        self.options.keep_partial = true;
    }

    /// A journal file has the events from here on.
    pub(super) fn begin_journal(&mut self, path: PathBuf) {
        self.journal.push_back(JournalFile {
            path,
            end_seq: None,
        });
    }

    /// The events of the last journal file end here.
    pub(super) fn end_journal(&mut self) {
        if let Some(file) = self.journal.back_mut() {
            file.end_seq = Some(self.next_seq);
        }
    }

    /// Removes the journal files whose events are all in segments that the manifest lists.
    fn release_journal(&mut self) {
        let sealed = self.sealed_seq();
        while let Some(file) = self.journal.front()
            && file.end_seq.is_some_and(|end| end <= sealed)
        {
            // A file that stays does no harm: its events are in segments.
            let _ = self.storage.remove(&file.path);
            self.journal.pop_front();
        }
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
        &self.place.folder
    }

    /// The storage of its files.
    pub(super) const fn storage(&self) -> &Arc<dyn Storage> {
        &self.storage
    }

    fn names(&self) -> FileNames {
        FileNames::of(&*self.storage, &self.place.folder)
    }

    /// Keeps other writers out of the folder.
    pub(super) const fn owner(&self) -> &Arc<Owner> {
        &self.place.owner
    }

    /// The `seq` after the last event that was accepted.
    pub(super) const fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// The `seq` after the last event in a sealed segment.
    pub(super) fn sealed_seq(&self) -> u64 {
        self.segments.last().map_or(0, |last| last.last_seq + 1)
    }

    /// Its options.
    pub(super) const fn options(&self) -> &RecordingOptions {
        &self.options
    }

    /// Ticks accepted so far.
    #[must_use]
    pub const fn ticks(&self) -> u64 {
        self.tally.ticks
    }

    /// Seals the last segment and writes contract table and manifest.
    ///
    /// # Errors
    /// When writing fails; sealed segments and the journal stay readable.
    pub fn finish(self) -> Result<Manifest> {
        self.finish_as(Status::Complete)
    }

    /// The same after an error: the recording ends with the events that were accepted, and says so.
    ///
    /// # Errors
    /// As [`finish`](Self::finish).
    pub fn finish_partly(self) -> Result<Manifest> {
        self.finish_as(Status::Recovered)
    }

    /// Leaves the recording unfinished, and says what another writer has done to its folder meanwhile.
    pub(super) fn abandon(self) -> RecordingError {
        let path = self.place.folder.clone();
        let checked = self.place.owner.check(&path).err();
        checked.unwrap_or(RecordingError::WriterFailed { path })
    }

    fn finish_as(mut self, status: Status) -> Result<Manifest> {
        if self.state != State::Open {
            return Err(RecordingError::WriterFailed {
                path: self.place.folder.clone(),
            });
        }
        self.state = State::Failed;
        self.place.owner.check(&self.place.folder)?;
        self.seal_segment()?;
        self.write_contracts()?;
        let (digest, gaps) = self.observed.take().map(Observed::finish).unzip();
        let manifest = Manifest {
            digest: digest.unwrap_or_default(),
            exchanges: Some(self.exchanges()),
            gaps,
            ..self.manifest(status)
        };
        manifest.write(&*self.storage, &self.place.folder)?;
        self.state = State::Finished;
        self.end_journal();
        self.release_journal();
        if let Some(replaced) = &self.place.replaces {
            replaced.owner.check(&replaced.folder)?;
            replace(&*self.storage, &replaced.folder, &self.place.folder)?;
        }
        Ok(manifest)
    }

    /// Writes the contract table if it has changed. The manifest must be written next.
    fn write_contracts(&mut self) -> Result<()> {
        if self.keeps_contracts {
            return Ok(());
        }
        let path = self.names().contracts(&self.place.folder);
        let content = contracts_file::encode(&path, &self.contracts_in_force())?;
        let blake3 = blake3::hash(&content).to_hex().to_string();
        if blake3 == self.contracts_blake3 {
            return Ok(());
        }
        if !self.contracts_blake3.is_empty() {
            // A crash must not leave a manifest with the BLAKE3 of the other table.
            self.contracts_blake3.clear();
            self.write_manifest(Status::Recording)?;
        }
        self.storage.put(&path, &content)?;
        self.storage.sync_dir(&self.place.folder)?;
        self.contracts_blake3 = blake3;
        Ok(())
    }

    /// The manifest of what is sealed so far.
    fn write_manifest(&self, status: Status) -> Result<()> {
        let manifest = self.manifest(status);
        manifest.write(&*self.storage, &self.place.folder)
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
        let day = self.tally.last_day();
        for id in self.tally.ids() {
            if let Ok(contract) = self.options.contracts.resolve_on(id.as_bytes(), day) {
                by_id
                    .entry(contract.instrument_id.clone())
                    .or_insert(contract);
            }
        }
        by_id.into_values().collect()
    }

    /// The exchanges of the instruments seen, as far as the contract table knows them.
    fn exchanges(&self) -> Vec<Exchange> {
        let day = self.tally.last_day();
        let contracts = &self.options.contracts;
        let resolve = |id: &InstrumentId| contracts.resolve_on(id.as_bytes(), day).ok();
        let known = self.tally.ids().filter_map(resolve);
        let exchanges: BTreeSet<Exchange> = known.map(|contract| contract.exchange).collect();
        exchanges.into_iter().collect()
    }

    /// Without what only the end of the recording says.
    fn manifest(&self, status: Status) -> Manifest {
        let calendar = &self.options.calendar;
        Manifest {
            format: FORMAT_NAME.into(),
            format_version: match status {
                Status::Recording => FormatVersion::WITH_JOURNAL,
                _ => FormatVersion::SEGMENTS,
            },
            session: self.options.session.clone(),
            status,
            source: self.options.source.clone(),
            events: self.next_seq,
            ticks: self.tally.ticks,
            start: self.segments.iter().map(|s| s.start).min(),
            end: self.segments.iter().map(|s| s.end).max(),
            trading_days: self.tally.trading_days(),
            digest: String::new(),
            contracts_digest: match &self.inherited_contracts_digest {
                Some(digest) => digest.clone(),
                None => self.options.contracts.digest(),
            },
            contracts_blake3: self.contracts_blake3.clone(),
            calendar: CalendarCopy {
                digest: calendar.digest(),
                text: calendar.to_text(),
            },
            ledger: Ledger {
                received: self.tally.ticks + self.dropped.values().sum::<u64>(),
                recorded: self.tally.ticks,
                dropped: self.dropped.clone(),
            },
            instruments: self.tally.instruments(),
            exchanges: None,
            gaps: None,
            epoch: None,
            segments: self.segments.clone(),
            lost: self.lost.clone(),
        }
    }
}

impl Drop for RecordingWriter {
    /// Removes what this writer made, unless the options keep it or a journal has events.
    fn drop(&mut self) {
        self.segment = None;
        // In a folder that was replaced everything belongs to another writer.
        let is_ours = self.place.owner.is_in_place();
        if self.state == State::Finished || !is_ours || self.is_kept() {
            return;
        }
        // Errors are ignored: the one that abandoned the recording is already on its way.
        let folder = &self.place.folder;
        let files = self.segments.iter().map(|it| folder.join(&it.file));
        // The manifest last: it says how the other files are named.
        let (contracts, manifest) = (
            self.names().contracts(folder),
            self.names().manifest(folder),
        );
        for file in files.chain([contracts, manifest]) {
            let _ = self.storage.remove(&file);
        }
    }
}

impl RecordingWriter {
    /// Removes what was recorded, journal included, of which no thread may have more.
    pub(super) fn discard(mut self) -> Result<()> {
        if self.place.owner.is_in_place() {
            for path in JournalFiles::paths(&*self.storage, &self.place.folder)? {
                self.storage.remove(&path)?;
            }
        }
        self.options.keep_partial = false;
        Ok(())
    }

    /// Whether the recording is kept although it is not finished.
    fn is_kept(&self) -> bool {
        let has_segments = self.options.keep_partial && !self.segments.is_empty();
        // A folder that cannot be listed may have a journal.
        let has_journal = || {
            let files = JournalFiles::paths(&*self.storage, &self.place.folder);
            files.map_or(true, |files| !files.is_empty())
        };
        !self.is_new || has_segments || has_journal()
    }
}

fn start_segment(
    storage: &Arc<dyn Storage>,
    place: &Place,
    index: usize,
    options: &RecordingOptions,
    buffer: RowGroupBuffer,
) -> Result<SegmentWriter> {
    let source = &options.source;
    let mut metadata = vec![
        (
            "tickdeck.format_version",
            FormatVersion::SEGMENTS.to_string(),
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
    let segment = SegmentWriter::create(
        Arc::clone(storage),
        Arc::clone(&place.owner),
        &place.folder.join(segment_file(index)),
        metadata.collect(),
        buffer,
        options.rolling.row_group_rows,
    )?;
    Ok(match index {
        0 => segment.split_first_group(),
        _ => segment,
    })
}

/// Refuses a place that Parquet readers of a catalogue see, unless it is that of a session.
fn refuse_among_data(target: &Path) -> Result<()> {
    if Catalog::shows(target) && Catalog::day_of_session(target).is_none() {
        let path = target.to_owned();
        return Err(RecordingError::AmongData { path });
    }
    Ok(())
}
