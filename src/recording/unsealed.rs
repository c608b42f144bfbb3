//! What the folder of an unfinished recording has beyond its manifest: segments that it does not list
//! yet, and the journal.

use std::path::Path;
use std::sync::Arc;

use tickdeck_core::block::BlockEvents;
use tickdeck_core::calendar::TradingCalendar;
use tickdeck_core::event::Event;
use tickdeck_core::source::SourceInfo;
use tickdeck_core::time::UnixNanos;

use super::bounds::refuse_outside;
use super::error::RecordingError;
use super::file_hash::hash_file;
use super::filter::EventFilter;
use super::group_stream::{GroupStream, Step};
use super::journal::{JournalDamage, JournalFiles, OpenFiles};
use super::manifest::{Manifest, SegmentEntry, Status};
use super::names::segment_file;
use super::segment_info::SegmentInfo;
use super::segment_reader::SegmentReader;
use super::storage::Storage;
use super::tally::Tally;

type Result<T> = std::result::Result<T, RecordingError>;

/// The parts of an unfinished recording that its manifest does not have.
#[derive(Debug, Clone, Default)]
pub(super) struct Unsealed {
    /// Segments that were sealed before the manifest listed them.
    pub(super) unlisted: Vec<String>,
    pub(super) journal: JournalFiles,
    /// Receive times of the events of a journal file that was opened alone.
    pub(super) range: Option<(UnixNanos, UnixNanos)>,
}

/// A file of a journal, opened alone.
#[derive(Debug)]
pub(super) struct LoneJournal {
    pub(super) session: String,
    pub(super) source: SourceInfo,
    pub(super) unsealed: Unsealed,
}

/// Opens a file of a journal, whatever its name is. `None` if it is not one.
pub(super) fn lone_journal(storage: &dyn Storage, path: &Path) -> Result<Option<LoneJournal>> {
    let mut range = None;
    let found = JournalFiles::lone(storage, path, &mut |event| widen(&mut range, event.recv_ts))?;
    Ok(found.map(|(journal, reader)| LoneJournal {
        session: reader.session().to_owned(),
        source: reader.source().clone(),
        unsealed: Unsealed {
            unlisted: Vec::new(),
            journal,
            range,
        },
    }))
}

pub(super) fn widen(range: &mut Option<(UnixNanos, UnixNanos)>, at: UnixNanos) {
    let (start, end) = range.unwrap_or((at, at));
    *range = Some((start.min(at), end.max(at)));
}

/// A recording as it is on disk.
#[derive(Debug)]
pub(super) struct OnDisk {
    /// Counts everything, also the events in the journal.
    pub(super) manifest: Manifest,
    /// Counts the events in segments, also in those that the manifest file does not list.
    pub(super) sealed: Manifest,
    pub(super) unsealed: Unsealed,
}

/// Often enough for a writer that seals a segment each time.
const TRIES: u32 = 100;

/// Reads the manifest of `folder`, and for an unfinished recording what else is there.
pub(super) fn read(storage: &Arc<dyn Storage>, folder: &Path) -> Result<OnDisk> {
    let mut manifest = Manifest::read_in(&**storage, folder)?;
    for _ in 0..TRIES {
        if manifest.status != Status::Recording {
            break;
        }
        for file in JournalFiles::paths(&**storage, folder)? {
            refuse_outside(&**storage, folder, &file)?;
        }
        let journal = JournalFiles::open(&**storage, folder)?;
        // A writer may have sealed a segment and removed its journal between the two.
        let again = Manifest::read_in(&**storage, folder)?;
        if let Some(journal) = journal
            && again == manifest
        {
            return extend(storage, folder, manifest, journal);
        }
        manifest = again;
    }
    Ok(OnDisk {
        sealed: manifest.clone(),
        manifest,
        unsealed: Unsealed::default(),
    })
}

/// Counts events on top of a manifest.
pub(super) struct Count {
    tally: Tally,
    range: Option<(UnixNanos, UnixNanos)>,
    calendar: TradingCalendar,
}

impl Count {
    pub(super) fn of(manifest: &Manifest) -> Self {
        // What cannot be parsed is reported where the calendar is used.
        let calendar = TradingCalendar::parse(&manifest.calendar.text);
        Self {
            tally: Tally::of(manifest),
            range: manifest.start.zip(manifest.end),
            calendar: calendar.unwrap_or_else(|_| TradingCalendar::builtin()),
        }
    }

    pub(super) fn add(&mut self, event: &Event) {
        self.tally.add(event, &self.calendar);
        widen(&mut self.range, event.recv_ts);
    }

    pub(super) fn apply(&self, manifest: &mut Manifest, events: u64) {
        let ticks = self.tally.ticks;
        manifest.events = events;
        manifest.ledger.received += ticks.saturating_sub(manifest.ledger.recorded);
        manifest.ledger.recorded = ticks;
        manifest.ticks = ticks;
        manifest.instruments = self.tally.instruments();
        manifest.trading_days = self.tally.trading_days();
        (manifest.start, manifest.end) = self.range.unzip();
    }
}

