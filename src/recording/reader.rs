//! Opens a recording and yields its events in `seq` order.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tickdeck_core::block::{BlockEvents, EventBlock};
use tickdeck_core::calendar::TradingCalendar;
use tickdeck_core::contract::ContractTable;
use tickdeck_core::event::Event;
use tickdeck_core::event_window::EventWindow;
use tickdeck_core::source::{Source, SourceError, SourceInfo};
use tickdeck_core::time::UnixNanos;

use super::bounds::{refuse_outside, refuse_unknown_outside};
use super::contracts_file;
use super::error::RecordingError;
use super::file_hash::check_file;
use super::filter::EventFilter;
use super::finding::{Finding, problem};
use super::group_stream::{GroupStream, GroupsAhead, MissingPart, Stated, Step};
use super::journal::{JournalFiles, JournalStream};
use super::manifest::{Manifest, SegmentEntry, Status};
use super::names::{
    FileNames, MANIFEST_FILE, contracts_path, has_manifest, is_segment, journal_index,
    manifest_path,
};
use super::owner::{is_owned, is_owner_unknown};
use super::pointer::refuse_pointer;
use super::segment_order::{place, session_of};
use super::segment_reader::SegmentReader;
use super::storage::{Entry, Location, Storage, StorageError};
use super::unsealed::{self, OnDisk, Unsealed};

type Result<T> = std::result::Result<T, RecordingError>;

/// Recordings in a folder that an error names. The others are only counted.
const RECORDINGS_NAMED: usize = 5;

/// A recording on disk: a folder with a manifest, or a lone segment.
#[derive(Debug, Clone)]
pub struct Recording {
    storage: Arc<dyn Storage>,
    path: PathBuf,
    manifest: Option<Manifest>,
    session: String,
    source: SourceInfo,
    segments: Vec<PathBuf>,
    unsealed: Unsealed,
    is_being_written: bool,
    unused: Vec<Finding>,
    /// Whether the caller has another contract table in place of the recorded one, which is damaged.
    has_other_contracts: bool,
}

impl Recording {
    /// Opens the folder of a recording, or a lone file: a segment, or one of a journal. The path may be
    /// the URL of an object store, such as `s3://bucket/recordings/quick`, in a build with its feature.
    ///
    /// # Errors
    /// When there is no recording at `path`, it is of a newer version, or unreadable, or a URL cannot be
    /// used.
    pub fn open(path: &Path) -> Result<Self> {
        let Location { storage, path } = Location::of(path)?;
        Self::open_in(storage, &path)
    }

