//! The machine against a stream that the test plays.

use proptest::prelude::*;

use super::super::storing::UNANSWERED_MAX;
use super::*;
use crate::sink::MessageBatchBuilder;

const RUN: &str = "run";
const CREATED: i128 = 7;

fn payload(position: u64) -> Vec<u8> {
    format!("{{\"seq\":{position}}}").into_bytes()
}

fn batch(from: u64, count: u64) -> MessageBatch {
    let mut builder = MessageBatchBuilder::default();
    for position in from..from + count {
        builder.push(b"market.tick.SHFE.rb", &payload(position));
    }
    builder.take()
}

fn stored(position: u64, run: &str) -> StoredMessage {
    StoredMessage {
        subject: "market.tick.SHFE.rb".into(),
        payload: payload(position).into(),
        run: Some(run.to_owned()),
    }
}

fn found(base: u64, stored_before: u64, replicas: usize) -> Found {
    Found {
        stream: "S".into(),
        run: RUN.into(),
        created: CREATED,
        replicas,
        place: Place {
            base,
            stored: stored_before,
        },
        last: stored_before.checked_sub(1).map(|last| stored(last, "old")),
    }
}

fn machine(base: u64) -> Machine {
    Machine::new(found(base, 0, 1), false, MonoNanos(0))
}

fn now(seconds: i64) -> MonoNanos {
    MonoNanos(seconds * 1_000_000_000)
}

/// The positions that are sent, until the machine waits or asks. The first does not go alone.
fn sent(machine: &mut Machine, at: MonoNanos) -> Vec<u64> {
    machine.is_accepted = true;
    let mut positions = Vec::new();
    while let Next::Send(run) = machine.next(at) {
        positions.extend(run.first..run.end);
    }
    positions
}

fn state(last: u64, message: Option<StoredMessage>) -> StreamNow {
    StreamNow {
        created: CREATED,
        last,
        message,
    }
}

fn acknowledge(machine: &mut Machine, end: u64) {
    let sequence = machine.sequence(end) - 1;
    let answer = Answer::Stored { sequence };
    let generation = machine.generation();
    machine.on_answer(generation, end, answer, now(0)).unwrap();
}

fn refuse(machine: &mut Machine, end: u64) {
    let generation = machine.generation();
    let refused = machine.on_answer(generation, end, Answer::OutOfPlace, now(0));
    refused.unwrap();
}

#[test]
fn an_acknowledgement_covers_all_before_it() {
    let mut machine = machine(101);
    machine.take(batch(0, 10)).unwrap();
    assert_eq!(sent(&mut machine, now(0)), (0..10).collect::<Vec<_>>());
    assert_eq!(machine.sequence(9), 110);
    acknowledge(&mut machine, 7);
    assert_eq!((machine.confirmed(), machine.is_idle()), (7, false));
    acknowledge(&mut machine, 10);
    assert_eq!((machine.confirmed(), machine.is_idle()), (10, true));
}

#[test]
fn the_first_message_goes_alone() {
    let run = |machine: &mut Machine| match machine.next(now(0)) {
        Next::Send(run) => Some((run.first, run.end)),
        _ => None,
    };
    for durable in [false, true] {
        let mut machine = Machine::new(found(1, 0, 1), durable, now(0));
        machine.take(batch(0, 10)).unwrap();
        assert_eq!(run(&mut machine), Some((0, 1)));
        assert_eq!(run(&mut machine), None);
        acknowledge(&mut machine, 1);
        assert_eq!(run(&mut machine), Some((1, 10)));
        machine.on_connected(now(0));
        machine
            .on_state(now(0), &state(4, Some(stored(3, RUN))))
            .unwrap();
        assert_eq!(run(&mut machine), Some((4, 5)));
        assert_eq!(run(&mut machine), None);
    }
}

#[test]
fn a_message_out_of_place_is_sent_again_with_those_after_it() {
    let mut machine = machine(1);
    machine.take(batch(0, 10)).unwrap();
    sent(&mut machine, now(0));
    refuse(&mut machine, 6);
    assert!(matches!(machine.next(now(0)), Next::Ask));
    // Those after it are refused too, which changes nothing.
    refuse(&mut machine, 7);
    let notes = machine.on_state(now(0), &state(4, Some(stored(3, RUN))));
    assert_eq!(notes.unwrap(), [Note::Resent { messages: 6 }]);
    assert_eq!(sent(&mut machine, now(0)), (4..10).collect::<Vec<_>>());
    assert_eq!((machine.resent(), machine.confirmed()), (6, 4));
}

