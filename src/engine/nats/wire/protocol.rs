//! The NATS protocol as far as publishing needs it: a server's bytes, cut into operations. Only computes.
//!
//! No byte of a server is trusted. A line is bounded by [`LINE_MAX`], and a message is kept only if
//! it has at most [`MESSAGE_MAX`] bytes: a longer one is skipped while it arrives. So what is buffered
//! is bounded too.

use async_nats::ServerInfo;
use bytes::{Buf as _, Bytes, BytesMut};
use tickdeck_core::printable::printable_value;

/// Longest line of a server, in bytes. INFO is the longest: it lists the servers of a cluster.
pub const LINE_MAX: usize = 64 * 1024;
/// Longest message that is kept, in bytes of headers and payload. Marks and acknowledgements are short.
pub const MESSAGE_MAX: usize = 16 * 1024;
/// Characters of a bad line that an error shows.
const SHOWN: usize = 60;
/// What ends a line and a payload.
pub(super) const CRLF: &[u8] = b"\r\n";

/// What a server says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerOp {
    /// About the server; the greeting, and again when something of it changes.
    Info(Box<ServerInfo>),
    /// It asks whether the client is there.
    Ping,
    /// The answer to a PING.
    Pong,
    /// An acknowledgement, which is not asked for.
    Ok,
    /// What it refuses, without the quotes around it.
    Error(String),
    /// A message of at most [`MESSAGE_MAX`] bytes. A longer one is not reported.
    Message(ServerMessage),
}

/// A message that the server hands over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerMessage {
    /// The subscription.
    pub sid: u64,
    /// Where it was sent to.
    pub subject: Bytes,
    /// What its headers begin with: 503 where the subject has no subscriber.
    pub status: Option<u16>,
    /// The payload.
    pub payload: Bytes,
}

/// Bytes that no NATS server sends.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// A line does not end.
    #[error("not a NATS server: a line has more than {LINE_MAX} bytes")]
    LongLine,
    /// A line is none of the protocol's.
    #[error("not a NATS server: it says `{0}`")]
    Unknown(String),
    /// The server's description cannot be read.
    #[error("not a NATS server: its INFO cannot be read: {0}")]
    Info(String),
    /// A payload does not end where its length says.
    #[error("not a NATS server: a payload is not followed by a line end")]
    Payload,
}

/// The bytes of a server that are not read as operations yet.
#[derive(Debug, Default)]
pub struct ServerBytes {
    buffer: BytesMut,
    /// Bytes of the buffer that are known to hold no line end.
    searched: usize,
    /// Bytes to skip: the rest of a payload that is not kept.
    skipped: usize,
}

impl ServerBytes {
    /// Where the next bytes are appended.
    pub fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// Bytes that are buffered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.buffer.len()
    }

    /// Whether nothing is buffered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// The next whole operation, if there is one.
    ///
    /// # Errors
    /// When the bytes are not of the protocol. Nothing after them can be read.
    pub fn next_op(&mut self) -> Result<Option<ServerOp>, ProtocolError> {
        loop {
            let skipped = self.skipped.min(self.buffer.len());
            self.buffer.advance(skipped);
            self.skipped -= skipped;
            if self.skipped > 0 {
                return Ok(None);
            }
            let Some(end) = self.line_end()? else {
                return Ok(None);
            };
            let after = end + CRLF.len();
            let op = match Line::parse(&self.buffer[..end])? {
                Line::Op(op) => op,
                Line::Message(head) => {
                    let whole = head.bytes + CRLF.len();
                    if head.bytes > MESSAGE_MAX {
                        self.advance(after);
                        self.skipped = whole;
                        continue;
                    }
                    let Some(body) = self.buffer.get(after..after + whole) else {
                        return Ok(None);
                    };
                    let message = head.message(body).ok_or(ProtocolError::Payload)?;
                    self.advance(after + whole);
                    return Ok(Some(ServerOp::Message(message)));
                }
            };
            self.advance(after);
            return Ok(Some(op));
        }
    }

    fn advance(&mut self, bytes: usize) {
        self.buffer.advance(bytes);
        self.searched = 0;
    }

    /// Where the first line ends, if it does.
    fn line_end(&mut self) -> Result<Option<usize>, ProtocolError> {
        let from = self.searched;
        let found = memchr::memmem::find(&self.buffer[from..], CRLF).map(|at| from + at);
        // The last byte may be the first half of a line end.
        let without_end = self.buffer.len().saturating_sub(1);
        if found.unwrap_or(without_end) > LINE_MAX {
            return Err(ProtocolError::LongLine);
        }
        if found.is_none() {
            self.searched = without_end;
        }
        Ok(found)
    }
}

/// One line of a server.
enum Line {
    Op(ServerOp),
    /// A message follows.
    Message(Head),
}

