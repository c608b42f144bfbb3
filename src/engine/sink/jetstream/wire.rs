//! Headers and answers of messages to a stream.

use async_nats::StatusCode;
use async_nats::header::{
    NATS_BATCH_COMMIT, NATS_BATCH_COMMIT_FINAL, NATS_BATCH_ID, NATS_BATCH_SEQUENCE,
    NATS_EXPECTED_LAST_SEQUENCE, NATS_MESSAGE_ID,
};
use async_nats::jetstream::publish::PublishAck;
use async_nats::jetstream::response::Response;
use async_nats::jetstream::{Error as ApiError, ErrorCode};

use super::machine::Answer;
use crate::nats::ServerMessage;
use crate::nats::stream::api::RUN_HEADER;

/// Writes the headers of a run's messages.
#[derive(Debug)]
pub(super) struct Stamp {
    session: String,
    run: String,
}

/// A message's place in an atomic batch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Member {
    /// Number of the batch in the run.
    pub(super) batch: u64,
    /// From 1.
    pub(super) index: u64,
    pub(super) is_last: bool,
}

impl Stamp {
    pub(super) fn new(session: &str, run: &str) -> Self {
        Self {
            session: one_line(session),
            run: one_line(run),
        }
    }

    /// The run, as it is in the headers.
    pub(super) fn run(&self) -> &str {
        &self.run
    }

    /// Appends the headers of the message that becomes `sequence`, alone or in a batch.
    pub(super) fn write(&self, out: &mut Vec<u8>, sequence: u64, member: Option<Member>) {
        let mut digits = itoa::Buffer::new();
        out.extend_from_slice(b"NATS/1.0\r\n");
        let id = [self.session.as_str(), ":", digits.format(sequence)];
        line(out, &NATS_MESSAGE_ID, &id);
        line(out, RUN_HEADER, &[&self.run]);
        // In a batch, the sequence that must precede it is stated once.
        if member.is_none_or(|member| member.index == 1) {
            let expected = digits.format(sequence - 1);
            line(out, &NATS_EXPECTED_LAST_SEQUENCE, &[expected]);
        }
        if let Some(member) = member {
            let id = [self.run.as_str(), ".", digits.format(member.batch)];
            line(out, &NATS_BATCH_ID, &id);
            line(out, &NATS_BATCH_SEQUENCE, &[digits.format(member.index)]);
            if member.is_last {
                line(out, &NATS_BATCH_COMMIT, &[NATS_BATCH_COMMIT_FINAL]);
            }
        }
        out.extend_from_slice(b"\r\n");
    }
}