    /// The same on any storage.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_in(storage: Arc<dyn Storage>, path: &Path) -> Result<Self> {
        if storage.is_file(path) {
            refuse_pointer(&*storage, path)?;
        }
        let recording = Self::open_unchecked(storage, path)?;
        let contracts = recording.contracts_path();
        for file in recording.segments.iter().chain([&contracts]) {
            refuse_pointer(&*recording.storage, file)?;
        }
        Ok(recording)
    }

    /// Opens it without checking for Git LFS pointers.
    fn open_unchecked(storage: Arc<dyn Storage>, path: &Path) -> Result<Self> {
        let refused = |reason: &str| {
            Err(RecordingError::NotARecording {
                path: path.to_owned(),
                reason: reason.into(),
            })
        };
        match storage.entry(path) {
            Ok(Entry::File) => {
                return Self::open_file(storage, path);
            }
            Ok(Entry::Folder) => {}
            Ok(Entry::Other) => return refused("it is a pipe or a device"),
            Err(error) if is_absent(&error) => return refused("there is no such file or folder"),
            Err(error) => return Err(error.into()),
        }
        match storage.entry(&manifest_path(&*storage, path)) {
            Ok(_) => {}
            Err(error) if is_absent(&error) => {
                refuse_pointer(&*storage, &path.join(MANIFEST_FILE))?;
                return Err(without_manifest(&*storage, path)?);
            }
            Err(error) => return Err(error.into()),
        }
        // First: a writer that ends in between has finished its manifest.
        let is_owned = is_owned(&*storage, path);
        let OnDisk {
            manifest, unsealed, ..
        } = unsealed::read(&storage, path)?;
        let segments = manifest.segments.iter().map(|s| path.join(&s.file));
        let segments: Vec<PathBuf> = segments.collect();
        for (file, entry) in segments.iter().zip(&manifest.segments) {
            let bytes = Some(entry.bytes);
            refuse_unknown_outside(&*storage, path, file, bytes, &entry.blake3)?;
        }
        let contracts = contracts_of(&*storage, path, Some(&manifest));
        let blake3 = &manifest.contracts_blake3;
        refuse_unknown_outside(&*storage, path, &contracts, None, blake3)?;
        Ok(Self {
            // A store has no locks, and says in a manifest with an epoch that more may come.
            is_being_written: manifest.status == Status::Recording
                && (is_owned || manifest.epoch.is_some()),
            unsealed,
            storage,
            path: path.to_owned(),
            session: manifest.session.clone(),
            source: manifest.source.clone(),
            segments,
            manifest: Some(manifest),
            unused: Vec::new(),
            has_other_contracts: false,
        })
    }

    /// Opens it without the manifest or the contract table if that is missing or unreadable;
    /// [`unused`](Self::unused) says why.
    ///
    /// # Errors
    /// When there is no readable segment at all, or the manifest is of another format.
    pub fn open_salvage(path: &Path) -> Result<Self> {
        let Location { storage, path } = Location::of(path)?;
        Self::open_salvage_in(storage, &path)
    }

    /// The same on any storage.
    ///
    /// # Errors
    /// As [`open_salvage`](Self::open_salvage).
    pub fn open_salvage_in(storage: Arc<dyn Storage>, path: &Path) -> Result<Self> {
        let mut recording = match Self::open_unchecked(Arc::clone(&storage), path) {
            Ok(recording) => recording,
            // Segments of another format may mean something else.
            Err(
                error @ (RecordingError::NewerFormat { .. } | RecordingError::NotARecording { .. }),
            ) => return Err(error),
            Err(error) if !storage.is_folder(path) => return Err(error),
            Err(error) => Self::without_manifest(storage, path, error)?,
        };
        recording.refuse_altered_links()?;
        recording.unused.extend(recording.contracts_damage());
        Ok(recording)
    }

    /// Refuses a segment that a link takes out of the folder, to something other than what the manifest
    /// states. A salvage would play it.
    fn refuse_altered_links(&self) -> Result<()> {
        let storage = &*self.storage;
        let listed = self.manifest.iter().flat_map(|it| &it.segments);
        for (file, entry) in self.segments.iter().zip(listed) {
            if !storage.is_within(&self.path, file) {
                check_file(storage, file, Some(entry.bytes), &entry.blake3)?;
            }
        }
        Ok(())
    }

    /// Opens the segments and the journal of a folder whose manifest cannot be used: those of one session,
    /// each event once.
    fn without_manifest(
        storage: Arc<dyn Storage>,
        path: &Path,
        why: RecordingError,
    ) -> Result<Self> {
        let mut names = storage.list(path)?;
        names.retain(|name| is_segment(name));
        names.sort();
        let mut journal = JournalFiles::paths(&*storage, path)?;
        let is_outside = |file: &Path| !storage.is_within(path, file);
        let outside = names.iter().map(|name| path.join(name));
        let outside = outside.chain(journal.clone()).filter(|it| is_outside(it));
        let outside: Vec<PathBuf> = outside.collect();
        names.retain(|name| !outside.contains(&path.join(name)));
        journal.retain(|file| !outside.contains(file));
        let manifest = manifest_path(&*storage, path);
        let stated = Manifest::read_description(&*storage, &manifest);
        let stated = stated.map(|it| it.manifest.session);
        let found = session_of(&*storage, path, &names, &journal, stated.as_deref());
        let Some((session, source)) = found else {
            // A damaged segment says more than a manifest that is missing.
            if let Some(first) = names.first() {
                SegmentReader::open(&*storage, &path.join(first))?;
            }
            return Err(why);
        };
        let open_journal = || {
            let opened = journal
                .iter()
                .map(|file| Ok((file.clone(), storage.open(file)?)));
            opened.collect::<Result<_>>()
        };
        let placed = place(&*storage, path, &names, &session, &open_journal)?;
        let mut unused = placed.unused;
        unused.extend(outside.into_iter().map(|file| Finding {
            file,
            problem: "it is a link out of the folder".into(),
        }));
        unused.push(Finding::new(manifest, &why));
        let mut range = None;
        let mut events = JournalStream::new(placed.journal.clone());
        while let Some(events) = events.next(&EventFilter::default())? {
            for event in events {
                unsealed::widen(&mut range, event.recv_ts);
            }
        }
        Ok(Self {
            storage,
            path: path.to_owned(),
            manifest: None,
            session,
            source,
            segments: placed.segments,
            unsealed: Unsealed {
                unlisted: Vec::new(),
                journal: placed.journal,
                range,
            },
            is_being_written: false,
            unused,
            has_other_contracts: false,
        })
    }

    /// Opens a file alone: one of a journal, or a segment.
    fn open_file(storage: Arc<dyn Storage>, path: &Path) -> Result<Self> {
        let Some(journal) = unsealed::lone_journal(&*storage, path)? else {
            return Self::open_segment(storage, path);
        };
        Ok(Self {
            storage,
            path: path.to_owned(),
            manifest: None,
            session: journal.session,
            source: journal.source,
            segments: Vec::new(),
            unsealed: journal.unsealed,
            is_being_written: false,
            unused: Vec::new(),
            has_other_contracts: false,
        })
    }

    fn open_segment(storage: Arc<dyn Storage>, path: &Path) -> Result<Self> {
        let reader = SegmentReader::open(&*storage, path)?;
        Ok(Self {
            storage,
            path: path.to_owned(),
            manifest: None,
            session: reader.session().to_owned(),
            source: reader.source(),
            segments: vec![path.to_owned()],
            unsealed: Unsealed::default(),
            is_being_written: false,
            unused: Vec::new(),
            has_other_contracts: false,
        })
    }

    /// The files that a salvage does without, and why.
    #[must_use]
    pub fn unused(&self) -> &[Finding] {
        &self.unused
    }

    /// The path of its contract table.
    pub(super) fn contracts_path(&self) -> PathBuf {
        contracts_of(&*self.storage, &self.path, self.manifest.as_ref())
    }

    /// The path of its manifest.
    pub(super) fn manifest_path(&self) -> PathBuf {
        manifest_path(&*self.storage, &self.path)
    }

    /// The path that was opened.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The storage of its files.
    #[must_use]
    pub fn storage(&self) -> &Arc<dyn Storage> {
        &self.storage
    }

    /// The manifest; `None` for a lone segment. That of an unfinished recording counts everything that
    /// was on disk when it was opened, also the events in the journal.
    #[must_use]
    pub const fn manifest(&self) -> Option<&Manifest> {
        self.manifest.as_ref()
    }

    /// Session id.
    #[must_use]
    pub fn session(&self) -> &str {
        &self.session
    }

    /// Where its events came from.
    #[must_use]
    pub const fn source(&self) -> &SourceInfo {
        &self.source
    }

    /// Segment files in `seq` order.
    #[must_use]
    pub fn segments(&self) -> &[PathBuf] {
        &self.segments
    }

    /// Its state.
    #[must_use]
    pub fn status(&self) -> Status {
        self.manifest
            .as_ref()
            .map_or(Status::Complete, |manifest| manifest.status)
    }

    /// Whether it was finished and has its manifest. A lone segment needs none.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.status() != Status::Recording
            && (self.manifest.is_some() || self.storage.is_file(&self.path))
    }

    /// Whether a writer has it, that is still running. Of an unfinished recording in a store that cannot
    /// be known: it counts as being written.
    #[must_use]
    pub const fn is_being_written(&self) -> bool {
        self.is_being_written
    }

    /// Whether that cannot be known, because this user may not look at the lock.
    #[must_use]
    pub fn is_writer_unknown(&self) -> bool {
        self.is_abandoned() && is_owner_unknown(&*self.storage, &self.path)
    }

    /// Whether its writer ended without finishing it.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.status() == Status::Recording && !self.is_being_written
    }

    /// Events that are in the journal and in no segment.
    #[must_use]
    pub const fn journal_events(&self) -> u64 {
        self.unsealed.journal.events()
    }

    /// File names of the segments that were sealed before the manifest listed them. They are read.
    #[must_use]
    pub fn unlisted_segments(&self) -> &[String] {
        &self.unsealed.unlisted
    }

    /// The part of the journal that cannot be read, if there is one.
    #[must_use]
    pub fn journal_damage(&self) -> Option<Finding> {
        let damage = self.unsealed.damage(self.is_being_written)?;
        let lost = self.unsealed.journal.until_seq;
        Some(Finding {
            file: damage.path.clone(),
            problem: damage.lost_from(lost),
        })
    }

    /// The same, unless a kill explains it: its last block may be half written.
    #[must_use]
    pub fn damaged_journal(&self) -> Option<Finding> {
        let damage = self.unsealed.journal.damage.as_ref()?;
        (!damage.is_tail).then(|| self.journal_damage()).flatten()
    }

    /// Its files that are not as they were written: segments, contract table, and a journal that no kill
    /// explains.
    #[must_use]
    pub fn damaged_files(&self) -> Vec<Finding> {
        let mut damaged = self.damaged_segments();
        let journal = self.damaged_journal();
        damaged.extend(journal.filter(|journal| damaged.iter().all(|it| it.file != journal.file)));
        damaged
    }

    /// Adds the contracts of the recording to `table`; a replay uses them.
    ///
    /// # Errors
    /// When `contracts.parquet` is there but unreadable.
    pub fn contracts(&self, table: &mut ContractTable) -> Result<()> {
        let path = self.contracts_path();
        if !self.is_without_contracts() && self.storage.exists(&path) {
            if !self.storage.is_within(&self.path, &path) {
                match &self.manifest {
                    Some(it) => check_file(&*self.storage, &path, None, &it.contracts_blake3)?,
                    None => refuse_outside(&*self.storage, &self.path, &path)?,
                }
            }
            let listed = contracts_file::read(&*self.storage, &path);
            table.extend(listed.map_err(|error| match error {
                RecordingError::Parquet { .. } => RecordingError::damaged(&path, problem(&error)),
                RecordingError::WrongSchema {
                    column,
                    expected,
                    found,
                    ..
                } => {
                    let problem = format!("column {column:?} should be {expected}, found {found}");
                    RecordingError::damaged(&path, problem)
                }
                RecordingError::Io { ref source, .. }
                    if source.kind() == ErrorKind::IsADirectory =>
                {
                    RecordingError::damaged(&path, problem(&error))
                }
                other => other,
            })?);
        }
        Ok(())
    }

    /// What is wrong with its contract table: it is not what the manifest states, or cannot be read.
    #[must_use]
    pub fn contracts_damage(&self) -> Option<Finding> {
        let path = self.contracts_path();
        let stated = self.manifest.iter().map(|it| &it.contracts_blake3);
        let mut stated = stated.filter(|blake3| !blake3.is_empty());
        let checked = match stated.next() {
            Some(blake3) => check_file(&*self.storage, &path, None, blake3),
            None => Ok(()),
        };
        let read = checked.and_then(|()| self.contracts(&mut ContractTable::default()));
        read.err().map(|error| Finding::new(path, &error))
    }

    /// Drops its contract table if that is damaged, because the caller has another one. The table is then
    /// among the files that are [`unused`](Self::unused), and no longer damage.
    pub fn replace_damaged_contracts(&mut self) {
        if !self.is_without_contracts() {
            self.unused.extend(self.contracts_damage());
        }
        self.has_other_contracts = self.is_without_contracts();
    }

    /// Whether its contract table is not used.
    fn is_without_contracts(&self) -> bool {
        let path = self.contracts_path();
        self.unused.iter().any(|unused| unused.file == path)
    }

    /// Whether the caller has another contract table in place of the recorded one.
    pub(super) const fn has_other_contracts(&self) -> bool {
        self.has_other_contracts
    }

    /// The calendar of the recording; `None` for a lone segment.
    ///
    /// # Errors
    /// When the manifest's copy is not a calendar.
    pub fn calendar(&self) -> Result<Option<TradingCalendar>> {
        let Some(manifest) = &self.manifest else {
            return Ok(None);
        };
        if manifest.calendar.text.is_empty() {
            return Ok(None);
        }
        TradingCalendar::parse(&manifest.calendar.text)
            .map(Some)
            .map_err(|error| {
                RecordingError::damaged(
                    &manifest_path(&*self.storage, &self.path),
                    format!("its calendar: {error}"),
                )
            })
    }

    /// An upper bound on the events that `filter` selects, from the statistics alone.
    ///
    /// # Errors
    /// When a segment cannot be opened.
    pub fn estimate(&self, filter: &EventFilter) -> Result<u64> {
        let mut rows = self.journal_events();
        for segment in &self.segments {
            let reader = SegmentReader::open(&*self.storage, segment)?;
            rows += (0..reader.row_groups())
                .filter(|&group| reader.may_match(group, filter))
                .map(|group| reader.group_rows(group) as u64)
                .sum::<u64>();
        }
        Ok(rows)
    }

    /// First and last `recv_ts`; from the manifest, or from the statistics of a lone segment.
    ///
    /// # Errors
    /// When a segment cannot be opened.
    pub fn time_range(&self) -> Result<Option<(UnixNanos, UnixNanos)>> {
        if let Some(manifest) = &self.manifest {
            return Ok(manifest.start.zip(manifest.end));
        }
        let mut range = self.unsealed.range;
        for segment in &self.segments {
            let reader = SegmentReader::open(&*self.storage, segment)?;
            for group in 0..reader.row_groups() {
                if let Some((first, last)) = reader.recv_ts_range(group) {
                    let (start, end) = range.unwrap_or((first, last));
                    range = Some((start.min(first), end.max(last)));
                }
            }
        }
        Ok(range)
    }

    /// A reader over the events that `filter` selects.
    #[must_use]
    pub fn reader(&self, filter: EventFilter) -> RecordingReader {
        self.reader_from(0, filter)
    }

    /// A reader that begins with the event `seq`.
    pub(super) fn reader_from(&self, seq: u64, filter: EventFilter) -> RecordingReader {
        let entries = self.manifest.iter().flat_map(|manifest| &manifest.segments);
        let before = entries.clone().take_while(|entry| entry.last_seq < seq);
        let session: Arc<str> = self.session.as_str().into();
        let stated = |entry: &SegmentEntry| Stated {
            session: Arc::clone(&session),
            rows: entry.rows,
            events: (!entry.is_unknown()).then_some((entry.first_seq, entry.last_seq)),
        };
        let skipped = before.count();
        let stream = GroupStream::new(
            Arc::clone(&self.storage),
            self.segments[skipped..].to_vec(),
            entries.skip(skipped).map(stated).collect(),
            filter,
        );
        RecordingReader {
            groups: Groups::Here(stream.journal(self.unsealed.journal.clone())),
            decoded: None,
            from_seq: seq,
            missing: Vec::new(),
        }
    }
}