/// What precedes a message.
struct Head {
    sid: u64,
    subject: Bytes,
    /// Bytes of the headers.
    headers: usize,
    /// Bytes of headers and payload.
    bytes: usize,
}

impl Head {
    /// The message; `None` when no line end follows it.
    fn message(self, body: &[u8]) -> Option<ServerMessage> {
        let (headers, payload) = body.strip_suffix(CRLF)?.split_at_checked(self.headers)?;
        Some(ServerMessage {
            sid: self.sid,
            subject: self.subject,
            status: status(headers),
            payload: Bytes::copy_from_slice(payload),
        })
    }
}

/// The number behind the version: `NATS/1.0 503`.
fn status(headers: &[u8]) -> Option<u16> {
    let line = headers.strip_prefix(b"NATS/1.0 ")?;
    str::from_utf8(line.get(..3)?).ok()?.parse().ok()
}

impl Line {
    fn parse(line: &[u8]) -> Result<Self, ProtocolError> {
        let unknown = || ProtocolError::Unknown(shown(line));
        let (name, rest) = match line.iter().position(|&byte| matches!(byte, b' ' | b'\t')) {
            Some(at) => (&line[..at], line[at..].trim_ascii()),
            None => (line, &b""[..]),
        };
        Ok(match name {
            b"PING" => Self::Op(ServerOp::Ping),
            b"PONG" => Self::Op(ServerOp::Pong),
            b"+OK" => Self::Op(ServerOp::Ok),
            b"-ERR" => {
                let text = String::from_utf8_lossy(rest);
                let text = text.strip_prefix('\'').unwrap_or(&text);
                let text = text.strip_suffix('\'').unwrap_or(text);
                Self::Op(ServerOp::Error(text.to_owned()))
            }
            b"INFO" => {
                let info = serde_json::from_slice(rest);
                let info = info.map_err(|error| ProtocolError::Info(error.to_string()))?;
                Self::Op(ServerOp::Info(info))
            }
            b"MSG" => Self::message(rest, 0).ok_or_else(unknown)?,
            b"HMSG" => Self::message(rest, 1).ok_or_else(unknown)?,
            _ => return Err(unknown()),
        })
    }

    /// The words after MSG and HMSG: `subject sid [reply] [header bytes] bytes`.
    fn message(rest: &[u8], header_words: usize) -> Option<Self> {
        let words: Vec<&str> = str::from_utf8(rest)
            .ok()?
            .split_ascii_whitespace()
            .collect();
        let without_reply = 3 + header_words;
        if words.len() != without_reply && words.len() != without_reply + 1 {
            return None;
        }
        let (&[subject, sid], _) = words.split_first_chunk()?;
        let (_, &[before, last]) = words.split_last_chunk()?;
        let bytes = length(last)?;
        let headers = if header_words == 0 {
            0
        } else {
            length(before)?
        };
        (headers <= bytes).then_some(Self::Message(Head {
            sid: sid.parse().ok()?,
            subject: Bytes::copy_from_slice(subject.as_bytes()),
            headers,
            bytes,
        }))
    }
}

/// A payload has less than 2 GiB on every server.
fn length(word: &str) -> Option<usize> {
    usize::try_from(word.parse::<i32>().ok()?).ok()
}

