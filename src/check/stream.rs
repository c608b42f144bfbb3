//! Payload streams in files: one line a message, the subject, one space, the payload; plain, or
//! compressed with zstd.
//!
//! Reading, decompressing and cutting into messages happen on a thread of their own, a few batches
//! ahead.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write as _};
use std::path::{Path, PathBuf};

use crossbeam_channel::{Receiver, Sender, bounded};
use memchr::memchr;

use super::error::CheckError;
use super::messages::{Chunk, Ended, Messages};
use crate::recording::is_pointer;
use crate::sink::{MessageBatch, MessageBatchBuilder, NewFile, StreamDigest, is_line_subject};

/// The first bytes of a zstd frame.
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// The first bytes of a Parquet file.
const PARQUET_MAGIC: [u8; 4] = *b"PAR1";
/// NATS carries at most this; what is longer is no line of a stream.
const MAX_LINE: usize = 65 << 20;
/// Bytes read at a time.
const READ_BYTES: usize = 1 << 20;
/// Messages of a batch, and room for them.
const BATCH_MESSAGES: usize = 256;
const BATCH_BYTES: usize = BATCH_MESSAGES * 1024;
/// Batches that wait to be compared.
const QUEUED_BATCHES: usize = 8;
/// Compression of the stream beside a golden: most of the gain at a speed that nobody waits for.
const LEVEL: i32 = 9;

/// What a path of the command line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputKind {
    /// The folder of a recording, or a lone segment.
    Recording,
    /// A payload stream.
    Stream,
}

/// Looks at what lies at `path`: folders and Parquet files are recordings, other files are payload
/// streams.
///
/// # Errors
/// When there is nothing, or it cannot be read.
pub fn input_kind(path: &Path) -> Result<InputKind, CheckError> {
    let metadata = std::fs::metadata(path).map_err(CheckError::io(path, "opening"))?;
    if metadata.is_dir() {
        return Ok(InputKind::Recording);
    }
    let mut file = File::open(path).map_err(CheckError::io(path, "opening"))?;
    let mut magic = [0; 4];
    match file.read_exact(&mut magic) {
        Ok(()) if magic == PARQUET_MAGIC => Ok(InputKind::Recording),
        Ok(()) => Ok(InputKind::Stream),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(InputKind::Stream),
        Err(error) => Err(CheckError::io(path, "reading")(error)),
    }
}

/// What comes out of a file.
#[derive(Debug)]
enum Part {
    Messages(MessageBatch),
    /// The last part: BLAKE3 of the stream.
    End(String),
}

/// A payload stream in a file.
#[derive(Debug)]
pub struct StreamFile {
    parts: Receiver<Result<Part, CheckError>>,
    spares: Sender<MessageBatchBuilder>,
    digest: Option<String>,
    /// Is taken apart when the next one is asked for.
    before: Option<MessageBatch>,
}

impl StreamFile {
    /// Opens the stream at `path`.
    ///
    /// # Errors
    /// When it cannot be opened, or the system gives no thread.
    pub fn open(path: &Path) -> Result<Self, CheckError> {
        let file = File::open(path).map_err(CheckError::io(path, "opening"))?;
        let mut file = BufReader::with_capacity(READ_BYTES, file);
        let head = file.fill_buf().map_err(CheckError::io(path, "reading"))?;
        refuse_pointer(path, head)?;
        let text: Box<dyn Read + Send> = if head.starts_with(&ZSTD_MAGIC) {
            let decoder = zstd::stream::read::Decoder::with_buffer(file);
            Box::new(decoder.map_err(CheckError::io(path, "decompressing"))?)
        } else {
            Box::new(file)
        };
        let (sender, parts) = bounded(QUEUED_BATCHES);
        let (spares, recycled) = bounded(QUEUED_BATCHES);
        let mut lines = Lines {
            path: path.to_owned(),
            text,
            buffer: Vec::new(),
            start: 0,
            line: 0,
            ended: false,
        };
        let read = move || {
            let mut digest = StreamDigest::new();
            loop {
                let part = lines.next_batch(&recycled).map(|batch| match batch {
                    Some(batch) => {
                        digest.update(&batch);
                        Part::Messages(batch)
                    }
                    None => Part::End(digest.hex()),
                });
                let is_last = !matches!(part, Ok(Part::Messages(_)));
                // Nobody waits for more when the comparison has ended.
                if sender.send(part).is_err() || is_last {
                    return;
                }
            }
        };
        let spawned = std::thread::Builder::new()
            .name("payload-stream".into())
            .spawn(read);
        spawned.map_err(CheckError::io(path, "starting a thread for"))?;
        Ok(Self {
            parts,
            spares,
            digest: None,
            before: None,
        })
    }
}

