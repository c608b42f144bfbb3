//! The check itself: replays, compares with the golden, and writes a new one where that is allowed.

use std::path::{Path, PathBuf};

use serde::Serialize;
use tickdeck_core::event::Event;
use tickdeck_recording::{EventDigest, EventFilter, Recording, Status};

use super::aligner::Aligner;
use super::comparison::Comparison;
use super::error::{CannotTell, CheckError, TakenBy};
use super::golden::{
    DEFAULT_STREAM_LIMIT, Golden, GoldenLedger, GoldenPayload, GoldenSource, GoldenVersion,
};
use super::golden_file::stream_path;
use super::locate::{Located, locate};
use super::marks::Alignment;
use super::messages::{Messages, PublishedMessages, Watch, Without};
use super::meter::Meter;
use super::notes::{Note, notes};
use super::parts::{Chunk, Cuts, Parts};
use super::payload::Members;
use super::previous::add_previous;
use super::stream::StreamFile;
use super::stream_writer::StreamWriter;
use super::unreferenced::ends_as_input;
use crate::encode::PayloadKind;
use crate::pipeline::PublisherOptions;
use crate::sink::paths::is_one_file;

/// Differences kept in full, by default.
pub const DEFAULT_DIFFERENCES: usize = 10;

/// What may be written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Accept {
    /// Nothing.
    #[default]
    Nothing,
    /// A new golden, for any change.
    Everything,
    /// A new golden if nothing but these fields changed.
    Fields(Vec<String>),
}

impl Accept {
    fn fields(&self) -> &[String] {
        match self {
            Self::Fields(fields) => fields,
            Self::Nothing | Self::Everything => &[],
        }
    }
}

/// How to check.
#[derive(Debug, Clone)]
pub struct CheckOptions {
    /// What may be written.
    pub accept: Accept,
    /// Largest number of messages whose stream is kept; `None`: as in the golden, or
    /// [`DEFAULT_STREAM_LIMIT`].
    pub stream_limit: Option<u64>,
    /// Differences kept in full.
    pub differences: usize,
}

impl Default for CheckOptions {
    fn default() -> Self {
        Self {
            accept: Accept::Nothing,
            stream_limit: None,
            differences: DEFAULT_DIFFERENCES,
        }
    }
}

/// The verdict of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The output matches the golden.
    Equal,
    /// It does not, or the golden has another subject.
    Different,
    /// There was no golden; one was made.
    Made,
    /// The golden was rewritten.
    Updated,
}

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// What was checked.
    pub input: String,
    /// The golden.
    pub golden: String,
    /// The verdict.
    pub verdict: Verdict,
    /// Mismatches of golden and input besides the messages, reported first.
    pub notes: Vec<Note>,
    /// Messages now.
    pub messages: u64,
    /// BLAKE3 of the payload stream now.
    pub digest: String,
    /// Messages of the golden; null when it was made.
    pub golden_messages: Option<u64>,
    /// BLAKE3 in the golden.
    pub golden_digest: Option<String>,
    /// Fields omitted on both sides.
    pub left_out: Vec<String>,
    /// Message by message; null where the golden has no stream.
    pub comparison: Option<Comparison>,
    /// Windows, segments and subjects that differ.
    pub located: Located,
    /// Session id of the input; null for a payload stream.
    pub session: Option<String>,
    /// Session id in the golden.
    pub golden_session: Option<String>,
    /// Who made the two sides.
    pub versions: Versions,
    /// Whether the golden may be written from this input.
    #[serde(skip)]
    pub can_accept: bool,
    /// Fields of [`Accept::Fields`] that no message has.
    #[serde(skip)]
    pub unknown_fields: Vec<String>,
}

/// Versions of what made the messages on both sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Versions {
    /// This tickdeck.
    pub tickdeck: String,
    /// Its normalizer; null for a payload stream, whose origin is unknown.
    pub normalizer: Option<u32>,
    /// Format of the golden; null when it was made, and for a payload stream in its place.
    pub golden_format: Option<GoldenVersion>,
    /// The tickdeck that wrote the golden.
    pub golden_tickdeck: Option<String>,
    /// The normalizer that the golden was made with.
    pub golden_normalizer: Option<u32>,
}

