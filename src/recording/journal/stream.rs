//! The events of a journal as a reader wants them, block by block.

use tickdeck_core::event::Event;

use super::files::{JournalFiles, JournalPart};
use super::reader::{JournalReader, Next};
use crate::error::RecordingError;
use crate::filter::EventFilter;

type Result<T> = std::result::Result<T, RecordingError>;

/// Yields the events of the files that were found, also after their writer removed them.
#[derive(Debug)]
pub(crate) struct JournalStream {
    parts: std::vec::IntoIter<JournalPart>,
    reader: Option<(JournalReader, u64)>,
    next_seq: u64,
}

impl JournalStream {
    /// No events.
    pub(crate) fn none() -> Self {
        Self::new(JournalFiles::default())
    }

    pub(crate) fn new(files: JournalFiles) -> Self {
        Self {
            parts: files.parts.into_iter(),
            reader: None,
            next_seq: files.from_seq,
        }
    }

    /// The wanted events of the next block; `None` at the end.
    pub(crate) fn next(&mut self, filter: &EventFilter) -> Result<Option<Vec<Event>>> {
        loop {
            let Some((reader, end_seq)) = &mut self.reader else {
                let Some(part) = self.parts.next() else {
                    return Ok(None);
                };
                let reader = JournalReader::of_file(&part.path, part.file)?;
                self.reader = reader.map(|reader| (reader, part.end_seq));
                continue;
            };
            let mut events = Vec::new();
            // Blocks that were written after the files were found belong to the next look.
            let has_more = reader.next_seq() < *end_seq && reader.next(&mut events)? == Next::Block;
            if !has_more {
                self.reader = None;
                continue;
            }
            let from = self.next_seq;
            self.next_seq = from.max(reader.next_seq());
            events.retain(|event| event.seq.0 >= from && filter.wants(event));
            if !events.is_empty() {
                return Ok(Some(events));
            }
        }
    }
}
