//! A connection that only publishes: whole batches as frames, in few large writes.
//!
//! The client library takes a message at a time through a channel, which costs a replay more than
//! encoding the message. This connection offers what a sink needs and no more: frames, marks, answers
//! to messages, and what the server refuses. Like every [`Connection`](super::connect::Connection) it
//! is made once and never comes back.
//!
//! It has no task. [`lost`](Peer::lost) reads and answers the server, and must be polled by the same
//! task as the other methods. They write by themselves and wait where the server is slow.

mod handshake;
pub(crate) mod protocol;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::future::{Future as _, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_nats::ServerInfo;
use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWrite as _};
use tokio::time::Interval;

use self::handshake::{Accepted, READ, Stream};
use self::protocol::{CRLF, ServerBytes, ServerMessage, ServerOp};
use super::connect::{ConnectionFate, PING_INTERVAL, Plan, note_shutdown, retry};
use super::marks::Peer;
use super::{NatsFailure, runtime};

/// Bytes that are framed before they are written. The whole fits a processor's cache.
const CHUNK: usize = 64 * 1024;
/// A buffer that a large message has grown beyond this is not kept.
const CHUNK_MAX: usize = 4 * CHUNK;
/// PINGs without an answer after which the server counts as gone.
const UNANSWERED_MAX: u32 = 2;
/// The subscription to the inbox of the marks.
const INBOX: u64 = 1;
/// The subscription to the answers.
const ANSWERS: u64 = 2;
/// Answers that are kept until they are taken. A server that sends more is not one.
const ANSWERS_MAX: usize = 64 * 1024;

/// A connection that publishes.
pub(crate) struct Wire {
    io: RefCell<Io>,
    fate: ConnectionFate,
    /// The addresses as they may be shown.
    shown: String,
    inbox: String,
    max_payload: Cell<usize>,
    is_shutting_down: Cell<bool>,
    /// The newest mark that came back and was not taken yet.
    echo: Cell<Option<u64>>,
    /// Answers that came and were not taken yet.
    answers: RefCell<VecDeque<ServerMessage>>,
    /// The newest subscription.
    sid: Cell<u64>,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire")
            .field("server", &self.shown)
            .finish_non_exhaustive()
    }
}

impl Wire {
    /// As [`connect`](super::connect::connect).
    pub(crate) async fn connect(plan: &Plan, limit: Option<Duration>) -> Result<Self, NatsFailure> {
        retry(plan, limit, async || {
            let accepted = handshake::connect(plan, limit).await?;
            Ok(Self::new(plan, accepted))
        })
        .await
    }

    fn new(plan: &Plan, accepted: Accepted) -> Self {
        let wire = Self {
            fate: ConnectionFate::default(),
            shown: plan.shown.clone(),
            inbox: accepted.inbox,
            max_payload: Cell::default(),
            is_shutting_down: Cell::default(),
            echo: Cell::default(),
            answers: RefCell::default(),
            sid: Cell::new(ANSWERS),
            io: RefCell::new(Io {
                stream: accepted.stream,
                input: accepted.input,
                out: Vec::with_capacity(CHUNK + READ),
                written: 0,
                is_flushed: true,
                pings: runtime::ticks(PING_INTERVAL),
                unanswered: 0,
                owes_ping: false,
                owes_pong: false,
            }),
        };
        wire.note_info(&accepted.info);
        wire
    }

    /// Longest payload that the server takes, in bytes.
    pub(crate) fn max_payload(&self) -> usize {
        self.max_payload.get()
    }