#[test]
fn an_answer_to_an_earlier_attempt_changes_nothing() {
    let mut machine = machine(1);
    machine.take(batch(0, 10)).unwrap();
    sent(&mut machine, now(0));
    let before = machine.generation();
    refuse(&mut machine, 6);
    machine
        .on_state(now(0), &state(4, Some(stored(3, RUN))))
        .unwrap();
    for answer in [
        Answer::OutOfPlace,
        Answer::Later(String::new()),
        Answer::Refused(String::new()),
        Answer::Stored { sequence: 10 },
    ] {
        machine.on_answer(before, 10, answer, now(0)).unwrap();
    }
    assert_eq!(sent(&mut machine, now(0)), (4..10).collect::<Vec<_>>());
    assert_eq!(machine.confirmed(), 4);
}

#[test]
fn repeated_refusals_are_followed_by_a_pause() {
    let mut machine = machine(1);
    machine.take(batch(0, 2)).unwrap();
    let mut pauses = 0;
    let mut at = now(1);
    for _ in 0..20 {
        match machine.next(at) {
            Next::Send(_) => refuse(&mut machine, 1),
            Next::Ask => drop(machine.on_state(at, &state(0, None)).unwrap()),
            Next::Wait(until) => {
                assert!(until > at && until <= at.after(BACKOFF_MAX));
                pauses += 1;
                at = until;
            }
        }
    }
    assert!(pauses > 3, "{pauses}");
}

#[test]
fn a_reconnect_finds_out_what_arrived() {
    let mut machine = machine(1);
    machine.take(batch(0, 10)).unwrap();
    sent(&mut machine, now(0));
    acknowledge(&mut machine, 3);
    machine.on_connected(now(0));
    assert!(matches!(machine.next(now(0)), Next::Ask));
    assert!(machine.wants_message(8), "its writer must be known");
    assert!(!machine.wants_message(3), "it is acknowledged");
    machine
        .on_state(now(0), &state(8, Some(stored(7, RUN))))
        .unwrap();
    assert_eq!((machine.confirmed(), machine.lost()), (8, 0));
    assert_eq!(sent(&mut machine, now(0)), [8, 9]);
}

#[test]
fn lost_acknowledged_messages_are_counted_and_sent_again() {
    let mut machine = machine(1);
    machine.take(batch(0, 10)).unwrap();
    sent(&mut machine, now(0));
    acknowledge(&mut machine, 9);
    machine.on_connected(now(0));
    let notes = machine.on_state(now(0), &state(2, None)).unwrap();
    let went_back = Note::WentBack { lost: 7, last: 2 };
    assert_eq!(notes, [went_back, Note::Resent { messages: 8 }]);
    assert_eq!(machine.lost(), 7);
    assert_eq!(machine.confirmed(), 9, "a count never falls");
    assert!(!machine.is_idle());
    assert_eq!(sent(&mut machine, now(0)), (2..10).collect::<Vec<_>>());
}

#[test]
fn a_replicated_stream_must_state_a_loss_repeatedly() {
    let mut machine = Machine::new(found(1, 0, 3), false, now(0));
    machine.take(batch(0, 10)).unwrap();
    sent(&mut machine, now(0));
    acknowledge(&mut machine, 9);
    machine.on_connected(now(0));
    let mut at = now(0);
    for _ in 0..DOUBTS_MAX {
        assert_eq!(machine.on_state(at, &state(2, None)).unwrap(), []);
        let Next::Wait(until) = machine.next(at) else {
            panic!("it asks again after a pause");
        };
        at = until;
    }
    assert_eq!(machine.lost(), 0);
    machine.on_state(at, &state(2, None)).unwrap();
    assert_eq!(machine.lost(), 7);
}

#[test]
fn messages_that_are_no_longer_kept_cannot_be_sent_again() {
    let mut machine = machine(1);
    let large = {
        let mut builder = MessageBatchBuilder::default();
        builder.push(b"s", &vec![0; usize::try_from(KEPT_BYTES / 2).unwrap()]);
        builder.take()
    };
    for end in 1..=4 {
        machine.take(large.clone()).unwrap();
        sent(&mut machine, now(0));
        acknowledge(&mut machine, end);
    }
    machine.on_connected(now(0));
    let lost = machine.on_state(now(0), &state(0, None)).unwrap_err();
    let StreamProblem::WentBack { lost, gone, .. } = lost else {
        panic!("{lost}");
    };
    assert_eq!((lost, gone > 0 && gone < 4), (4, true), "{gone}");
}

