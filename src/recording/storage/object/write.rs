//! Writes an object whole: it exists once it is synced, and not before.

use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use object_store::path::Path as Key;
use object_store::{
    ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, PutPayload, WriteMultipart,
};

use super::super::{Result, StorageError, WriteFile};
use super::listing::Listing;
use super::runtime::{wait, within};

/// Bytes of a part of an upload. A file that has no more is put by one request.
const PART_BYTES: usize = 8 << 20;
/// Parts that are sent at once.
const MOST_PARTS: usize = 4;
/// How often a file is created whose creation had no answer.
const MOST_TRIES: u32 = 3;

/// A file being uploaded. Dropped before it is synced, it leaves nothing.
#[derive(Debug)]
pub(super) struct ObjectWriter {
    path: PathBuf,
    key: Key,
    store: Arc<dyn ObjectStore>,
    listing: Arc<Listing>,
    /// What is in no part yet.
    buffer: Vec<u8>,
    /// The parts, once there is more than one.
    parts: Option<WriteMultipart>,
    is_synced: bool,
}

impl ObjectWriter {
    pub(super) fn new(
        path: &Path,
        key: Key,
        store: &Arc<dyn ObjectStore>,
        listing: &Arc<Listing>,
    ) -> Self {
        Self {
            path: path.to_owned(),
            key,
            store: Arc::clone(store),
            listing: Arc::clone(listing),
            buffer: Vec::new(),
            parts: None,
            is_synced: false,
        }
    }

    /// Sends the buffer as parts.
    fn send(&mut self) -> io::Result<()> {
        let mut parts = match self.parts.take() {
            Some(parts) => parts,
            None => {
                let (store, key) = (Arc::clone(&self.store), self.key.clone());
                let upload = wait(async move { store.put_multipart(&key).await })?;
                WriteMultipart::new_with_chunk_size(upload, PART_BYTES)
            }
        };
        let content = std::mem::take(&mut self.buffer);
        let (sent, parts) = wait(async move {
            let sent = parts.wait_for_capacity(MOST_PARTS).await;
            Ok((sent, parts))
        })?;
        self.parts = Some(parts);
        sent.map_err(super::errors::of_store)?;
        let parts = &mut self.parts;
        within(|| {
            if let Some(parts) = parts {
                parts.put(content.into());
            }
        })
    }

    fn finish(&mut self) -> io::Result<()> {
        let content = std::mem::take(&mut self.buffer);
        let Some(mut parts) = self.parts.take() else {
            return create(&self.store, &self.key, content);
        };
        if !content.is_empty() {
            within(|| parts.put(content.into()))?;
        }
        wait(async move { parts.finish().await.map(drop) })
    }
}

/// Puts a file that must not exist yet. Where it has this very content already, that is success: the
/// answer to an earlier request may have been lost.
///
/// The client library repeats a conditional put only as long as it cannot have reached the server. Here
/// the file is looked at, and the put is repeated if it is not there.
pub(super) fn create(store: &Arc<dyn ObjectStore>, key: &Key, content: Vec<u8>) -> io::Result<()> {
    let content = Bytes::from(content);
    let mut tries = 1;
    loop {
        let refused = match put(store, key, content.clone(), PutMode::Create) {
            Err(error) if is_unclear(&error) => error,
            put => return put,
        };
        match get(store, key) {
            Ok(found) if found == content => return Ok(()),
            Ok(_) => return Err(ErrorKind::AlreadyExists.into()),
            Err(error)
                if error.kind() == ErrorKind::NotFound
                    && refused.kind() != ErrorKind::AlreadyExists
                    && tries < MOST_TRIES =>
            {
                tries += 1;
            }
            Err(_) => return Err(refused),
        }
    }
}

/// Whether a put with this error may have been carried out.
fn is_unclear(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::AlreadyExists
            | ErrorKind::Other
            | ErrorKind::TimedOut
            | ErrorKind::ConnectionAborted
    )
}

fn get(store: &Arc<dyn ObjectStore>, key: &Key) -> io::Result<Bytes> {
    let (store, key) = (Arc::clone(store), key.clone());
    wait(async move { store.get(&key).await?.bytes().await })
}

pub(super) fn put(
    store: &Arc<dyn ObjectStore>,
    key: &Key,
    content: Bytes,
    mode: PutMode,
) -> io::Result<()> {
    let (store, key) = (Arc::clone(store), key.clone());
    let put = async move {
        let options = PutOptions::from(mode);
        store
            .put_opts(&key, PutPayload::from(content), options)
            .await
    };
    wait(put).map(drop)
}

impl Write for ObjectWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = PART_BYTES.saturating_sub(self.buffer.len());
        let taken = bytes.get(..room.min(bytes.len())).unwrap_or_default();
        self.buffer.extend_from_slice(taken);
        let written = taken.len();
        if self.buffer.len() >= PART_BYTES {
            self.send()?;
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl WriteFile for ObjectWriter {
    fn sync(&mut self) -> Result<()> {
        if self.is_synced {
            return Ok(());
        }
        let finished = self.finish();
        finished.map_err(StorageError::at(&self.path, "writing"))?;
        self.is_synced = true;
        self.listing.clear();
        Ok(())
    }
}

impl Drop for ObjectWriter {
    fn drop(&mut self) {
        if let Some(parts) = self.parts.take() {
            // The bucket's rules remove the parts that this cannot reach.
            let _ = wait(async move { parts.abort().await });
        }
    }
}