    /// Sends messages: subjects and payloads. Waits while the server is slow. Does not return when
    /// the connection is gone: [`lost`](Peer::lost) does.
    ///
    /// # Errors
    /// When a message is one that NATS does not carry.
    pub(crate) async fn publish_all<'m>(
        &self,
        messages: impl Iterator<Item = (&'m [u8], &'m [u8])>,
    ) -> Result<(), NatsFailure> {
        self.frame_all(messages, |out, (subject, payload), max_payload| {
            check(subject, payload, payload.len(), max_payload)?;
            publish(out, subject, payload);
            Ok(())
        })
        .await
    }

    /// Sends messages with the headers that `stamp` writes, which end with an empty line. It returns
    /// the subject for the answer, if there is to be one. Otherwise as
    /// [`publish_all`](Self::publish_all).
    ///
    /// # Errors
    /// As [`publish_all`](Self::publish_all); headers count as part of a payload.
    pub(crate) async fn publish_all_stamped<'m>(
        &self,
        messages: impl Iterator<Item = (&'m [u8], &'m [u8])>,
        mut stamp: impl FnMut(&mut Vec<u8>) -> Option<String>,
    ) -> Result<(), NatsFailure> {
        let mut headers = Vec::new();
        self.frame_all(messages, |out, (subject, payload), max_payload| {
            headers.clear();
            let reply = stamp(&mut headers);
            check(subject, payload, headers.len() + payload.len(), max_payload)?;
            publish_with_headers(out, subject, reply.as_deref(), &headers, payload);
            Ok(())
        })
        .await
    }

    /// Sends what `frame` makes of each of `items`, given the longest payload that the server takes.
    async fn frame_all<T>(
        &self,
        items: impl Iterator<Item = T>,
        mut frame: impl FnMut(&mut Vec<u8>, T, usize) -> Result<(), NatsFailure>,
    ) -> Result<(), NatsFailure> {
        let mut items = items.fuse();
        loop {
            poll_fn(|cx| self.io.borrow_mut().poll_written(cx)).await;
            let out = &mut self.io.borrow_mut().out;
            while out.len() < CHUNK
                && let Some(item) = items.next()
            {
                frame(out, item, self.max_payload.get())?;
            }
            if out.len() < CHUNK {
                break;
            }
        }
        self.begin_to_write().await;
        Ok(())
    }

    /// Subscribes to answers, whose subjects are two words behind the inbox that is returned.
    pub(crate) async fn subscribe_to_answers(&self) -> String {
        // Not behind the inbox of the marks: their refusals begin with it.
        let (prefix, name) = self
            .inbox
            .rsplit_once('.')
            .unwrap_or(("_INBOX", &self.inbox));
        let inbox = format!("{prefix}.a{name}");
        let subject = format!("{inbox}.*.*");
        self.say(|out| subscribe(out, &subject, ANSWERS)).await;
        inbox
    }

    /// The next answer. Nothing is lost when the wait is given up.
    pub(crate) async fn answer(&self) -> ServerMessage {
        let take = |_: &mut Context<'_>| {
            let answer = self.answers.borrow_mut().pop_front();
            answer.map_or(Poll::Pending, Poll::Ready)
        };
        poll_fn(take).await
    }

    /// Sends what `say` appends, which is small: nothing is waited for.
    async fn say(&self, say: impl FnOnce(&mut Vec<u8>)) {
        say(&mut self.io.borrow_mut().out);
        self.begin_to_write().await;
    }

    /// Writes what the system takes at once. [`lost`](Peer::lost) writes the rest.
    async fn begin_to_write(&self) {
        let begin = |cx: &mut Context<'_>| {
            let _ = self.io.borrow_mut().poll_written(cx);
            Poll::Ready(())
        };
        poll_fn(begin).await;
    }

    /// Reads what is there and writes what is due.
    fn round(&self, cx: &mut Context<'_>) -> Result<(), Over> {
        let io = &mut *self.io.borrow_mut();
        io.poll_ping(cx)?;
        let has_read = self.read(io, cx)?;
        if let Poll::Ready(Err(_)) = io.poll_write(cx) {
            // The server may have said why.
            while self.read(io, cx)? {}
            return Err(Over);
        }
        if has_read {
            // More may be there. The sink first takes what came: refusals that are not taken are
            // kept up to a limit.
            cx.waker().wake_by_ref();
        }
        Ok(())
    }

    /// Reads once, and does what the server says. False when nothing is there.
    fn read(&self, io: &mut Io, cx: &mut Context<'_>) -> Result<bool, Over> {
        let read = io.poll_read(cx);
        loop {
            match io.input.next_op() {
                Ok(Some(op)) => self.handle(io, op)?,
                Ok(None) => break,
                Err(error) => {
                    self.fate.note_error(&error.to_string(), &self.shown);
                    return Err(Over);
                }
            }
        }
        match read {
            Poll::Pending => Ok(false),
            Poll::Ready(Ok(1..)) => Ok(true),
            Poll::Ready(_) => Err(Over),
        }
    }

    fn handle(&self, io: &mut Io, op: ServerOp) -> Result<(), Over> {
        io.pings.reset();
        match op {
            ServerOp::Info(info) => self.note_info(&info),
            ServerOp::Ping => io.owes_pong = true,
            ServerOp::Pong => io.unanswered = 0,
            ServerOp::Message(message) => return self.take_message(message),
            ServerOp::Ok => {}
            ServerOp::Error(said) => {
                if !self.fate.note_error(&said, &self.shown) {
                    return Err(Over);
                }
            }
        }
        Ok(())
    }

    fn take_message(&self, message: ServerMessage) -> Result<(), Over> {
        match message.sid {
            INBOX => {
                // A foreign message in the inbox is not a mark.
                if let Ok(position) = message.payload.as_ref().try_into() {
                    self.echo.set(Some(u64::from_le_bytes(position)));
                }
            }
            ANSWERS => {
                let mut answers = self.answers.borrow_mut();
                if answers.len() == ANSWERS_MAX {
                    return Err(Over);
                }
                answers.push_back(message);
            }
            _ => {}
        }
        Ok(())
    }

    fn note_info(&self, info: &ServerInfo) {
        self.max_payload.set(info.max_payload);
        if info.lame_duck_mode && !self.is_shutting_down.replace(true) {
            note_shutdown(&self.shown);
        }
    }
}