impl Messages for StreamFile {
    fn next_chunk(&mut self) -> Result<Option<Chunk>, CheckError> {
        if let Some(buffers) = self.before.take().and_then(MessageBatch::recycle) {
            // A full channel only means that there are enough.
            let _ = self.spares.try_send(buffers);
        }
        match self.parts.recv() {
            Ok(Ok(Part::Messages(messages))) => {
                self.before = Some(messages.clone());
                Ok(Some(Chunk {
                    messages,
                    seq: None,
                }))
            }
            Ok(Ok(Part::End(digest))) => {
                self.digest = Some(digest);
                Ok(None)
            }
            Ok(Err(error)) => Err(error),
            // The thread is through with the file.
            Err(_) => Ok(None),
        }
    }

    fn ended(&mut self) -> Ended {
        Ended {
            digest: self.digest.take(),
            ..Ended::default()
        }
    }
}

/// What Git LFS leaves in the place of a file that was not fetched.
pub(super) fn refuse_pointer(path: &Path, head: &[u8]) -> Result<(), CheckError> {
    if is_pointer(head) {
        return Err(CheckError::NotFetched {
            path: path.to_owned(),
        });
    }
    Ok(())
}

/// Cuts text into messages.
struct Lines {
    path: PathBuf,
    text: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    /// Where the part of the buffer begins that is not cut yet.
    start: usize,
    line: u64,
    ended: bool,
}

impl Lines {
    fn next_batch(
        &mut self,
        recycled: &Receiver<MessageBatchBuilder>,
    ) -> Result<Option<MessageBatch>, CheckError> {
        let mut builder = recycled
            .try_recv()
            .unwrap_or_else(|_| MessageBatchBuilder::with_capacity(BATCH_MESSAGES, BATCH_BYTES));
        while builder.len() < BATCH_MESSAGES {
            let Some(end) = self.line_end()? else { break };
            let line = &self.buffer[self.start..end];
            self.line += 1;
            let (subject, payload) = split(line).ok_or_else(|| CheckError::NotAMessage {
                path: self.path.clone(),
                line: self.line,
                found: shown(line),
            })?;
            builder.push(subject, payload);
            self.start = end + 1;
        }
        Ok((!builder.is_empty()).then(|| builder.take()))
    }

    /// Where the next line ends; `None` when there is none. A last line may do without its newline.
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
            // The system numbers its errors; what has no number, the decompressor said.
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

/// Subject and payload of a line; `None` when it is no message.
fn split(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let (subject, payload) = line.split_at(memchr(b' ', line)?);
    is_line_subject(subject).then(|| (subject, &payload[1..]))
}

/// The beginning of a line for a message to people.
fn shown(line: &[u8]) -> String {
    const MOST: usize = 40;
    if line.is_empty() {
        return "an empty line".into();
    }
    let text = String::from_utf8_lossy(&line[..line.len().min(MOST)]);
    let more = if line.len() > MOST { "..." } else { "" };
    format!("{text:?}{more}")
}

/// A payload stream in the making, which takes its name at the end.
pub(super) struct StreamWriter {
    file: NewFile,
    line: Vec<u8>,
}

impl StreamWriter {
    pub(super) fn create(path: &Path) -> Result<Self, CheckError> {
        let file = NewFile::create_at_level(path, LEVEL);
        Ok(Self {
            file: file.map_err(CheckError::io(path, "creating"))?,
            line: Vec::new(),
        })
    }

    pub(super) fn push(&mut self, messages: &MessageBatch) -> Result<(), CheckError> {
        self.line.clear();
        for message in messages.iter() {
            self.line.extend_from_slice(message.subject);
            self.line.push(b' ');
            self.line.extend_from_slice(message.payload);
            self.line.push(b'\n');
        }
        let written = self.file.write_all(&self.line);
        written.map_err(CheckError::io(self.file.path(), "writing"))
    }

    /// Ends the file and gives it its name.
    pub(super) fn finish(self) -> Result<(), CheckError> {
        let path = self.file.path().to_owned();
        self.file.finish().map_err(CheckError::io(&path, "writing"))
    }
}

/// A payload stream from memory.
#[cfg(test)]
pub(super) struct MessagesInMemory(std::vec::IntoIter<MessageBatch>);

#[cfg(test)]
impl MessagesInMemory {
    pub(super) fn of_text(text: &str) -> Result<Self, CheckError> {
        let (_, recycled) = bounded(0);
        let mut lines = Lines {
            path: "memory".into(),
            text: Box::new(io::Cursor::new(text.as_bytes().to_vec())),
            buffer: Vec::new(),
            start: 0,
            line: 0,
            ended: false,
        };
        let mut batches = Vec::new();
        while let Some(batch) = lines.next_batch(&recycled)? {
            batches.push(batch);
        }
        Ok(Self(batches.into_iter()))
    }
}

#[cfg(test)]
impl Messages for MessagesInMemory {
    fn next_chunk(&mut self) -> Result<Option<Chunk>, CheckError> {
        let chunk = |messages| Chunk {
            messages,
            seq: None,
        };
        Ok(self.0.next().map(chunk))
    }
}
