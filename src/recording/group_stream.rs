//! The decoded row groups of a recording in order, then the blocks of its journal, on the calling thread
//! or one ahead on another.
//!
//! Parts that `--salvage` skips are reported in their place, so that a reader knows what is missing
//! as it proceeds.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crossbeam_channel::{Receiver, bounded};
use tickdeck_core::block::EventBlock;
use tickdeck_core::event::Event;
use tickdeck_core::thread;

use super::error::RecordingError;
use super::filter::EventFilter;
use super::finding::problem;
use super::journal::{JournalFiles, JournalStream};
use super::segment_reader::SegmentReader;
use super::storage::Storage;

type Result<T> = std::result::Result<T, RecordingError>;

/// A part that `--salvage` could not play.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct MissingPart {
    /// The segment.
    pub path: PathBuf,
    /// The part and the reason.
    pub problem: String,
    /// Rows known to be lost; 0 when the segment does not open at all.
    pub rows: u64,
}

/// The next part of a recording.
#[derive(Debug)]
pub(super) enum Step {
    /// The wanted events of a row group.
    Group(Arc<EventBlock>),
    /// The wanted events of a block of the journal.
    Events(Vec<Event>),
    /// A part that was skipped.
    Missing(MissingPart),
}

/// What a manifest says of a segment.
#[derive(Debug, Clone)]
pub(super) struct Stated {
    pub(super) session: Arc<str>,
    pub(super) rows: u64,
    /// First and last `seq`, where that is known.
    pub(super) events: Option<(u64, u64)>,
}

impl Stated {
    /// Why a file is not that segment, though it can be read: it was brought from elsewhere, or renamed.
    fn refuses(&self, segment: &SegmentReader) -> Option<String> {
        let (theirs, ours) = (segment.session(), &*self.session);
        if theirs != ours {
            return Some(format!(
                "it is of session {theirs:?}, the recording of {ours:?}"
            ));
        }
        let (first, last) = self.events?;
        let (start, end) = segment.seq_range()?;
        let is_within = first <= start && end <= last;
        (!is_within)
            .then(|| format!("it has events {start} to {end}, the manifest says {first} to {last}"))
    }
}

/// Decodes row groups on the calling thread.
#[derive(Debug)]
pub(super) struct GroupStream {
    storage: Arc<dyn Storage>,
    segments: Vec<PathBuf>,
    /// What a manifest says of each segment, if there is one.
    stated: Vec<Stated>,
    filter: EventFilter,
    next_segment: usize,
    segment: Option<SegmentReader>,
    next_group: usize,
    journal: JournalStream,
    /// Skip damaged parts instead of failing.
    pub(super) salvage: bool,
}

impl GroupStream {
    pub(super) fn new(
        storage: Arc<dyn Storage>,
        segments: Vec<PathBuf>,
        stated: Vec<Stated>,
        filter: EventFilter,
    ) -> Self {
        Self {
            storage,
            segments,
            stated,
            filter,
            next_segment: 0,
            segment: None,
            next_group: 0,
            journal: JournalStream::none(),
            salvage: false,
        }
    }

    /// Continues with the journal after the last segment.
    pub(super) fn journal(mut self, journal: JournalFiles) -> Self {
        self.journal = JournalStream::new(journal);
        self
    }

    /// The next row group that may contain wanted events; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Step>> {
        loop {
            let Some(segment) = &self.segment else {
                let Some(path) = self.segments.get(self.next_segment) else {
                    let events = self.journal.next(&self.filter)?;
                    return Ok(events.map(Step::Events));
                };
                self.next_segment += 1;
                self.next_group = 0;
                match self.open(path) {
                    Ok(segment) => self.segment = Some(segment),
                    Err(error) => {
                        let stated = self.stated.get(self.next_segment - 1);
                        return self.skip(error, stated.map_or(0, |it| it.rows)).map(Some);
                    }
                }
                continue;
            };
            if self.next_group == segment.row_groups() {
                self.segment = None;
                continue;
            }
            let index = self.next_group;
            self.next_group += 1;
            if !segment.may_match(index, &self.filter) {
                continue;
            }
            let rows = segment.group_rows(index) as u64;
            return match segment.read_group(index, &self.filter) {
                Ok(group) => Ok(Some(Step::Group(Arc::new(group)))),
                Err(error) => self.skip(error, rows).map(Some),
            };
        }
    }

    /// Opens the segment before `next_segment`. A salvage also looks whether it is the one that the manifest
    /// means: its bytes may differ.
    fn open(&self, path: &Path) -> Result<SegmentReader> {
        let segment = SegmentReader::open(&*self.storage, path)?;
        let stated = self.stated.get(self.next_segment.wrapping_sub(1));
        let stated = stated.filter(|_| self.salvage);
        match stated.and_then(|it| it.refuses(&segment)) {
            Some(problem) => Err(RecordingError::damaged(path, problem)),
            None => Ok(segment),
        }
    }

    fn skip(&self, error: RecordingError, rows: u64) -> Result<Step> {
        // Damage of a footer can look like another format. What the recording is was checked before.
        let is_other = matches!(
            error,
            RecordingError::WrongSchema { .. }
                | RecordingError::UnknownCompression { .. }
                | RecordingError::NewerFormat { .. }
                | RecordingError::NotARecording { .. }
        );
        if !self.salvage || !(is_other || error.is_damage()) {
            return Err(error);
        }
        let path = self.segments.get(self.next_segment.wrapping_sub(1));
        Ok(Step::Missing(MissingPart {
            path: path.cloned().unwrap_or_default(),
            problem: match &error {
                // It names the file, and its cause says what is wrong with it.
                RecordingError::Io { path, .. } => {
                    format!("{}: {}", path.display(), problem(&error))
                }
                other => other.to_string(),
            },
            rows,
        }))
    }

    /// The same row groups, decoded one ahead on another thread. Costs the memory of one more row
    /// group.
    pub(super) fn ahead(mut self) -> Result<GroupsAhead> {
        let path = self.segments.first().cloned().unwrap_or_default();
        // Unbuffered: the thread blocks with the one row group that it has ready.
        let (steps, incoming) = bounded(0);
        let run = move || {
            loop {
                let step = self.next();
                let is_last = !matches!(step, Ok(Some(_)));
                // The receiver is gone: drop the result.
                if steps.send(step).is_err() || is_last {
                    return;
                }
            }
        };
        thread::spawn("decode", run)
            .map_err(RecordingError::io(&path, "starting a thread to read"))?;
        Ok(GroupsAhead { incoming })
    }
}

/// Row groups that another thread decodes. The thread ends when this is dropped.
#[derive(Debug)]
pub(super) struct GroupsAhead {
    incoming: Receiver<Result<Option<Step>>>,
}

impl GroupsAhead {
    /// As [`GroupStream::next`].
    pub(super) fn next(&mut self) -> Result<Option<Step>> {
        // The thread ends after its last step.
        self.incoming.recv().unwrap_or(Ok(None))
    }
}