impl Peer for Wire {
    /// There is one inbox.
    type Echoes = ();

    fn fate(&self) -> &ConnectionFate {
        &self.fate
    }

    /// Reads and answers the server until the connection is gone.
    async fn lost(&self) {
        let round = |cx: &mut Context<'_>| match self.round(cx) {
            Ok(()) => Poll::Pending,
            Err(Over) => Poll::Ready(()),
        };
        poll_fn(round).await;
    }

    fn new_inbox(&self) -> String {
        self.inbox.clone()
    }

    async fn subscribe(&self, inbox: &str) -> Result<(), NatsFailure> {
        self.say(|out| subscribe(out, inbox, INBOX)).await;
        Ok(())
    }

    async fn echo(&self, (): &mut ()) -> Option<u64> {
        let take = |_: &mut Context<'_>| self.echo.take().map_or(Poll::Pending, Poll::Ready);
        Some(poll_fn(take).await)
    }

    async fn publish(&self, subject: String, payload: Bytes) -> Result<(), NatsFailure> {
        self.say(|out| publish(out, subject.as_bytes(), &payload))
            .await;
        Ok(())
    }

    async fn try_to_subscribe(&self, subject: String) -> Result<(), NatsFailure> {
        self.sid.set(self.sid.get() + 1);
        let sid = self.sid.get();
        self.say(|out| {
            subscribe(out, &subject, sid);
            unsubscribe(out, sid);
        })
        .await;
        Ok(())
    }
}

/// Whether NATS and this server carry a message of `bytes`, headers included.
fn check(
    subject: &[u8],
    payload: &[u8],
    bytes: usize,
    max_payload: usize,
) -> Result<(), NatsFailure> {
    if !is_subject(subject) {
        let cause =
            "the subject is empty, not UTF-8, or has white space; it must be percent-encoded";
        return Err(NatsFailure::unpublishable(subject, payload, cause));
    }
    if bytes > max_payload {
        return Err(NatsFailure::too_large(subject, payload));
    }
    Ok(())
}

/// The connection is gone.
struct Over;

/// Both directions of a connection.
struct Io {
    stream: Box<dyn Stream>,
    input: ServerBytes,
    /// Whole frames.
    out: Vec<u8>,
    /// Bytes of `out` that are written.
    written: usize,
    /// Whether TLS keeps nothing back.
    is_flushed: bool,
    pings: Interval,
    /// PINGs without an answer.
    unanswered: u32,
    owes_ping: bool,
    owes_pong: bool,
}