/// The path of the contract table of the recording in `folder`. That of a committed recording is named
/// after its content.
fn contracts_of(storage: &dyn Storage, folder: &Path, manifest: Option<&Manifest>) -> PathBuf {
    match manifest {
        Some(it) if it.epoch.is_some() && !it.contracts_blake3.is_empty() => {
            FileNames::of_commits(folder).contracts_of(folder, &it.contracts_blake3)
        }
        _ => contracts_path(storage, folder),
    }
}

/// Whether nothing is at a path. What cannot be looked at may be there.
fn is_absent(error: &StorageError) -> bool {
    matches!(
        error.source.kind(),
        ErrorKind::NotFound | ErrorKind::NotADirectory
    )
}

/// Why a folder without a manifest is not a recording.
fn without_manifest(storage: &dyn Storage, folder: &Path) -> Result<RecordingError> {
    let names = storage.list(folder)?;
    let path = folder.to_owned();
    let has_events = |name: &String| is_segment(name) || journal_index(name).is_some();
    if names.iter().any(has_events) {
        return Ok(RecordingError::NoManifest { path });
    }
    let is_recording = |name: &&String| has_manifest(storage, &folder.join(name));
    let recordings: Vec<&str> = names
        .iter()
        .filter(is_recording)
        .map(String::as_str)
        .collect();
    let reason = match (&names[..], &recordings[..]) {
        ([], _) => "it is an empty folder".to_owned(),
        (_, []) => format!("it has neither a {MANIFEST_FILE} nor segments"),
        (_, few @ [_, ..]) if few.len() <= RECORDINGS_NAMED => {
            format!("it holds recordings: {}", few.join(", "))
        }
        (_, many) => {
            let (first, rest) = many.split_at(RECORDINGS_NAMED);
            format!(
                "it holds recordings: {} and {} more",
                first.join(", "),
                rest.len()
            )
        }
    };
    Ok(RecordingError::NotARecording { path, reason })
}