#[test]
fn another_writer_ends_the_run() {
    let other = |last, message| {
        let mut machine = machine(1);
        machine.take(batch(0, 10)).unwrap();
        sent(&mut machine, now(0));
        acknowledge(&mut machine, 3);
        refuse(&mut machine, 10);
        machine.on_state(now(0), &state(last, message))
    };
    let is_foreign = |ended| matches!(ended, Err(StreamProblem::OtherWriter { .. }));
    assert!(is_foreign(other(11, None)), "more than was sent");
    assert!(is_foreign(other(8, Some(stored(7, "other")))), "same bytes");
    assert!(is_foreign(other(8, Some(stored(6, RUN)))), "other bytes");
    assert!(other(8, Some(stored(7, RUN))).is_ok());
    let mut machine = machine(1);
    machine.take(batch(0, 2)).unwrap();
    sent(&mut machine, now(0));
    let elsewhere = Answer::Stored { sequence: 9 };
    assert!(is_foreign(
        machine
            .on_answer(0, 2, elsewhere, now(0))
            .map(|()| Vec::new())
    ));
}

#[test]
fn a_stream_that_was_replaced_ends_the_run() {
    let mut machine = machine(1);
    machine.take(batch(0, 2)).unwrap();
    sent(&mut machine, now(0));
    machine.on_connected(now(0));
    let mut replaced = state(0, None);
    replaced.created += 1;
    let ended = machine.on_state(now(0), &replaced);
    assert!(matches!(ended, Err(StreamProblem::Replaced { .. })));
}

#[test]
fn a_continued_stream_gets_what_it_does_not_have() {
    let mut machine = Machine::new(found(1, 5, 1), false, now(0));
    machine.take(batch(0, 3)).unwrap();
    assert_eq!(sent(&mut machine, now(0)), [0_u64; 0]);
    assert_eq!((machine.confirmed(), machine.is_idle()), (3, true));
    machine.take(batch(3, 4)).unwrap();
    assert_eq!(sent(&mut machine, now(0)), [5, 6]);
    assert_eq!(machine.resent(), 0);
}

#[test]
fn a_stream_of_another_run_is_not_continued() {
    let mut found = found(1, 5, 1);
    found.last = Some(stored(3, "old"));
    let mut machine = Machine::new(found, false, now(0));
    machine.take(batch(0, 3)).unwrap();
    let refused = machine.take(batch(3, 4)).unwrap_err();
    let differs = StreamProblem::Differs {
        stream: "S".into(),
        sequence: 5,
        part: "payload",
    };
    assert_eq!(refused, differs);
}

#[test]
fn a_silent_server_is_asked() {
    let mut machine = machine(1);
    machine.take(batch(0, 2)).unwrap();
    sent(&mut machine, now(0));
    let Next::Wait(until) = machine.next(now(0)) else {
        panic!("it waits");
    };
    assert_eq!(until, now(0).after(ACK_TIMEOUT));
    assert!(matches!(machine.next(until), Next::Ask));
}

#[test]
fn a_batch_fills_while_another_is_on_its_way() {
    let mut machine = Machine::new(found(1, 0, 1), true, now(0));
    machine.take(batch(0, 3)).unwrap();
    assert_eq!(sent(&mut machine, now(0)), [0, 1, 2]);
    machine.take(batch(3, 700)).unwrap();
    assert_eq!(sent(&mut machine, now(0)), [0_u64; 0]);
    machine.take(batch(703, 700)).unwrap();
    let Next::Send(run) = machine.next(now(0)) else {
        panic!("a batch is full");
    };
    assert_eq!((run.first, run.end), (3, 3 + GROUP_MESSAGES_MAX));
    assert_eq!(run.parts.len(), 2);
    acknowledge(&mut machine, run.end);
    assert_eq!(sent(&mut machine, now(0)).len(), 400);
}

#[test]
fn no_more_than_the_window_is_on_its_way() {
    let mut machine = machine(1);
    while machine.has_room() {
        let end = machine.retained.end();
        machine.take(batch(end, 1000)).unwrap();
    }
    assert_eq!(sent(&mut machine, now(0)).len() as u64, WINDOW_MESSAGES_MAX);
    acknowledge(&mut machine, 2000);
    assert!(machine.has_room());
}

/// A server with one stream, and a connection that may lose what is on its way.
#[derive(Default)]
struct Server {
    stream: Vec<u64>,
    /// Position and generation, not handled yet.
    queue: std::collections::VecDeque<(u64, u64)>,
}

impl Server {
    /// Handles the oldest message; its answer.
    fn handle(&mut self) -> Option<(u64, u64, Answer)> {
        let (position, generation) = self.queue.pop_front()?;
        let answer = match self.stream.len() as u64 == position {
            true => {
                self.stream.push(position);
                Answer::Stored {
                    sequence: position + 1,
                }
            }
            false => Answer::OutOfPlace,
        };
        Some((generation, position + 1, answer))
    }
}