fn extend(
    storage: &Arc<dyn Storage>,
    folder: &Path,
    mut sealed: Manifest,
    journal: OpenFiles,
) -> Result<OnDisk> {
    let mut count = Count::of(&sealed);
    let mut next_seq = sealed.events;
    let mut unlisted = Vec::new();
    loop {
        let name = segment_file(Manifest::next_index(&sealed.segments));
        // A damaged one is left out: its events are in the journal, too.
        let found = unlisted_segment(storage, folder, &name, &sealed.session, next_seq);
        let Some(entry) = found.ok().flatten() else {
            break;
        };
        each_event(storage, &folder.join(&name), &mut |event| count.add(event))?;
        next_seq = entry.last_seq + 1;
        sealed.segments.push(entry);
        unlisted.push(name);
    }
    if !unlisted.is_empty() {
        count.apply(&mut sealed, next_seq);
    }
    let mut manifest = sealed.clone();
    let session = &sealed.session;
    let journal = JournalFiles::scan(journal, session, next_seq, &mut |event| count.add(event))?;
    if journal.events() > 0 {
        count.apply(&mut manifest, journal.until_seq);
    }
    Ok(OnDisk {
        manifest,
        sealed,
        unsealed: Unsealed {
            unlisted,
            journal,
            range: None,
        },
    })
}

/// The manifest of a recording with its first segments alone. They are read for that, and `visit` is shown
/// their events.
pub(super) fn of_first_segments(
    storage: &Arc<dyn Storage>,
    folder: &Path,
    manifest: &Manifest,
    count: usize,
    visit: &mut dyn FnMut(&Event),
) -> Result<Manifest> {
    let mut first = manifest.clone();
    first.segments.truncate(count);
    first.ledger.received -= first.ledger.received.min(first.ledger.recorded);
    first.ledger.recorded = 0;
    first.ticks = 0;
    first.instruments.clear();
    first.trading_days.clear();
    (first.start, first.end) = (None, None);
    let mut counted = Count::of(&first);
    for segment in &first.segments {
        let path = folder.join(&segment.file);
        each_event(storage, &path, &mut |event| {
            counted.add(event);
            visit(event);
        })?;
    }
    let events = first.segments.last().map_or(0, |last| last.last_seq + 1);
    counted.apply(&mut first, events);
    Ok(first)
}

/// How many later events the journal beside a finished recording has.
pub(super) fn later_events(
    storage: &Arc<dyn Storage>,
    folder: &Path,
    manifest: &Manifest,
) -> Result<u64> {
    let files = JournalFiles::open(&**storage, folder)?.unwrap_or_default();
    let found = JournalFiles::scan(files, &manifest.session, manifest.events, &mut |_| {})?;
    Ok(found.until_seq.saturating_sub(manifest.events))
}

/// Whether the segment of that name is there, whole, and begins with this event.
pub(super) fn has_segment(
    storage: &Arc<dyn Storage>,
    folder: &Path,
    name: &str,
    session: &str,
    first_seq: u64,
) -> bool {
    let found = unlisted_segment(storage, folder, name, session, first_seq);
    found.ok().flatten().is_some()
}

/// The segment of that name, if it is whole and continues the session.
fn unlisted_segment(
    storage: &Arc<dyn Storage>,
    folder: &Path,
    name: &str,
    session: &str,
    first_seq: u64,
) -> Result<Option<SegmentEntry>> {
    let found = whole_segment(storage, folder, name, session)?;
    Ok(found.filter(|segment| segment.first_seq == first_seq))
}

/// The segment of that name, if it is whole and of the session.
pub(super) fn whole_segment(
    storage: &Arc<dyn Storage>,
    folder: &Path,
    name: &str,
    session: &str,
) -> Result<Option<SegmentEntry>> {
    let path = folder.join(name);
    // No manifest says what a link out of the folder should hold.
    if !storage.is_file(&path) || !storage.is_within(folder, &path) {
        return Ok(None);
    }
    let segment = SegmentReader::open(&**storage, &path)?;
    if segment.session() != session {
        return Ok(None);
    }
    let mut first_seq = None;
    let (mut rows, mut ticks, mut continues) = (0, 0, true);
    let (mut start, mut end) = (UnixNanos(i64::MAX), UnixNanos(i64::MIN));
    each_event(storage, &path, &mut |event| {
        let first = *first_seq.get_or_insert(event.seq.0);
        continues &= event.seq.0.checked_sub(first) == Some(rows);
        rows += 1;
        ticks += u64::from(event.as_tick().is_some());
        start = start.min(event.recv_ts);
        end = end.max(event.recv_ts);
    })?;
    let Some(first_seq) = first_seq.filter(|_| continues) else {
        return Ok(None);
    };
    let (bytes, blake3) = hash_file(&**storage, &path)?;
    let info = SegmentInfo {
        rows,
        ticks,
        first_seq,
        last_seq: first_seq + (rows - 1),
        start,
        end,
        bytes,
        blake3,
    };
    Ok(Some(SegmentEntry::new(name.to_owned(), info)))
}

/// Shows `visit` every event of a segment.
pub(super) fn each_event(
    storage: &Arc<dyn Storage>,
    segment: &Path,
    visit: &mut dyn FnMut(&Event),
) -> Result<()> {
    const BATCH_EVENTS: usize = 2048;
    let (segments, all) = (vec![segment.to_owned()], EventFilter::default());
    let mut groups = GroupStream::new(Arc::clone(storage), segments, Vec::new(), all);
    let mut events = Vec::with_capacity(BATCH_EVENTS);
    while let Some(step) = groups.next()? {
        let Step::Group(group) = step else {
            continue;
        };
        let mut group = BlockEvents::new(group);
        while group.next_events(&mut events, BATCH_EVENTS) > 0 {
            events.iter().for_each(&mut *visit);
            events.clear();
        }
    }
    Ok(())
}

impl Unsealed {
    /// Why the journal ends where it does, if bytes are left. The last block of a writer that is running
    /// may be half written.
    pub(super) fn damage(&self, is_being_written: bool) -> Option<&JournalDamage> {
        let damage = self.journal.damage.as_ref()?;
        (!is_being_written || !damage.is_tail).then_some(damage)
    }
}