impl Checked {
    /// Whether the check passed.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.verdict != Verdict::Different
    }

    /// Whether nothing would be published. Such a check passes whatever the normalizer does.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.messages == 0
    }
}

/// Checks a recording, published with `publishing`, against the golden at `golden`.
///
/// # Errors
/// When the recording or the golden cannot be read or used, or something cannot be written.
pub fn check_recording(
    recording: &Recording,
    publishing: PublisherOptions,
    golden: &Path,
    options: &CheckOptions,
    watch: Watch<'_>,
) -> Result<Checked, CheckError> {
    let job = job_of(recording, &publishing, golden, options)?;
    let now = PublishedMessages::of(recording, publishing)
        .expecting_rejects()
        .cut_at(job.cuts.clone());
    job.run(now, watch)
}

/// The job of checking a recording.
pub(super) fn job_of<'a>(
    recording: &'a Recording,
    publishing: &PublisherOptions,
    golden: &'a Path,
    options: &'a CheckOptions,
) -> Result<Job<'a>, CheckError> {
    let known = Golden::read(golden)?;
    // The golden would name events that are not final.
    let is_unfinished = recording.status() == Status::Recording;
    if options.accept != Accept::Nothing && is_unfinished {
        return Err(CheckError::Unfinished {
            path: recording.path().to_owned(),
            is_being_written: recording.is_being_written(),
        });
    }
    let source = source_of(recording)?;
    // For the same recording the cuts of the golden hold, regardless of today's segments.
    let cuts = match &known {
        Some(known) if known.source == source && !known.segments.is_empty() => known
            .segments
            .iter()
            .map(|part| (part.first_seq, part.last_seq))
            .collect(),
        _ => recording.manifest().map_or_else(Vec::new, |manifest| {
            let segments = manifest.segments.iter();
            segments.map(|s| (s.first_seq, s.last_seq)).collect()
        }),
    };
    Ok(Job {
        input: recording.path(),
        path: golden,
        known,
        source,
        payload: Some(GoldenPayload::of(publishing)),
        cuts: Cuts { segments: cuts },
        has_seq: publishing.payload == PayloadKind::Vnpy,
        is_unfinished,
        options,
    })
}

/// Checks a captured payload stream against the golden at `golden`, which may describe a stream or
/// a recording.
///
/// # Errors
/// When the stream or the golden cannot be read or used, or something cannot be written.
pub fn check_stream(
    stream: StreamFile,
    golden: &Path,
    options: &CheckOptions,
    watch: Watch<'_>,
) -> Result<Checked, CheckError> {
    let input = stream.path().to_owned();
    let job = Job {
        input: &input,
        path: golden,
        known: Golden::read(golden)?,
        source: GoldenSource::Stream,
        payload: None,
        cuts: Cuts::default(),
        has_seq: false,
        is_unfinished: false,
        options,
    };
    job.run(stream, watch)
}

/// Session and digest of a recording. A lone segment has no manifest, so it is read.
fn source_of(recording: &Recording) -> Result<GoldenSource, CheckError> {
    let session = recording.session().to_owned();
    if let Some(manifest) = recording.manifest() {
        return Ok(GoldenSource::Recording {
            session,
            digest: manifest.digest.clone(),
            events: manifest.events,
        });
    }
    const BATCH: usize = 4096;
    let mut reader = recording.reader(EventFilter::default());
    let mut batch: Vec<Event> = Vec::with_capacity(BATCH);
    let (mut digest, mut events) = (EventDigest::new(), 0);
    loop {
        batch.clear();
        reader.next_events(&mut batch, BATCH)?;
        if batch.is_empty() {
            return Ok(GoldenSource::Recording {
                session,
                digest: digest.finish(),
                events,
            });
        }
        events += batch.len() as u64;
        batch.iter().for_each(|event| digest.update(event));
    }
}

