//! Payload streams in files: one line a message, the subject, one space, the payload; plain, or
//! compressed with zstd. And JetStream streams, on a server.
//!
//! Opening, reading, decompressing and splitting into messages happen on another thread, a few
//! batches ahead. A pipe may block that thread without end. The consumer still notices a stop
//! request.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{self as channel, Receiver, bounded};
use memchr::memchr;
use tickdeck_core::thread;
use tickdeck_core::wait::{Received, is_closed_within, receive};
use tickdeck_recording::is_pointer;
use tickdeck_recording::storage::is_url;

use super::error::CheckError;
use super::messages::{Ended, Messages};
use super::parts::Chunk;
#[cfg(feature = "nats")]
use super::server_stream::ServerStream;
use super::server_stream::is_on_server;
use super::stream_parts::{BATCH_MESSAGES, Part, Sender};
use crate::control::Control;
use crate::encode::control::ControlSubject;
use crate::sink::{MessageBatch, MessageBatchBuilder, StreamDigest, is_line_subject};

/// The first bytes of a zstd frame.
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// The first bytes of a Parquet file.
const PARQUET_MAGIC: [u8; 4] = *b"PAR1";
/// Bytes that decide what a stream is: compressed, or a Git LFS pointer. A pipe may give fewer at
/// first.
const HEAD_BYTES: u64 = 64;
/// More than NATS carries in one message, so a longer line belongs to no stream.
const MAX_LINE: usize = 65 << 20;
/// Bytes read at a time.
const READ_BYTES: usize = 1 << 20;
/// Batches queued for the comparison.
const QUEUED_BATCHES: usize = 8;
/// How long a reader of a server may take to remove its consumer at the end.
const CONSUMER_REMOVAL_MAX: Duration = Duration::from_secs(2);
/// How often a stop request is looked for while a stream is silent.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// The kind of a path on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InputKind {
    /// The folder of a recording, or a lone segment.
    Recording,
    /// A payload stream.
    Stream,
}

/// Distinguishes recordings (folders, Parquet files, URLs) from payload streams (everything else).
/// Nothing is read from a pipe: it would be missing in the stream.
///
/// # Errors
/// When there is nothing, or it cannot be read.
pub(super) fn input_kind(path: &Path) -> Result<InputKind, CheckError> {
    if is_on_server(path) {
        return Ok(InputKind::Stream);
    }
    if is_url(path) {
        return Ok(InputKind::Recording);
    }
    let metadata = std::fs::metadata(path).map_err(CheckError::opening(path))?;
    if metadata.is_dir() {
        return Ok(InputKind::Recording);
    }
    if !metadata.is_file() {
        return Ok(InputKind::Stream);
    }
    let mut file = File::open(path).map_err(CheckError::opening(path))?;
    let mut magic = [0; 4];
    match file.read_exact(&mut magic) {
        Ok(()) if magic == PARQUET_MAGIC => Ok(InputKind::Recording),
        Ok(()) => Ok(InputKind::Stream),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(InputKind::Stream),
        Err(error) => Err(CheckError::io(path, "reading")(error)),
    }
}

/// Whether there is something at `path` that can be read only once, from its beginning to its end:
/// a pipe, a device.
#[must_use]
pub(super) fn is_read_once(path: &Path) -> bool {
    let metadata = path.metadata();
    metadata.is_ok_and(|found| !found.is_file() && !found.is_dir())
}

/// A payload stream in a file, a pipe or a device, or a stream on a server.
#[derive(Debug)]
pub struct StreamFile {
    path: PathBuf,
    #[cfg(feature = "nats")]
    server: Option<ServerStream>,
    parts: Receiver<Result<Part, CheckError>>,
    spares: channel::Sender<MessageBatchBuilder>,
    /// Closed when the reading thread has ended.
    ended: Receiver<()>,
    digest: Option<String>,
    /// The batch handed out last; recycled with the next call.
    before: Option<MessageBatch>,
    /// Handed over so far.
    messages: u64,
    control: Option<Arc<Control>>,
}

