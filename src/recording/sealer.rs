//! Seals what the journal has: reads its blocks back and writes them to segments.
//!
//! The journal is written at the speed of the disk, segments at that of the encoder. A burst therefore
//! waits in the journal, not in memory.

use std::path::PathBuf;
use std::sync::Arc;

use tickdeck_core::event::Event;

use super::error::RecordingError;
use super::journal::{JournalReader, JournalWriter, Next};
use super::names::FileNames;
use super::recorder_stats::RecorderStats;
use super::writer::RecordingWriter;

type Result<T> = std::result::Result<T, RecordingError>;

/// Follows a journal that is being written.
#[derive(Debug)]
pub(super) struct Sealer {
    writer: RecordingWriter,
    rows_per_file: u64,
    index: usize,
    reader: Option<JournalReader>,
    /// Whether the writer knows of the file of `reader`.
    is_begun: bool,
    events: Vec<Event>,
    next_seq: u64,
    /// What was counted as sealed.
    sealed_seq: u64,
    stats: Arc<RecorderStats>,
}

/// A journal in the folder of `writer`, and the sealer that follows it.
pub(super) fn journal_of(mut writer: RecordingWriter) -> (JournalWriter, Sealer) {
    writer.keep_partial();
    let options = writer.options();
    let rows_per_file = options.rolling.row_group_rows.max(1) as u64;
    let journal = JournalWriter::new(
        writer.storage().clone(),
        writer.folder().to_owned(),
        options.session.clone(),
        options.source.clone(),
        rows_per_file,
    );
    let sealer = Sealer {
        writer,
        rows_per_file,
        index: 0,
        reader: None,
        is_begun: false,
        events: Vec::new(),
        next_seq: 0,
        sealed_seq: 0,
        stats: Arc::default(),
    };
    (journal, sealer)
}

impl Sealer {
    /// Takes over everything that the journal had written when it was at `written_seq`.
    pub(super) fn follow(&mut self, written_seq: u64) -> Result<()> {
        let followed = self.follow_to(written_seq);
        followed.map_err(|error| self.writer.owner().explain(self.writer.folder(), error))
    }

    /// The same after an error of reading: the file is opened again. After one of writing it fails.
    pub(super) fn follow_again(&mut self, written_seq: u64) -> Result<()> {
        self.reader = None;
        self.follow(written_seq)
    }

    fn follow_to(&mut self, written_seq: u64) -> Result<()> {
        while self.next_seq < written_seq {
            let reader = match &mut self.reader {
                Some(reader) => reader,
                none => {
                    let folder = self.writer.folder();
                    let names = FileNames::of(&**self.writer.storage(), folder);
                    let path = names.journal(folder, self.index);
                    let reader = JournalReader::open(&**self.writer.storage(), &path)?;
                    let reader = reader.ok_or_else(|| unreadable(path.clone(), "header"))?;
                    if !std::mem::replace(&mut self.is_begun, true) {
                        self.writer.begin_journal(path);
                    }
                    none.insert(reader)
                }
            };
            self.events.clear();
            match reader.next(&mut self.events)? {
                Next::Block => {
                    // A file that is read again begins with events that were taken over.
                    self.events.retain(|event| event.seq.0 >= self.next_seq);
                    self.writer.write(&self.events)?;
                    let sealed = self.writer.sealed_seq();
                    self.stats.seal(sealed - self.sealed_seq);
                    self.sealed_seq = sealed;
                }
                Next::End | Next::Torn(_) => {
                    return Err(unreadable(reader.path().to_owned(), "block"));
                }
            }
            self.next_seq = self.next_seq.max(reader.next_seq());
            if reader.rows() >= self.rows_per_file {
                self.writer.end_journal();
                self.reader = None;
                self.is_begun = false;
                self.index += 1;
            }
        }
        Ok(())
    }

    /// Counts what is sealed.
    pub(super) const fn stats(&self) -> &Arc<RecorderStats> {
        &self.stats
    }

    /// Counts in `stats`.
    pub(super) fn count_in(&mut self, stats: Arc<RecorderStats>) {
        self.stats = stats;
    }

    /// The writer of the segments.
    pub(super) fn into_writer(self) -> RecordingWriter {
        self.writer
    }
}

/// What was written to the journal is not what it has now.
fn unreadable(path: PathBuf, part: &str) -> RecordingError {
    RecordingError::Damaged {
        path,
        problem: format!("the {part} that was written cannot be read back"),
    }
}