/// The beginning of a line, safe to print.
fn shown(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(&line[..line.len().min(SHOWN)]);
    let dots = if line.len() > SHOWN { "…" } else { "" };
    format!("{}{dots}", printable_value(&text))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Everything that is read of `bytes`, which arrive in pieces.
    fn read(bytes: &[u8], piece: usize) -> (Vec<ServerOp>, Option<ProtocolError>) {
        let (mut input, mut ops) = (ServerBytes::default(), Vec::new());
        for piece in bytes.chunks(piece.max(1)) {
            input.buffer().extend_from_slice(piece);
            loop {
                match input.next_op() {
                    Ok(Some(op)) => ops.push(op),
                    Ok(None) => break,
                    Err(error) => return (ops, Some(error)),
                }
            }
            assert!(
                input.len() <= LINE_MAX + MESSAGE_MAX + 2 * CRLF.len(),
                "{}",
                input.len()
            );
        }
        (ops, None)
    }

    fn message(sid: u64, subject: &'static str, payload: &'static [u8]) -> ServerMessage {
        ServerMessage {
            sid,
            subject: subject.into(),
            status: None,
            payload: payload.into(),
        }
    }

    #[test]
    fn every_operation_is_read() {
        let said = b"INFO {\"max_payload\":7,\"nonce\":\"n\"} \r\nPING\r\nPONG\r\n+OK\r\n\
            -ERR 'Stale Connection'\r\nMSG _INBOX.a 1 8\r\nabcdefgh\r\n\
            MSG  x.y  2  reply.to  3\r\na\r\n\r\nMSG a 1 0\r\n\r\n\
            HMSG a 1 12 14\r\nNATS/1.0\r\n\r\nxy\r\n\
            HMSG a 1 r 16 16\r\nNATS/1.0 503\r\n\r\n\r\n\
            MSG a 18446744073709551615 8\r\n\r\n\r\n\r\n\r\n\r\nPING\r\n";
        let info = ServerInfo {
            max_payload: 7,
            nonce: "n".to_owned(),
            ..ServerInfo::default()
        };
        let expected = vec![
            ServerOp::Info(Box::new(info)),
            ServerOp::Ping,
            ServerOp::Pong,
            ServerOp::Ok,
            ServerOp::Error("Stale Connection".to_owned()),
            ServerOp::Message(message(1, "_INBOX.a", b"abcdefgh")),
            ServerOp::Message(message(2, "x.y", b"a\r\n")),
            ServerOp::Message(message(1, "a", b"")),
            ServerOp::Message(message(1, "a", b"xy")),
            ServerOp::Message(ServerMessage {
                status: Some(503),
                ..message(1, "a", b"")
            }),
            ServerOp::Message(message(u64::MAX, "a", b"\r\n\r\n\r\n\r\n")),
            ServerOp::Ping,
        ];
        for piece in [1, 2, 3, 7, said.len()] {
            assert_eq!(read(said, piece), (expected.clone(), None), "{piece}");
        }
    }

    #[test]
    fn what_no_server_says_is_refused() {
        for said in [
            "HTTP/1.1 400 Bad Request\r\n",
            "\r\n",
            " PING\r\n",
            "INFO\r\n",
            "INFO {\"port\":70000}\r\n",
            "MSG a 1\r\n",
            "MSG a 1 2 3 4\r\n",
            "MSG a 1 -1\r\n",
            "MSG a 1 8589934592\r\n",
            "MSG a -1 8\r\n",
            "MSG \u{0}\u{7f} x 8\r\n",
            "HMSG a 1 8\r\n",
            "HMSG a 1 9 8\r\n",
            "HMSG a 1 -1 8\r\n",
            "MSG a 1 8\r\nabcdefghi\r\n",
        ] {
            let (ops, error) = read(said.as_bytes(), 1);
            assert!(ops.is_empty() && error.is_some(), "{said:?}: {ops:?}");
        }
        let (_, error) = read(b"\x1b[2Jclear\r\n", 1);
        let text = error.unwrap().to_string();
        assert_eq!(text, "not a NATS server: it says `\\u001b[2Jclear`");
    }

    #[test]
    fn a_line_is_bounded() {
        let info = |length: usize| {
            let names = "x".repeat(length - r#"INFO {"server_name":""}"#.len());
            format!("INFO {{\"server_name\":\"{names}\"}}\r\n")
        };
        for piece in [1, 4096, 1 << 20] {
            let (ops, error) = read(info(LINE_MAX).as_bytes(), piece);
            assert_eq!((ops.len(), error), (1, None));
            let too_long = Some(ProtocolError::LongLine);
            assert_eq!(read(info(LINE_MAX + 1).as_bytes(), piece).1, too_long);
            assert_eq!(read(&vec![b'x'; LINE_MAX + 2], piece).1, too_long);
        }
    }

    #[test]
    fn a_long_payload_is_not_kept() {
        let head = b"MSG a 1 1000000000\r\n";
        let said = [&head[..], &[0; 300_000]].concat();
        assert_eq!(read(&said, 1000), (Vec::new(), None));
        for (bytes, kept) in [(MESSAGE_MAX, 2), (MESSAGE_MAX + 1, 1)] {
            let head = format!("MSG a 1 {bytes}\r\n");
            let said = [head.as_bytes(), &vec![0; bytes], b"\r\nPING\r\n"].concat();
            let (ops, error) = read(&said, 1000);
            assert_eq!((ops.len(), error), (kept, None), "{bytes}");
        }
    }

    /// Bytes of which many are of the protocol.
    fn likely() -> impl Strategy<Value = Vec<u8>> {
        let words = prop::sample::select(vec![
            &b"MSG "[..],
            b"HMSG ",
            b"INFO ",
            b"{\"max_payload\":1}",
            b"-ERR '",
            b"PING",
            b"PONG",
            b"+OK",
            CRLF,
            b"\r",
            b" 8",
            b" 1 ",
            b"a.b",
            b"12345678",
        ]);
        let part = prop_oneof![
            4 => words.prop_map(<[u8]>::to_vec),
            1 => prop::collection::vec(any::<u8>(), 0..12),
        ];
        prop::collection::vec(part, 0..30).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn prop_pieces_do_not_change_what_is_read(bytes in likely(), piece in 1_usize..20) {
            prop_assert_eq!(read(&bytes, piece), read(&bytes, bytes.len()));
        }
    }
}