pub(super) struct Job<'a> {
    pub(super) input: &'a Path,
    pub(super) path: &'a Path,
    pub(super) known: Option<Golden>,
    pub(super) source: GoldenSource,
    pub(super) payload: Option<GoldenPayload>,
    pub(super) cuts: Cuts,
    /// Whether the payloads carry the `seq` of the events.
    pub(super) has_seq: bool,
    /// Whether the recording is still being written, so that no golden can be made of it.
    pub(super) is_unfinished: bool,
    pub(super) options: &'a CheckOptions,
}

fn session_of(source: &GoldenSource) -> Option<String> {
    match source {
        GoldenSource::Recording { session, .. } => Some(session.clone()),
        GoldenSource::Stream => None,
    }
}

fn has_failed(notes: &[Note]) -> bool {
    notes.iter().any(|note| note.fails)
}

fn has_field(payload: &[u8], name: &str) -> bool {
    Members::of(payload).any(|member| member.key == name.as_bytes())
}

/// The result of a pass over the messages.
struct Pass {
    parts: Parts,
    digest: String,
    ledger: Option<GoldenLedger>,
    /// `None` without a stream of the golden.
    comparison: Option<Comparison>,
    /// Fields to omit that no message has.
    unknown: Vec<String>,
    /// Accepted fields that neither side has.
    unknown_fields: Vec<String>,
}