proptest! {
    /// Whatever is lost or late, the stream ends as the run, once and in order.
    #[test]
    fn prop_the_stream_becomes_the_run(
        steps in proptest::collection::vec((0_u8..7, 0_usize..1000), 0..200),
        count in 1_u64..60,
    ) {
        let mut machine = machine(1);
        let mut server = Server::default();
        let mut taken = 0;
        let mut at = now(0);
        // In the end nothing is lost.
        let quiet = (0..2000).map(|step| ([0_u8, 1, 2][step % 3], 0));
        for (step, how_many) in steps.into_iter().chain(quiet) {
            match step {
                0 if taken < count && machine.has_room() => {
                    let more = 1 + (how_many % 5) as u64;
                    let more = more.min(count - taken);
                    machine.take(batch(taken, more)).unwrap();
                    taken += more;
                }
                0 | 1 => match machine.next(at) {
                    Next::Send(run) => {
                        let generation = machine.generation();
                        server.queue.extend((run.first..run.end).map(|position| (position, generation)));
                    }
                    Next::Ask => {
                        let last = server.stream.len() as u64;
                        let message = machine.wants_message(last).then(|| stored(last - 1, RUN));
                        match machine.on_state(at, &state(last, message)) {
                            Ok(_) => {}
                            // Several messages in a row were dropped: the run is continued.
                            Err(StreamProblem::Unanswered { .. }) => machine.on_connected(at),
                            Err(problem) => panic!("{problem}"),
                        }
                    }
                    Next::Wait(until) if until < MonoNanos::NEVER => at = until,
                    Next::Wait(_) => {}
                },
                2 => if let Some((generation, end, answer)) = server.handle() {
                    machine.on_answer(generation, end, answer, at).unwrap();
                },
                // The answer is lost.
                3 => drop(server.handle()),
                // Messages are lost on their way.
                4 => {
                    let keep = how_many % (server.queue.len() + 1);
                    server.queue.truncate(keep);
                    machine.on_connected(at);
                }
                // Sent before the connection was lost, and handled after it.
                5 => machine.on_connected(at),
                // One is dropped.
                _ => drop(server.queue.pop_front()),
            }
        }
        prop_assert_eq!(server.stream, (0..count).collect::<Vec<_>>());
        prop_assert!(machine.is_idle());
        prop_assert_eq!(machine.confirmed(), count);
        prop_assert_eq!(machine.lost(), 0);
    }
}

/// A server without room: it may answer, and may state its state or not.
#[test]
fn a_server_that_cannot_store_is_tried_a_few_times() {
    for has_state in [true, false] {
        let mut machine = machine(1);
        machine.take(batch(0, 3)).unwrap();
        let (mut tries, mut at) = (0, now(0));
        let refused = loop {
            match machine.next(at) {
                Next::Wait(until) => at = until,
                Next::Send(run) => {
                    let (generation, full) = (machine.generation(), "disk full".to_owned());
                    tries += 1;
                    let answer = Answer::NotStored(full);
                    if let Err(refused) = machine.on_answer(generation, run.end, answer, at) {
                        break refused;
                    }
                }
                Next::Ask if has_state => drop(machine.on_state(at, &state(0, None)).unwrap()),
                Next::Ask => {
                    if let Err(refused) = machine.on_no_state(at) {
                        break refused;
                    }
                }
            }
        };
        assert_eq!(tries > 3, has_state, "{tries}");
        let said = "stream `S` refused message 1: disk full";
        assert_eq!(refused.to_string(), said);
        assert!((now(10)..now(15)).contains(&at), "{at:?}");
    }
}

/// Such as a server whose disk is full.
#[test]
fn a_server_that_drops_messages_silently_is_tried_a_few_times() {
    let mut machine = machine(1);
    machine.take(batch(0, 3)).unwrap();
    let (mut tries, mut at) = (0, now(0));
    let stuck = loop {
        match machine.next(at) {
            Next::Wait(until) => at = until,
            Next::Send(_) => tries += 1,
            Next::Ask => match machine.on_state(at, &state(0, None)) {
                Ok(_) => {}
                Err(stuck) => break stuck,
            },
        }
    };
    assert_eq!(tries, UNANSWERED_MAX);
    assert!(
        stuck.to_string().contains("message 1 of stream `S`"),
        "{stuck}"
    );
    assert!((now(30)..now(40)).contains(&at), "{at:?}");
}

#[test]
fn a_server_that_never_failed_to_store_is_waited_for() {
    let mut machine = machine(1);
    machine.take(batch(0, 3)).unwrap();
    for _ in 0..100 {
        machine.on_no_state(now(0)).unwrap();
    }
    machine.on_connected(now(1));
    machine.on_state(now(1), &state(0, None)).unwrap();
    assert_eq!(sent(&mut machine, now(1)), [0, 1, 2]);
}