/// Yields the events of a recording in `seq` order. It holds one row group in memory, or two when
/// it reads ahead.
#[derive(Debug)]
pub struct RecordingReader {
    groups: Groups,
    decoded: Option<Decoded>,
    /// Events before this `seq` are skipped.
    from_seq: u64,
    missing: Vec<MissingPart>,
}

/// Events that were read and not handed out yet.
#[derive(Debug)]
enum Decoded {
    Group(BlockEvents),
    /// Handed out as it is, from a place on.
    Block(Arc<EventBlock>, usize),
    Events(std::vec::IntoIter<Event>),
}

impl Decoded {
    /// Appends up to `max` events and returns their number.
    fn next_events(&mut self, batch: &mut Vec<Event>, max: usize) -> usize {
        match self {
            Self::Group(group) => group.next_events(batch, max),
            Self::Block(block, next) => {
                let mut group = BlockEvents::new(Arc::clone(block));
                group.skip(*next);
                let taken = group.next_events(batch, max);
                *self = Self::Group(group);
                taken
            }
            Self::Events(events) => {
                let before = batch.len();
                batch.extend(events.take(max));
                batch.len() - before
            }
        }
    }
}

#[derive(Debug)]
enum Groups {
    Here(GroupStream),
    /// Starts to read ahead with the first request.
    ToBeAhead(GroupStream),
    Ahead(GroupsAhead),
    Ended,
}