impl StreamFile {
    /// Starts to read the stream at `path`, which is read once. This call does not wait: an error
    /// in opening or reading comes with the next request for messages.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn open(path: &Path) -> Result<Self, CheckError> {
        let opened = path.to_owned();
        Self::read(path, move |sender| {
            let mut lines = match Lines::open(opened) {
                Ok(lines) => lines,
                Err(error) => {
                    sender.send(Err(error));
                    return;
                }
            };
            let mut digest = StreamDigest::new();
            loop {
                let part = lines.next_batch(sender).map(|batch| match batch {
                    Some(batch) => {
                        digest.update(&batch);
                        Part::Messages(batch)
                    }
                    None => Part::End(digest.hex()),
                });
                if !sender.send(part) {
                    return;
                }
            }
        })
    }

    /// Starts to read a stream of a server, from its first message to the one that is the last then.
    #[cfg(feature = "nats")]
    pub(super) fn on_server(path: &Path, server: ServerStream) -> Result<Self, CheckError> {
        let (stream, shown) = (server.clone(), path.to_owned());
        let mut opened = Self::read(path, move |sender| stream.read(&shown, sender))?;
        opened.server = Some(server);
        Ok(opened)
    }

    fn read(path: &Path, work: impl FnOnce(&Sender) + Send + 'static) -> Result<Self, CheckError> {
        let (sender, parts) = bounded(QUEUED_BATCHES);
        let (spares, recycled) = bounded(QUEUED_BATCHES);
        let (has_ended, ended) = bounded(0);
        let sender = Sender {
            parts: sender,
            recycled,
        };
        let read = move || {
            let _has_ended: channel::Sender<()> = has_ended;
            work(&sender);
        };
        let spawned = thread::spawn("payload-stream", read);
        spawned.map_err(CheckError::io(path, "starting a thread for"))?;
        Ok(Self {
            path: path.to_owned(),
            #[cfg(feature = "nats")]
            server: None,
            parts,
            spares,
            ended,
            digest: None,
            before: None,
            messages: 0,
            control: None,
        })
    }

    /// Allows the user to stop the wait for messages: a pipe may have a silent writer, or none.
    #[must_use]
    pub fn stopped_by(mut self, control: Arc<Control>) -> Self {
        self.control = Some(control);
        self
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The next part; `None` after the last one.
    fn next_part(&self) -> Result<Option<Part>, CheckError> {
        loop {
            if self.control.as_ref().is_some_and(|c| c.is_stopped()) {
                let messages = self.messages;
                return Err(CheckError::Interrupted { messages });
            }
            match receive(&self.parts, POLL_INTERVAL) {
                Received::Message(part) => return part.map(Some),
                Received::Timeout => {}
                Received::Closed => return Ok(None),
            }
        }
    }
}

impl Messages for StreamFile {
    fn next_chunk(&mut self) -> Result<Option<Chunk>, CheckError> {
        if let Some(buffers) = self.before.take().and_then(MessageBatch::recycle) {
            // A full channel only means that there are enough.
            let _ = self.spares.try_send(buffers);
        }
        match self.next_part()? {
            Some(Part::Messages(messages)) => {
                self.messages += messages.len() as u64;
                self.before = Some(messages.clone());
                Ok(Some(Chunk {
                    messages,
                    seq: None,
                }))
            }
            Some(Part::End(digest)) => {
                self.digest = Some(digest);
                Ok(None)
            }
            None => Ok(None),
        }
    }

    fn ended(&mut self) -> Ended {
        Ended {
            digest: self.digest.take(),
            ..Ended::default()
        }
    }

    fn again(&self) -> Result<Option<Box<dyn Messages>>, CheckError> {
        #[cfg(feature = "nats")]
        if let Some(server) = &self.server {
            let mut again = Self::on_server(&self.path, server.clone())?;
            again.control.clone_from(&self.control);
            return Ok(Some(Box::new(again)));
        }
        if is_read_once(&self.path) {
            return Ok(None);
        }
        let mut again = Self::open(&self.path)?;
        again.control.clone_from(&self.control);
        Ok(Some(Box::new(again)))
    }
}

impl Drop for StreamFile {
    /// A reader of a server has a consumer there, which it removes when its receiver is gone.
    fn drop(&mut self) {
        if is_on_server(&self.path) {
            self.parts = channel::never();
            let _ = is_closed_within(&self.ended, CONSUMER_REMOVAL_MAX);
        }
    }
}

/// Refuses a Git LFS pointer instead of a file.
pub(super) fn refuse_pointer(path: &Path, head: &[u8]) -> Result<(), CheckError> {
    if is_pointer(head) {
        return Err(CheckError::NotFetched {
            path: path.to_owned(),
        });
    }
    Ok(())
}

/// Splits text into messages.
struct Lines {
    path: PathBuf,
    text: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    /// Start of the part of the buffer that is not split yet.
    start: usize,
    line: u64,
    ended: bool,
}

impl Lines {
    /// Opens `path` once: a pipe gives its bytes once.
    fn open(path: PathBuf) -> Result<Self, CheckError> {
        let file = File::open(&path).map_err(CheckError::opening(&path))?;
        let mut file = BufReader::with_capacity(READ_BYTES, file);
        let mut head = Vec::new();
        let looked = file.by_ref().take(HEAD_BYTES).read_to_end(&mut head);
        looked.map_err(CheckError::io(&path, "reading"))?;
        refuse_pointer(&path, &head)?;
        let is_packed = head.starts_with(&ZSTD_MAGIC);
        let whole = io::Cursor::new(head).chain(file);
        let text: Box<dyn Read + Send> = if is_packed {
            let decoder = zstd::stream::read::Decoder::with_buffer(whole);
            Box::new(decoder.map_err(CheckError::io(&path, "decompressing"))?)
        } else {
            Box::new(whole)
        };
        Ok(Self::of(path, text))
    }

