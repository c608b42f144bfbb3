//! Messages in one shared buffer, framed as the stream digest reads them.
//!
//! A message is written once. The digest hashes the buffer as it is, a sink reads slices of it, and
//! a connection that keeps messages for later keeps the buffer alive. So handing over a message
//! costs neither an allocation nor a copy, and a batch costs one reference count per sink.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::{Message, MessageRef};

/// Bytes of a length in front of a subject or payload.
const LENGTH: usize = size_of::<u32>();

/// The position of a message in the buffer: `length subject length payload`.
#[derive(Debug, Clone, Copy)]
struct Span {
    /// Where the subject begins.
    start: usize,
    /// Where it ends, and the length of the payload begins.
    subject_end: usize,
    /// Where the payload ends, and the next message begins.
    end: usize,
}

impl Span {
    const fn subject(self) -> Range<usize> {
        self.start..self.subject_end
    }

    const fn payload(self) -> Range<usize> {
        self.subject_end + LENGTH..self.end
    }
}

/// Builds a batch.
#[derive(Debug, Default)]
pub struct MessageBatchBuilder {
    frames: Vec<u8>,
    spans: Vec<Span>,
}

impl MessageBatchBuilder {
    /// A builder with room for `messages` of `bytes` together.
    #[must_use]
    pub fn with_capacity(messages: usize, bytes: usize) -> Self {
        Self {
            frames: Vec::with_capacity(bytes),
            spans: Vec::with_capacity(messages),
        }
    }

    /// Appends a message whose payload `write` appends.
    ///
    /// # Panics
    /// When subject or payload has 4 GiB or more; NATS carries at most 64 MiB. When `write` removes
    /// bytes.
    #[inline]
    pub fn push_with(&mut self, subject: &[u8], write: impl FnOnce(&mut Vec<u8>)) {
        self.frames.extend_from_slice(&length(subject.len()));
        let start = self.frames.len();
        self.frames.extend_from_slice(subject);
        let subject_end = self.frames.len();
        self.frames.extend_from_slice(&[0; LENGTH]);
        let payload = self.frames.len();
        write(&mut self.frames);
        let end = self.frames.len();
        self.frames[subject_end..payload].copy_from_slice(&length(end - payload));
        self.spans.push(Span {
            start,
            subject_end,
            end,
        });
    }

    /// Appends a message.
    ///
    /// # Panics
    /// When subject or payload has 4 GiB or more.
    pub fn push(&mut self, subject: &[u8], payload: &[u8]) {
        self.push_with(subject, |out| out.extend_from_slice(payload));
    }

    /// Appends a copy of one message of a batch; nothing after its last one.
    #[inline]
    pub(crate) fn push_copy(&mut self, batch: &MessageBatch, position: usize) {
        if let Some(span) = batch.spans().get(position) {
            let start = self.frames.len() + LENGTH;
            let frame = &batch.shared.frames[span.start - LENGTH..span.end];
            self.frames.extend_from_slice(frame);
            self.spans.push(Span {
                start,
                subject_end: start + span.subject().len(),
                end: self.frames.len(),
            });
        }
    }

    /// Messages so far.
    #[inline]
    #[must_use]
    pub const fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there is no message.
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Bytes that the buffer has room for.
    pub(crate) const fn capacity(&self) -> usize {
        self.frames.capacity()
    }

    /// The messages so far as a batch; the builder starts empty. A batch that fills its buffer
    /// keeps it; a small one gets a buffer of its size.
    #[must_use]
    pub fn take(&mut self) -> MessageBatch {
        let is_small = self.frames.len() < self.frames.capacity() / 4;
        let frames = if is_small {
            let frames = Bytes::copy_from_slice(&self.frames);
            self.frames.clear();
            frames
        } else {
            std::mem::take(&mut self.frames).into()
        };
        let spans = if is_small {
            let spans = self.spans.clone();
            self.spans.clear();
            spans
        } else {
            std::mem::take(&mut self.spans)
        };
        let messages = 0..spans.len();
        MessageBatch {
            shared: Arc::new(Shared { frames, spans }),
            messages,
        }
    }
}

#[expect(clippy::expect_used, reason = "documented under Panics")]
fn length(bytes: usize) -> [u8; LENGTH] {
    u32::try_from(bytes)
        .expect("a message part is shorter than 4 GiB")
        .to_le_bytes()
}

#[derive(Debug)]
struct Shared {
    frames: Bytes,
    spans: Vec<Span>,
}

/// Messages in order. Cheap to clone: all clones share one buffer.
#[derive(Debug, Clone)]
pub struct MessageBatch {
    shared: Arc<Shared>,
    /// Which messages of the buffer belong to this batch.
    messages: Range<usize>,
}

impl MessageBatch {
    /// Number of messages.
    #[must_use]
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether there is no message.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    fn spans(&self) -> &[Span] {
        &self.shared.spans[self.messages.clone()]
    }