impl Groups {
    fn next(&mut self) -> Result<Option<Step>> {
        if let Self::ToBeAhead(_) = self
            && let Self::ToBeAhead(stream) = std::mem::replace(self, Self::Ended)
        {
            *self = Self::Ahead(stream.ahead()?);
        }
        match self {
            Self::Here(stream) | Self::ToBeAhead(stream) => stream.next(),
            Self::Ahead(ahead) => ahead.next(),
            Self::Ended => Ok(None),
        }
    }
}

impl RecordingReader {
    /// Skips damaged parts instead of failing; [`missing`](Self::missing) lists them. Set it before
    /// the first read.
    #[must_use]
    pub const fn salvage(mut self, salvage: bool) -> Self {
        if let Groups::Here(stream) | Groups::ToBeAhead(stream) = &mut self.groups {
            stream.salvage = salvage;
        }
        self
    }

    /// Decodes one row group ahead on another thread: twice the speed at twice the memory. Set it
    /// before the first read.
    #[must_use]
    pub fn read_ahead(mut self) -> Self {
        self.groups = match self.groups {
            Groups::Here(stream) => Groups::ToBeAhead(stream),
            other => other,
        };
        self
    }

    /// The parts skipped so far.
    #[must_use]
    pub fn missing(&self) -> &[MissingPart] {
        &self.missing
    }