    fn of(path: PathBuf, text: Box<dyn Read + Send>) -> Self {
        Self {
            path,
            text,
            buffer: Vec::new(),
            start: 0,
            line: 0,
            ended: false,
        }
    }

    fn next_batch(&mut self, sender: &Sender) -> Result<Option<MessageBatch>, CheckError> {
        let mut builder = sender.builder();
        while builder.len() < BATCH_MESSAGES {
            let Some(end) = self.line_end()? else { break };
            let line = &self.buffer[self.start..end];
            self.line += 1;
            let (subject, payload) = split(line).ok_or_else(|| CheckError::NotAMessage {
                path: self.path.clone(),
                line: self.line,
                found: shown(line),
            })?;
            // Control messages are not part of what is published, see `encode::control`.
            if !ControlSubject::is_subject(subject) {
                builder.push(subject, payload);
            }
            self.start = end + 1;
        }
        Ok((!builder.is_empty()).then(|| builder.take()))
    }

    /// End of the next line; `None` at the end. The last line may lack its newline.
    fn line_end(&mut self) -> Result<Option<usize>, CheckError> {
        let mut searched = self.start;
        loop {
            let rest = self.buffer.get(searched..).unwrap_or_default();
            if let Some(found) = memchr(b'\n', rest) {
                return Ok(Some(searched + found));
            }
            searched = self.buffer.len();
            if self.ended {
                return Ok((self.start < searched).then_some(searched));
            }
            if searched - self.start > MAX_LINE {
                return Err(CheckError::NotAMessage {
                    path: self.path.clone(),
                    line: self.line + 1,
                    found: format!("more than {} MB without a line's end", MAX_LINE >> 20),
                });
            }
            self.buffer.drain(..self.start);
            searched -= self.start;
            self.start = 0;
            self.read_more()?;
        }
    }

    fn read_more(&mut self) -> Result<(), CheckError> {
        let mut part = self.text.by_ref().take(READ_BYTES as u64);
        match part.read_to_end(&mut self.buffer) {
            Ok(count) => {
                self.ended = count == 0;
                Ok(())
            }
            // Errors of the system have a number; others come from the decompressor.
            Err(error) if error.raw_os_error().is_some() => {
                Err(CheckError::io(&self.path, "reading")(error))
            }
            Err(error) => Err(CheckError::DamagedStream {
                path: self.path.clone(),
                reason: error.to_string(),
            }),
        }
    }
}

/// Subject and payload of a line; `None` when it is not a message.
fn split(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let (subject, payload) = line.split_at(memchr(b' ', line)?);
    is_line_subject(subject).then(|| (subject, &payload[1..]))
}

/// The beginning of a line, for an error message.
fn shown(line: &[u8]) -> String {
    const MOST: usize = 40;
    if line.is_empty() {
        return "an empty line".into();
    }
    let text = String::from_utf8_lossy(&line[..line.len().min(MOST)]);
    let more = if line.len() > MOST { "..." } else { "" };
    format!("{text:?}{more}")
}

/// A payload stream from memory.
#[cfg(test)]
pub(super) struct MessagesInMemory {
    batches: Vec<MessageBatch>,
    read: usize,
}

#[cfg(test)]
impl MessagesInMemory {
    pub(super) fn of_text(text: &str) -> Result<Self, CheckError> {
        let (parts, _) = bounded(0);
        let (_, recycled) = bounded(0);
        let sender = Sender { parts, recycled };
        let text = io::Cursor::new(text.as_bytes().to_vec());
        let mut lines = Lines::of("memory".into(), Box::new(text));
        let mut batches = Vec::new();
        while let Some(batch) = lines.next_batch(&sender)? {
            batches.push(batch);
        }
        Ok(Self { batches, read: 0 })
    }
}

#[cfg(test)]
impl Messages for MessagesInMemory {
    fn next_chunk(&mut self) -> Result<Option<Chunk>, CheckError> {
        let chunk = |messages| Chunk {
            messages,
            seq: None,
        };
        let next = self.batches.get(self.read).cloned();
        self.read += 1;
        Ok(next.map(chunk))
    }

    fn again(&self) -> Result<Option<Box<dyn Messages>>, CheckError> {
        let batches = self.batches.clone();
        Ok(Some(Box::new(Self { batches, read: 0 })))
    }
}
