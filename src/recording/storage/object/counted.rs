//! A store for tests that counts what is asked of it, and loses answers.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use object_store::path::Path as Key;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// Requests and bytes.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) gets: AtomicU64,
    pub(crate) got_bytes: AtomicU64,
    pub(crate) puts: AtomicU64,
    pub(crate) lists: AtomicU64,
    /// Answers to puts that are lost from now on: what was put is there.
    pub(crate) lose_answers: AtomicU64,
    /// Puts from now on that have an error of the connection as their answer: what was put is there.
    pub(crate) break_after: AtomicU64,
    /// The same for puts that do not arrive.
    pub(crate) break_before: AtomicU64,
}

impl Counts {
    /// Requests and bytes since the last call.
    pub(crate) fn take_gets(&self) -> (u64, u64) {
        (
            self.gets.swap(0, Ordering::Relaxed),
            self.got_bytes.swap(0, Ordering::Relaxed),
        )
    }

    /// Lists since the last call.
    pub(crate) fn take_lists(&self) -> u64 {
        self.lists.swap(0, Ordering::Relaxed)
    }
}

/// A store that counts.
#[derive(Debug)]
pub(crate) struct Counted {
    inner: Arc<dyn ObjectStore>,
    counts: Arc<Counts>,
}

impl Counted {
    pub(crate) fn new(inner: Arc<dyn ObjectStore>, counts: &Arc<Counts>) -> Self {
        Self {
            inner,
            counts: Arc::clone(counts),
        }
    }
}

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "counted {}", self.inner)
    }
}

fn count(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Ordering::Relaxed);
}

/// Takes one of those that are left, if there are any.
fn take(left: &AtomicU64) -> bool {
    let taken = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
        left.checked_sub(1)
    });
    taken.is_ok()
}

fn broken() -> object_store::Error {
    object_store::Error::Generic {
        store: "counted",
        source: "the connection was closed".into(),
    }
}

#[async_trait]
impl ObjectStore for Counted {
    async fn put_opts(
        &self,
        key: &Key,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        count(&self.counts.puts, 1);
        if take(&self.counts.break_before) {
            return Err(broken());
        }
        let put = self.inner.put_opts(key, payload, options).await?;
        if take(&self.counts.break_after) {
            return Err(broken());
        }
        match take(&self.counts.lose_answers) {
            // What a client library sees that repeats the request.
            true => Err(object_store::Error::AlreadyExists {
                path: key.to_string(),
                source: "the answer was lost".into(),
            }),
            false => Ok(put),
        }
    }

    async fn put_multipart_opts(
        &self,
        key: &Key,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        count(&self.counts.puts, 1);
        self.inner.put_multipart_opts(key, options).await
    }

    async fn get_opts(&self, key: &Key, options: GetOptions) -> Result<GetResult> {
        let found = self.inner.get_opts(key, options).await?;
        count(&self.counts.gets, 1);
        let bytes = found.range.end.saturating_sub(found.range.start);
        count(&self.counts.got_bytes, bytes);
        Ok(found)
    }

    fn delete_stream(
        &self,
        keys: BoxStream<'static, Result<Key>>,
    ) -> BoxStream<'static, Result<Key>> {
        self.inner.delete_stream(keys)
    }

    fn list(&self, prefix: Option<&Key>) -> BoxStream<'static, Result<ObjectMeta>> {
        count(&self.counts.lists, 1);
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Key>) -> Result<ListResult> {
        count(&self.counts.lists, 1);
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Key, to: &Key, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