impl Job<'_> {
    pub(super) fn run(self, now: impl Messages, watch: Watch<'_>) -> Result<Checked, CheckError> {
        let left_out = self
            .known
            .as_ref()
            .map_or_else(Vec::new, Golden::volatile_fields);
        let stream = self.known_stream();
        self.refuse_unanswerable(&left_out, stream.is_some())?;
        let limit = self.stream_limit();
        self.refuse_taken_place(limit)?;
        let mut candidate = match self.options.accept {
            Accept::Nothing => None,
            _ if limit == 0 => None,
            _ => Some(StreamWriter::create(&stream_path(self.path))?),
        };
        let now = Without::new(now, left_out.clone());
        let pass = self.pass(now, &left_out, stream.as_deref(), &mut candidate, watch)?;
        candidate = candidate.filter(|_| pass.parts.messages <= limit);
        let notes = self.notes_on(&pass, &left_out, stream.is_some());
        let has_stream = pass.comparison.is_some();
        let mut checked = Checked {
            input: self.input.display().to_string(),
            golden: self.path.display().to_string(),
            verdict: self.verdict(&pass, &notes),
            messages: pass.parts.messages,
            digest: pass.digest.clone(),
            golden_messages: self.known.as_ref().map(|known| known.messages),
            golden_digest: self.known.as_ref().map(|known| known.digest.clone()),
            left_out: left_out.clone(),
            comparison: pass.comparison.clone(),
            located: self.locate(&pass, &left_out),
            session: session_of(&self.source),
            golden_session: self.known.as_ref().and_then(|k| session_of(&k.source)),
            versions: self.versions(),
            can_accept: !self.is_foreign() && !self.is_unfinished,
            unknown_fields: pass.unknown_fields.clone(),
            notes,
        };
        if self.may_write(&checked) {
            let golden = self.golden(pass, left_out, candidate.is_some(), limit);
            checked.verdict = self.write(&golden, candidate, has_stream)?;
        }
        Ok(checked)
    }

    fn versions(&self) -> Versions {
        let normalizer = |payload: &Option<GoldenPayload>| payload.as_ref().map(|p| p.normalizer);
        let (_, _, tickdeck) = Golden::head();
        let known = self.known.as_ref().filter(|known| !known.is_bare_stream);
        Versions {
            tickdeck,
            normalizer: normalizer(&self.payload),
            golden_format: known.map(|known| known.format_version),
            golden_tickdeck: known.map(|known| known.tickdeck.clone()),
            golden_normalizer: known.and_then(|known| normalizer(&known.payload)),
        }
    }

    /// Everything to report besides the differences between messages.
    fn notes_on(&self, pass: &Pass, left_out: &[String], stream_is_there: bool) -> Vec<Note> {
        let mut notes = self.known.as_ref().map_or_else(Vec::new, |known| {
            let (payload, ledger) = (self.payload.as_ref(), pass.ledger.as_ref());
            notes(known, &self.source, payload, ledger)
        });
        notes.extend(self.lost_stream(stream_is_there));
        notes.extend(self.compared_again(left_out));
        if pass.parts.messages > 0 {
            notes.extend(pass.unknown.iter().map(|field| Note::no_such_field(field)));
        }
        notes
    }

    /// Equal or different, before anything is accepted.
    fn verdict(&self, pass: &Pass, notes: &[Note]) -> Verdict {
        let has_same_messages = match (&self.known, &pass.comparison) {
            (None, _) => false,
            (Some(_), Some(comparison)) => comparison.is_equal(),
            (Some(known), None) => known.digest == pass.digest,
        };
        if has_same_messages && !has_failed(notes) {
            Verdict::Equal
        } else {
            Verdict::Different
        }
    }

    /// The parts whose digests differ.
    fn locate(&self, pass: &Pass, left_out: &[String]) -> Located {
        let known = self.known.as_ref();
        let Some(known) = known.filter(|known| known.left_out == left_out) else {
            return Located::default();
        };
        let located = locate(known, &pass.parts);
        if self.is_foreign() {
            // Without the events' `seq` there are no such windows and segments.
            return Located {
                subjects: located.subjects,
                ..Located::default()
            };
        }
        located
    }

    /// Whether the options accept the result.
    fn may_write(&self, checked: &Checked) -> bool {
        match &self.options.accept {
            Accept::Nothing => false,
            Accept::Everything => true,
            Accept::Fields(fields) => {
                let in_fields = |comparison: &Comparison| comparison.is_only_in(fields);
                let is_only_in_them = checked.comparison.as_ref().is_some_and(in_fields);
                checked.verdict == Verdict::Different
                    && is_only_in_them
                    && !has_failed(&checked.notes)
            }
        }
    }

    /// The stream beside the golden, if it exists.
    fn known_stream(&self) -> Option<PathBuf> {
        let name = self.known.as_ref()?.stream.as_ref()?;
        let path = self.path.with_file_name(name);
        path.is_file().then_some(path)
    }

    fn lost_stream(&self, is_there: bool) -> Option<Note> {
        let name = self.known.as_ref()?.stream.as_ref()?;
        (!is_there).then(|| Note::no_stream(name))
    }

    /// The note on fields that are compared although the golden omits them.
    fn compared_again(&self, left_out: &[String]) -> Option<Note> {
        let known = self.known.as_ref()?;
        let again = known.left_out.iter().filter(|f| !left_out.contains(f));
        let again: Vec<&str> = again.map(String::as_str).collect();
        (!again.is_empty()).then(|| Note::compared_again(&again))
    }

    fn stream_limit(&self) -> u64 {
        let known = self.known.as_ref().map(|known| known.stream_limit);
        self.options
            .stream_limit
            .or(known)
            .unwrap_or(DEFAULT_STREAM_LIMIT)
    }

    fn refuse_unanswerable(&self, left_out: &[String], has_stream: bool) -> Result<(), CheckError> {
        let refuse = |reason: CannotTell| {
            Err(CheckError::GoldenCannotTell {
                golden: self.path.to_owned(),
                reason,
            })
        };
        let Some(known) = &self.known else {
            return match self.options.accept {
                Accept::Everything if ends_as_input(self.path) => refuse(CannotTell::NameOfInput),
                Accept::Everything => Ok(()),
                _ => Err(CheckError::NoGolden {
                    path: self.path.to_owned(),
                }),
            };
        };
        if known.is_bare_stream && self.options.accept != Accept::Nothing {
            return refuse(CannotTell::IsStream);
        }
        if self.is_foreign() && self.options.accept != Accept::Nothing {
            return refuse(CannotTell::OfRecording);
        }
        match &self.options.accept {
            _ if has_stream => Ok(()),
            Accept::Everything => Ok(()),
            Accept::Fields(_) => refuse(CannotTell::FieldsUnknown),
            Accept::Nothing if known.left_out == left_out => Ok(()),
            Accept::Nothing => refuse(CannotTell::OtherFieldsLeftOut),
        }
    }

    /// Only the golden's own stream may be replaced or removed. Anything else at its path may be
    /// the only copy of a capture. Reading the stream shows whether the golden was made with it.
    fn refuse_taken_place(&self, limit: u64) -> Result<(), CheckError> {
        if self.options.accept == Accept::Nothing {
            return Ok(());
        }
        let stream = stream_path(self.path);
        let by = if is_one_file(&stream, self.input) {
            TakenBy::Input
        } else if limit > 0 && !self.names(&stream) && stream.symlink_metadata().is_ok() {
            TakenBy::OtherFile
        } else {
            return Ok(());
        };
        Err(CheckError::TakenPlace {
            stream,
            golden: self.path.to_owned(),
            by,
        })
    }

    /// Whether the golden names `stream`, beside it, as its own.
    fn names(&self, stream: &Path) -> bool {
        let known = self.known.as_ref().and_then(|known| known.stream.as_ref());
        known.is_some_and(|known| stream.file_name() == Some(known.as_ref()))
    }

    /// Whether a captured stream is compared with the golden of a recording, or a recording with a
    /// bare stream.
    fn is_foreign(&self) -> bool {
        let Some(known) = &self.known else {
            return false;
        };
        let is_of_recording = matches!(known.source, GoldenSource::Recording { .. });
        let is_stream = self.source == GoldenSource::Stream;
        (is_of_recording && is_stream) || known.is_bare_stream
    }

    fn alignment(&self, left_out: &[String]) -> Alignment {
        let Some(known) = &self.known else {
            return Alignment::Content;
        };
        let kind = |payload: &Option<GoldenPayload>| payload.as_ref().map(|p| p.kind.clone());
        let is_same = known.source == self.source && kind(&known.payload) == kind(&self.payload);
        let is_there = ![&known.left_out[..], left_out]
            .iter()
            .any(|fields| fields.iter().any(|field| field == "seq"));
        if is_same && is_there && self.has_seq {
            Alignment::Seq
        } else {
            Alignment::Content
        }
    }

    /// Reads all messages once.
    fn pass(
        &self,
        mut now: Without<impl Messages>,
        left_out: &[String],
        stream: Option<&Path>,
        candidate: &mut Option<StreamWriter>,
        watch: Watch<'_>,
    ) -> Result<Pass, CheckError> {
        let mut meter = Meter::new(self.cuts.clone(), !left_out.is_empty());
        let mut aligner = match stream {
            Some(path) => {
                let known = Without::new(StreamFile::open(path)?, left_out.to_vec());
                let alignment = self.alignment(left_out);
                Some(Aligner::new(known, alignment, self.options.differences))
            }
            None => None,
        };
        let limit = self.stream_limit();
        let mut sought = self.options.accept.fields().to_vec();
        sought.retain(|name| !left_out.contains(name));
        let mut messages = 0;
        while let Some(Chunk {
            messages: batch,
            seq,
        }) = now.next_chunk()?
        {
            messages += batch.len() as u64;
            sought.retain(|name| !batch.iter().any(|message| has_field(message.payload, name)));
            if messages > limit {
                *candidate = None;
            }
            if let Some(candidate) = candidate {
                candidate.push(&batch)?;
            }
            if let Some(running) = &mut aligner
                && let Err(error) = running.take(&batch)
            {
                self.lose_stream(stream, error)?;
                aligner = None;
            }
            let chunk = Chunk {
                messages: batch,
                seq,
            };
            meter.update(&chunk);
            if !watch(messages) {
                return Err(CheckError::Interrupted { messages });
            }
        }
        let ended = now.ended();
        let comparison = match aligner {
            Some(aligner) => self.compared(aligner, &now, stream, watch)?,
            None => None,
        };
        if let Some(comparison) = &comparison {
            sought.retain(|name| comparison.fields.iter().all(|group| group.name != *name));
        }
        Ok(Pass {
            unknown_fields: sought,
            parts: meter.parts(),
            digest: meter.digest().or(ended.digest).unwrap_or_default(),
            ledger: ended.ledger.as_ref().map(GoldenLedger::from),
            comparison,
            unknown: now.unseen(),
        })
    }

    /// The comparison with the stream of the golden; `None` where that cannot be read and will be
    /// rewritten.
    fn compared<N: Messages>(
        &self,
        aligner: Aligner<Without<StreamFile>>,
        now: &Without<N>,
        stream: Option<&Path>,
        watch: Watch<'_>,
    ) -> Result<Option<Comparison>, CheckError> {
        let (mut comparison, mut of_golden) = match aligner.finish() {
            Ok(finished) => finished,
            Err(error) => {
                self.lose_stream(stream, error)?;
                return Ok(None);
            }
        };
        let messages = comparison.messages_before;
        let known = of_golden.ended();
        let digest = known.digest.or(known.digest_in_file);
        self.refuse_foreign_stream(stream, digest, messages)?;
        add_previous(&mut comparison, &of_golden, now, watch)?;
        Ok(Some(comparison))
    }

    /// Handles an unreadable stream of a golden. If it will be rewritten, it is not compared;
    /// otherwise it is an error with the remedy.
    fn lose_stream(&self, stream: Option<&Path>, error: CheckError) -> Result<(), CheckError> {
        let reason = match error {
            CheckError::DamagedStream { reason, .. } => {
                format!("it is damaged or truncated: {reason}")
            }
            CheckError::NotAMessage { line, found, .. } => {
                format!("its line {line} is not a message: {found}")
            }
            other => return Err(other),
        };
        if self.options.accept == Accept::Everything {
            return Ok(());
        }
        Err(CheckError::UnreadableStream {
            stream: stream.unwrap_or(self.path).to_owned(),
            golden: self.path.to_owned(),
            reason,
        })
    }

    /// A stream other than the one the golden was made with is always refused: it belongs to
    /// someone.
    fn refuse_foreign_stream(
        &self,
        stream: Option<&Path>,
        digest: Option<String>,
        messages: u64,
    ) -> Result<(), CheckError> {
        let (Some(known), Some(stream)) = (&self.known, stream) else {
            return Ok(());
        };
        let reason = if messages != known.messages {
            format!("{messages} messages instead of {}", known.messages)
        } else if digest.is_some_and(|digest| digest != known.digest) {
            "its BLAKE3 differs".to_owned()
        } else {
            return Ok(());
        };
        Err(CheckError::ForeignStream {
            stream: stream.to_owned(),
            golden: self.path.to_owned(),
            reason,
        })
    }

    fn golden(&self, pass: Pass, left_out: Vec<String>, has_stream: bool, limit: u64) -> Golden {
        let (format, format_version, tickdeck) = Golden::head();
        let stream = stream_path(self.path);
        let stream = stream.file_name().map(|name| name.to_string_lossy());
        Golden {
            format,
            format_version,
            tickdeck,
            source: self.source.clone(),
            payload: self.payload.clone(),
            ledger: pass.ledger,
            volatile: self
                .known
                .as_ref()
                .map_or_else(Vec::new, |known| known.volatile.clone()),
            left_out,
            messages: pass.parts.messages,
            digest: pass.digest,
            stream: stream.filter(|_| has_stream).map(String::from),
            stream_limit: limit,
            windows: pass.parts.windows,
            segments: pass.parts.segments,
            subjects: pass.parts.subjects,
            is_bare_stream: false,
        }
    }

    /// Writes stream and golden, unless they are unchanged. The stream comes first: a golden never
    /// names a missing stream.
    fn write(
        &self,
        golden: &Golden,
        stream: Option<StreamWriter>,
        has_stream: bool,
    ) -> Result<Verdict, CheckError> {
        let is_known = self.known.as_ref().is_some_and(|known| {
            known.has_the_same_text(golden) && has_stream == golden.stream.is_some()
        });
        if is_known {
            return Ok(Verdict::Equal);
        }
        let has_new = stream.is_some();
        if let Some(stream) = stream {
            stream.finish()?;
        }
        golden.write(self.path)?;
        // A copied golden still names the stream of the original, which stays.
        let path = stream_path(self.path);
        if self.names(&path) && !has_new {
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(CheckError::io(&path, "removing")(error));
                }
                _ => {}
            }
        }
        Ok(match self.known {
            Some(_) => Verdict::Updated,
            None => Verdict::Made,
        })
    }
}