    /// Appends up to `max` events; appends none at the end.
    ///
    /// # Errors
    /// When a segment is damaged and [`salvage`](Self::salvage) is off.
    pub fn next_events(&mut self, batch: &mut Vec<Event>, max: usize) -> Result<()> {
        let mut wanted = max;
        while wanted > 0 && self.decode()? {
            let Some(decoded) = &mut self.decoded else {
                break;
            };
            let before = batch.len();
            let taken = decoded.next_events(batch, wanted);
            if self.from_seq > 0 {
                let mut read = batch.split_off(before);
                read.retain(|event| event.seq.0 >= self.from_seq);
                batch.append(&mut read);
            }
            wanted -= batch.len() - before;
            if taken == 0 {
                // Free it before the next one is decoded.
                self.decoded = None;
            }
        }
        Ok(())
    }

    /// Decodes the next part unless there is one already. False at the end.
    fn decode(&mut self) -> Result<bool> {
        while self.decoded.is_none() {
            match self.groups.next()? {
                Some(Step::Group(group)) => {
                    self.decoded = Some(Decoded::Group(BlockEvents::new(group)));
                }
                Some(Step::Events(events)) => {
                    self.decoded = Some(Decoded::Events(events.into_iter()));
                }
                Some(Step::Missing(part)) => self.missing.push(part),
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    /// The next events of a block as they are stored, where none of them was made whole.
    fn next_of_block(&mut self, max: usize) -> Option<EventWindow> {
        if self.from_seq > 0 {
            return None;
        }
        if let Some(Decoded::Group(events)) = &self.decoded
            && let Some(block) = events.untouched()
        {
            self.decoded = Some(Decoded::Block(block, 0));
        }
        let Some(Decoded::Block(block, next)) = &mut self.decoded else {
            return None;
        };
        let places = *next..block.len().min(next.saturating_add(max));
        *next = places.end;
        Some(EventWindow::Block(Arc::clone(block), places))
    }
}

impl Source for RecordingReader {
    fn next_batch(
        &mut self,
        batch: &mut Vec<Event>,
        max: usize,
    ) -> std::result::Result<(), SourceError> {
        Ok(self.next_events(batch, max)?)
    }

    fn next_window(
        &mut self,
        window: &mut EventWindow,
        max: usize,
    ) -> std::result::Result<(), SourceError> {
        while self.decode()? {
            let Some(part) = self.next_of_block(max) else {
                break;
            };
            if !part.slice().is_empty() {
                *window = part;
                return Ok(());
            }
            // Free it before the next one is decoded.
            *window = EventWindow::default();
            self.decoded = None;
        }
        window.refill(|events| self.next_batch(events, max))
    }
}