impl Io {
    /// Reads what is there into the input, once. Returns the number of bytes; 0 at the end.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.input.buffer().reserve(READ);
        pin!(self.stream.read_buf(self.input.buffer())).poll(cx)
    }

    /// Writes everything that is due.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            while let rest @ [_, ..] = &self.out[self.written..] {
                let written = ready!(Pin::new(&mut self.stream).poll_write(cx, rest))?;
                if written == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                self.written += written;
                self.is_flushed = false;
            }
            self.out.clear();
            self.out.shrink_to(CHUNK_MAX);
            self.written = 0;
            // Between frames.
            if std::mem::take(&mut self.owes_pong) {
                self.out.extend_from_slice(b"PONG\r\n");
            } else if std::mem::take(&mut self.owes_ping) {
                self.out.extend_from_slice(b"PING\r\n");
            } else {
                break;
            }
        }
        if !self.is_flushed {
            ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
            self.is_flushed = true;
        }
        Poll::Ready(Ok(()))
    }

    /// Ready when everything is written. On a broken connection never: it is for
    /// [`lost`](Peer::lost) to say so.
    fn poll_written(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self.poll_write(cx) {
            Poll::Ready(Ok(())) => Poll::Ready(()),
            Poll::Ready(Err(_)) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Pending => Poll::Pending,
        }
    }

    /// Has a silent server asked whether it is there.
    fn poll_ping(&mut self, cx: &mut Context<'_>) -> Result<(), Over> {
        while self.pings.poll_tick(cx).is_ready() {
            if self.unanswered == UNANSWERED_MAX {
                return Err(Over);
            }
            self.unanswered += 1;
            self.owes_ping = true;
        }
        Ok(())
    }
}

/// Whether `subject` can stand in a frame: UTF-8 without white space and control characters, one of
/// which would end it.
fn is_subject(subject: &[u8]) -> bool {
    // All bytes are looked at, which is faster than stopping at the first bad one.
    let is_visible = |byte: u8| byte > b' ' && byte != 0x7f;
    let are_visible = subject
        .iter()
        .fold(true, |all, &byte| all & is_visible(byte));
    are_visible && !subject.is_empty() && str::from_utf8(subject).is_ok()
}

/// Appends the frame of a message. The subject [is one](is_subject).
fn publish(out: &mut Vec<u8>, subject: &[u8], payload: &[u8]) {
    /// The words, line ends and length around subject and payload.
    const AROUND: usize = 32;
    out.reserve(subject.len() + payload.len() + AROUND);
    let mut digits = itoa::Buffer::new();
    let length = digits.format(payload.len()).as_bytes();
    for part in [b"PUB ", subject, b" ", length, CRLF, payload, CRLF] {
        out.extend_from_slice(part);
    }
}

/// Appends the frame of a message that has headers, which end with an empty line. Where there is a
/// `reply`, the server's answer comes on that subject. Subject and reply [are such](is_subject).
fn publish_with_headers(
    out: &mut Vec<u8>,
    subject: &[u8],
    reply: Option<&str>,
    headers: &[u8],
    payload: &[u8],
) {
    /// The words, line ends and lengths around the parts.
    const AROUND: usize = 48;
    let reply = reply.unwrap_or_default().as_bytes();
    out.reserve(subject.len() + reply.len() + headers.len() + payload.len() + AROUND);
    let (mut of_headers, mut of_all) = (itoa::Buffer::new(), itoa::Buffer::new());
    let of_headers = of_headers.format(headers.len()).as_bytes();
    let of_all = of_all.format(headers.len() + payload.len()).as_bytes();
    // Two spaces in a row are one.
    for part in [
        b"HPUB ", subject, b" ", reply, b" ", of_headers, b" ", of_all, CRLF, headers, payload,
        CRLF,
    ] {
        out.extend_from_slice(part);
    }
}

/// Appends a subscription to `out`.
fn subscribe(out: &mut Vec<u8>, subject: &str, sid: u64) {
    out.extend_from_slice(format!("SUB {subject} {sid}\r\n").as_bytes());
}

/// Appends the end of a subscription.
fn unsubscribe(out: &mut Vec<u8>, sid: u64) {
    out.extend_from_slice(format!("UNSUB {sid}\r\n").as_bytes());
}

#[cfg(test)]
#[path = "wire/tests.rs"]
mod tests;