/// Appends one header. No part has the end of a line.
fn line(out: &mut Vec<u8>, name: &(impl AsRef<str> + ?Sized), value: &[&str]) {
    out.extend_from_slice(name.as_ref().as_bytes());
    out.extend_from_slice(b": ");
    for part in value {
        out.extend_from_slice(part.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}

/// A header value must not contain the end of a line.
fn one_line(text: &str) -> String {
    text.replace(['\r', '\n'], "_")
}

/// The subject on which a message's answer comes: it names what is answered.
pub(super) fn reply(inbox: &str, generation: u64, end: u64) -> String {
    format!("{inbox}.{generation}.{end}")
}

/// What is answered: generation and end; `None` for a foreign message.
pub(super) fn answered(inbox: &str, subject: &[u8]) -> Option<(u64, u64)> {
    let subject = str::from_utf8(subject).ok()?;
    let tag = subject.strip_prefix(inbox)?.strip_prefix('.')?;
    let (generation, end) = tag.split_once('.')?;
    Some((generation.parse().ok()?, end.parse().ok()?))
}

/// What the server says about a message; `None` for an answer without a content, as the first message
/// of a batch has.
pub(super) fn answer(message: &ServerMessage) -> Option<Answer> {
    if message.status == Some(StatusCode::NO_RESPONDERS.as_u16()) {
        let cause = "no stream accepts its subject".to_owned();
        return Some(Answer::Later(cause));
    }
    if message.payload.is_empty() {
        return None;
    }
    Some(match serde_json::from_slice(&message.payload) {
        Ok(Response::Ok(PublishAck { sequence, .. })) => Answer::Stored { sequence },
        Ok(Response::Err { error }) => of_error(&error),
        Err(error) => Answer::Refused(format!("an answer that is not an acknowledgement: {error}")),
    })
}

fn of_error(error: &ApiError) -> Answer {
    let text = error.to_string();
    match error.error_code() {
        ErrorCode::STREAM_WRONG_LAST_SEQUENCE
        | ErrorCode::STREAM_WRONG_LAST_SEQUENCE_CONSTANT
        | ErrorCode::ATOMIC_PUBLISH_CONTAINS_DUPLICATE_MESSAGE
        | ErrorCode::ATOMIC_PUBLISH_INCOMPLETE_BATCH => Answer::OutOfPlace,
        ErrorCode::STREAM_DUPLICATE_MESSAGE_CONFLICT
        | ErrorCode::STREAM_TOO_MANY_REQUESTS
        | ErrorCode::ATOMIC_PUBLISH_TOO_MANY_INFLIGHT
        | ErrorCode::BATCH_PUBLISH_TOO_MANY_INFLIGHT => Answer::Later(text),
        ErrorCode::STREAM_STORE_FAILED
        | ErrorCode::INSUFFICIENT_RESOURCES
        | ErrorCode::STORAGE_RESOURCES_EXCEEDED
        | ErrorCode::MEMORY_RESOURCES_EXCEEDED => Answer::NotStored(text),
        _ if error.code() == 503 => Answer::Later(text),
        _ => Answer::Refused(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(payload: &'static str) -> ServerMessage {
        ServerMessage {
            sid: 2,
            subject: "a".into(),
            status: None,
            payload: payload.into(),
        }
    }

    fn headers(stamp: &Stamp, sequence: u64, member: Option<Member>) -> String {
        let mut out = Vec::new();
        stamp.write(&mut out, sequence, member);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_message_states_the_sequence_before_it() {
        let said = headers(&Stamp::new("night\n1", "run"), 7, None);
        let expected = "NATS/1.0\r\nNats-Msg-Id: night_1:7\r\nTickdeck-Run: run\r\n\
            Nats-Expected-Last-Sequence: 6\r\n\r\n";
        assert_eq!(said, expected);
    }

    #[test]
    fn a_batch_is_begun_and_committed_once() {
        let stamp = Stamp::new("night", "run");
        let of = |index, is_last| {
            let member = Member {
                batch: 3,
                index,
                is_last,
            };
            let said = headers(&stamp, 10 + index, Some(member));
            [
                "Nats-Expected-Last-Sequence: ",
                "Nats-Batch-Id: ",
                "Nats-Batch-Sequence: ",
                "Nats-Batch-Commit: ",
            ]
            .map(|name| {
                let value = said.lines().find_map(|line| line.strip_prefix(name));
                value.map(str::to_owned)
            })
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(of(1, false), [some("10"), some("run.3"), some("1"), None]);
        assert_eq!(of(2, false), [None, some("run.3"), some("2"), None]);
        assert_eq!(of(3, true), [None, some("run.3"), some("3"), some("1")]);
        assert_eq!(
            of(1, true),
            [some("10"), some("run.3"), some("1"), some("1")]
        );
    }

    #[test]
    fn an_answer_names_what_it_answers() {
        let subject = reply("_INBOX.x", 2, 900);
        assert_eq!(answered("_INBOX.x", subject.as_bytes()), Some((2, 900)));
        assert_eq!(answered("_INBOX.x", b"_INBOX.y.2.900"), None);
        assert_eq!(answered("_INBOX.x", b"_INBOX.x.2"), None);
    }

    #[test]
    fn answers_are_told_apart_by_code() {
        let stored = answer(&message(r#"{"stream":"S","seq":9}"#));
        assert_eq!(stored, Some(Answer::Stored { sequence: 9 }));
        let refused = |code: usize, err_code: u64| {
            let text = format!(
                r#"{{"error":{{"code":{code},"err_code":{err_code},"description":"x"}},"stream":"S","seq":0}}"#
            );
            answer(&message(text.leak())).unwrap()
        };
        assert_eq!(refused(400, 10071), Answer::OutOfPlace);
        assert_eq!(refused(400, 10201), Answer::OutOfPlace);
        assert!(matches!(refused(503, 10008), Answer::Later(_)));
        assert!(matches!(refused(429, 10167), Answer::Later(_)));
        assert!(matches!(refused(503, 10077), Answer::NotStored(_)));
        assert!(matches!(refused(503, 10023), Answer::NotStored(_)));
        assert!(matches!(refused(400, 10054), Answer::Refused(_)));
        assert_eq!(answer(&message("")), None);
        let mut silent = message("");
        silent.status = Some(503);
        assert!(matches!(answer(&silent), Some(Answer::Later(_))));
    }
}