    /// One message, borrowed; `None` after the last one.
    #[inline]
    #[must_use]
    pub fn get(&self, position: usize) -> Option<MessageRef<'_>> {
        let frames = &self.shared.frames[..];
        self.spans().get(position).map(|span| MessageRef {
            subject: &frames[span.subject()],
            payload: &frames[span.payload()],
        })
    }

    /// The messages, borrowed.
    pub fn iter(&self) -> impl Iterator<Item = MessageRef<'_>> {
        let frames = &self.shared.frames[..];
        self.spans().iter().map(|span| MessageRef {
            subject: &frames[span.subject()],
            payload: &frames[span.payload()],
        })
    }

    /// The messages, each with a share of the buffer.
    pub fn messages(&self) -> impl Iterator<Item = Message> {
        let frames = &self.shared.frames;
        self.spans().iter().map(|span| Message {
            subject: frames.slice(span.subject()),
            payload: frames.slice(span.payload()),
        })
    }

    /// The bytes that the stream digest covers: for every message `u32 LE length of the subject |
    /// subject | u32 LE length of the payload | payload`.
    #[must_use]
    pub fn frames(&self) -> &[u8] {
        match self.spans() {
            [] => &[],
            [first, .., last] => &self.shared.frames[first.start - LENGTH..last.end],
            [only] => &self.shared.frames[only.start - LENGTH..only.end],
        }
    }

    /// The first `count` messages, or all when there are fewer.
    #[must_use]
    pub fn first(&self, count: usize) -> Self {
        self.range(0, count)
    }

    /// At most `count` messages from `position` on.
    #[must_use]
    pub(crate) fn range(&self, position: usize, count: usize) -> Self {
        let Range { start, end } = self.messages;
        let start = end.min(start.saturating_add(position));
        Self {
            shared: Arc::clone(&self.shared),
            messages: start..end.min(start.saturating_add(count)),
        }
    }

    /// The same messages in batches of at most `max`.
    ///
    /// # Panics
    /// When `max` is 0.
    pub fn chunks(&self, max: usize) -> impl Iterator<Item = Self> {
        let end = self.messages.end;
        self.messages.clone().step_by(max).map(move |start| Self {
            shared: Arc::clone(&self.shared),
            messages: start..end.min(start + max),
        })
    }

    /// The buffers for another batch, when no other clone of this one is left.
    pub(crate) fn recycle(self) -> Option<MessageBatchBuilder> {
        let Shared { frames, mut spans } = Arc::into_inner(self.shared)?;
        let mut frames = Vec::from(frames.try_into_mut().ok()?);
        frames.clear();
        spans.clear();
        Some(MessageBatchBuilder { frames, spans })
    }
}

impl FromIterator<Message> for MessageBatch {
    fn from_iter<I: IntoIterator<Item = Message>>(messages: I) -> Self {
        let mut builder = MessageBatchBuilder::default();
        for message in messages {
            builder.push(&message.subject, &message.payload);
        }
        builder.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn batch(messages: &[(Vec<u8>, Vec<u8>)]) -> MessageBatch {
        let mut builder = MessageBatchBuilder::default();
        for (subject, payload) in messages {
            builder.push(subject, payload);
        }
        builder.take()
    }

    fn framed(messages: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
        let parts = messages.iter().flat_map(|(s, p)| [s, p]);
        parts
            .flat_map(|part| [&length(part.len())[..], part].concat())
            .collect()
    }

    #[test]
    fn buffers_are_reused_only_without_clones() {
        let kept = batch(&[(b"a".to_vec(), b"{}".to_vec())]);
        let message = kept.messages().next().unwrap();
        assert!(kept.recycle().is_none(), "a message still reads the buffer");
        assert_eq!(message.payload, "{}");

        let free = batch(&[(b"a".to_vec(), vec![7; 1000])]);
        let builder = free.recycle().unwrap();
        assert!(builder.is_empty());
        assert!(builder.frames.is_empty() && builder.frames.capacity() >= 1000);
    }

    proptest! {
        #[test]
        fn prop_a_batch_reads_back_whole_and_in_chunks(
            messages in proptest::collection::vec(
                (proptest::collection::vec(any::<u8>(), 0..30), proptest::collection::vec(any::<u8>(), 0..200)),
                0..40,
            ),
            max in 1_usize..50,
        ) {
            let whole = batch(&messages);
            let read = |batch: &MessageBatch| -> Vec<_> {
                batch.iter().map(|m| (m.subject.to_vec(), m.payload.to_vec())).collect()
            };
            prop_assert_eq!(&read(&whole), &messages);
            let last = whole.len().saturating_sub(1);
            prop_assert_eq!(whole.get(last), whole.iter().last());
            prop_assert_eq!(whole.get(messages.len()), None);
            let owned: Vec<_> = whole
                .messages()
                .map(|m| (m.subject.to_vec(), m.payload.to_vec()))
                .collect();
            prop_assert_eq!(&owned, &messages);
            prop_assert_eq!(whole.frames(), framed(&messages));
            let chunks: Vec<MessageBatch> = whole.chunks(max).collect();
            prop_assert!(chunks.iter().all(|chunk| (1..=max).contains(&chunk.len())));
            let joined: Vec<_> = chunks.iter().flat_map(read).collect();
            prop_assert_eq!(&joined, &messages);
            let rest = whole.range(max, 2);
            prop_assert_eq!(&read(&rest)[..], &messages[max.min(messages.len())..(max + 2).min(messages.len())]);
            let mut copied = MessageBatchBuilder::default();
            copied.push(b"before", b"");
            for position in 0..=chunks.first().map_or(0, MessageBatch::len) {
                copied.push_copy(chunks.last().unwrap_or(&whole), position);
            }
            let copied = copied.take();
            let tail = chunks.last().map(read).unwrap_or_default();
            prop_assert_eq!(&read(&copied)[1..], &tail[..]);
            let some = whole.first(max);
            prop_assert_eq!(&read(&some)[..], &messages[..max.min(messages.len())]);
            let frames: Vec<u8> = chunks.iter().flat_map(|chunk| chunk.frames().to_vec()).collect();
            prop_assert_eq!(frames, framed(&messages));
        }
    }
}
