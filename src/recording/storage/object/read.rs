//! Reads an object by ranges, in few requests.
//!
//! - The first read at the end of a file brings the footer with it, or a small file whole.
//! - Reads that follow each other bring more and more of what comes next.
//! - Several ranges are requested at once.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use object_store::path::Path as Key;
use object_store::{ObjectStore, ObjectStoreExt as _};

use super::super::{ReadFile, Result, StorageError};
use super::listing::Listing;
use super::part::Part;
use super::runtime::wait;

/// A file of at most so many bytes is read whole.
const SMALL_BYTES: u64 = 512 << 10;
/// Bytes of the end of another file that are read at once. The footer of most segments has less.
const TAIL_BYTES: u64 = 64 << 10;
/// Shortest read that is not at the end.
const SHORTEST_BYTES: u64 = 64 << 10;
/// Longest read beyond what is asked for.
const MOST_AHEAD_BYTES: u64 = 8 << 20;
/// Requests at once.
const MOST_REQUESTS: usize = 16;

/// What was read.
#[derive(Debug, Default)]
struct Kept {
    tail: Option<Part>,
    last: Part,
}

/// A file of an object store.
#[derive(Debug)]
pub(super) struct ObjectFile {
    path: PathBuf,
    key: Key,
    store: Arc<dyn ObjectStore>,
    listing: Arc<Listing>,
    bytes: u64,
    kept: Mutex<Kept>,
}

impl ObjectFile {
    pub(super) fn new(
        path: &Path,
        key: Key,
        store: &Arc<dyn ObjectStore>,
        listing: &Arc<Listing>,
        bytes: u64,
    ) -> Self {
        let tail = listing.tail(key.as_ref());
        Self {
            path: path.to_owned(),
            key,
            store: Arc::clone(store),
            listing: Arc::clone(listing),
            bytes,
            kept: Mutex::new(Kept {
                tail,
                last: Part::default(),
            }),
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn request(&self, range: Range<u64>) -> io::Result<Part> {
        let (store, key, start) = (Arc::clone(&self.store), self.key.clone(), range.start);
        let length = range.end - range.start;
        let bytes = wait(async move { store.get_range(&key, range).await })?;
        check_length(&bytes, length)?;
        Ok(Part { start, bytes })
    }

    fn read(&self, range: Range<u64>) -> io::Result<Bytes> {
        if range.end > self.bytes {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let mut kept = self.kept();
        let found = kept.last.get(&range);
        let found = found.or_else(|| kept.tail.as_ref()?.get(&range));
        if let Some(found) = found {
            return Ok(found);
        }
        let tail = match self.bytes {
            ..=SMALL_BYTES => 0,
            bytes => bytes - TAIL_BYTES,
        };
        let part = if kept.tail.is_none() && range.start >= tail {
            let part = self.request(tail..self.bytes)?;
            kept.tail = Some(part.clone());
            self.listing.keep_tail(self.key.as_ref(), part.clone());
            part
        } else {
            let follows = range.start == kept.last.end() && !kept.last.bytes.is_empty();
            let ahead = match follows {
                true => (2 * kept.last.bytes.len() as u64).min(MOST_AHEAD_BYTES),
                false => SHORTEST_BYTES,
            };
            let end = range.end.max(range.start.saturating_add(ahead));
            let part = self.request(range.start..end.min(self.bytes))?;
            kept.last = part.clone();
            part
        };
        part.get(&range)
            .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

/// Refuses an answer that is shorter or longer than what was asked for.
fn check_length(bytes: &Bytes, asked: u64) -> io::Result<()> {
    let found = bytes.len() as u64;
    match found == asked {
        true => Ok(()),
        false => {
            let problem = format!("the server sent {found} bytes of {asked}");
            Err(io::Error::new(io::ErrorKind::UnexpectedEof, problem))
        }
    }
}

impl ReadFile for ObjectFile {
    fn bytes(&self) -> Result<u64> {
        Ok(self.bytes)
    }

    fn is_remote(&self) -> bool {
        true
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<()> {
        let end = offset.saturating_add(buffer.len() as u64);
        let bytes = self.read(offset..end);
        let bytes = bytes.map_err(StorageError::at(&self.path, "reading"))?;
        buffer.copy_from_slice(&bytes);
        Ok(())
    }

    fn read_ranges(&self, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let read = || -> io::Result<Vec<Bytes>> {
            if ranges.iter().any(|range| range.end > self.bytes) {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let (store, key, asked) = (Arc::clone(&self.store), self.key.clone(), ranges.to_vec());
            let all: Vec<Bytes> = wait(async move {
                let requests = asked.into_iter().map(|range| {
                    let (store, key) = (Arc::clone(&store), key.clone());
                    async move { store.get_range(&key, range).await }
                });
                let answers = stream::iter(requests).buffered(MOST_REQUESTS);
                answers.try_collect().await
            })?;
            for (bytes, range) in all.iter().zip(ranges) {
                check_length(bytes, range.end.saturating_sub(range.start))?;
            }
            Ok(all)
        };
        read().map_err(StorageError::at(&self.path, "reading"))
    }
}
