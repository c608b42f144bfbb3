//! The connection against the other end of a pipe, in a time that the tests advance.

use futures_util::FutureExt as _;
use proptest::prelude::*;
use tokio::io::{AsyncWriteExt as _, DuplexStream};
use tokio::time::Instant;

use super::*;
use crate::nats::NatsOptions;

/// Runs `test` in time that passes only while everything waits.
fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build();
    runtime.unwrap().block_on(test)
}

/// A connection through a pipe of `capacity` bytes, and the server's end.
fn connection(capacity: usize) -> (Wire, DuplexStream) {
    let (ours, theirs) = tokio::io::duplex(capacity);
    let plan = NatsOptions::default().plan().unwrap();
    let accepted = Accepted {
        stream: Box::new(ours),
        input: ServerBytes::default(),
        info: ServerInfo {
            max_payload: 100_000,
            ..ServerInfo::default()
        },
        inbox: "_INBOX.me".to_owned(),
    };
    (Wire::new(&plan, accepted), theirs)
}

/// `work` beside the connection, which must outlast it.
async fn beside<T>(wire: &Wire, work: impl Future<Output = T>) -> T {
    tokio::select! {
        biased;
        () = wire.lost() => panic!("the connection is gone"),
        done = work => done,
    }
}

/// The next line from the client, without its end.
async fn line(server: &mut DuplexStream) -> String {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        line.push(server.read_u8().await.unwrap());
    }
    String::from_utf8(line).unwrap().trim_end().to_owned()
}

#[test]
fn a_frozen_server_is_given_up_after_three_intervals() {
    run(async {
        let (wire, mut server) = connection(4096);
        let start = Instant::now();
        wire.lost().await;
        assert_eq!(start.elapsed().as_secs(), 3 * PING_INTERVAL.as_secs());
        for _ in 0..UNANSWERED_MAX {
            assert_eq!(line(&mut server).await, "PING");
        }
    });
}

#[test]
fn a_frozen_server_is_given_up_while_the_sink_waits() {
    run(async {
        let (wire, _server) = connection(64);
        let payload = [b'x'; 1000];
        let start = Instant::now();
        tokio::select! {
            biased;
            () = wire.lost() => {}
            _ = wire.publish_all([(&b"a"[..], &payload[..]); 1000].into_iter()) => panic!("written"),
        }
        assert_eq!(start.elapsed().as_secs(), 3 * PING_INTERVAL.as_secs());
    });
}

#[test]
fn a_quiet_server_that_answers_is_kept() {
    run(async {
        let (wire, mut server) = connection(4096);
        let answer = async {
            for _ in 0..20 {
                assert_eq!(line(&mut server).await, "PING");
                server.write_all(b"PONG\r\n").await.unwrap();
            }
        };
        beside(&wire, answer).await;
    });
}

#[test]
fn a_mark_comes_back_whole_or_in_halves() {
    run(async {
        let (wire, mut server) = connection(4096);
        let work = async {
            wire.subscribe("_INBOX.me").await.unwrap();
            assert_eq!(line(&mut server).await, "SUB _INBOX.me 1");
            let marks = |p: u64| [b"MSG _INBOX.me 1 8\r\n", &p.to_le_bytes()[..], b"\r\n"].concat();
            server.write_all(&marks(1)).await.unwrap();
            assert_eq!(wire.echo(&mut ()).await, Some(1));
            for half in marks(770).chunks(5) {
                server.write_all(half).await.unwrap();
                runtime::sleep(Duration::from_millis(1)).await;
            }
            assert_eq!(wire.echo(&mut ()).await, Some(770));
            // Not a mark, and not of this subscription.
            let foreign = b"MSG _INBOX.me 1 2\r\nab\r\nMSG x 2 8\r\nabcdefgh\r\n";
            server
                .write_all(&[&foreign[..], &marks(2)].concat())
                .await
                .unwrap();
            assert_eq!(wire.echo(&mut ()).await, Some(2));
        };
        beside(&wire, work).await;
    });
}

#[test]
fn a_frame_with_headers_states_both_lengths() {
    let mut out = Vec::new();
    publish_with_headers(
        &mut out,
        b"a.b",
        Some("_INBOX.r"),
        b"NATS/1.0\r\n\r\n",
        b"xyz",
    );
    assert_eq!(out, b"HPUB a.b _INBOX.r 12 15\r\nNATS/1.0\r\n\r\nxyz\r\n");
    out.clear();
    publish_with_headers(&mut out, b"a.b", None, b"NATS/1.0\r\n\r\n", b"");
    assert_eq!(out, b"HPUB a.b  12 12\r\nNATS/1.0\r\n\r\n\r\n");
}

#[test]
fn messages_have_the_headers_of_their_place_and_answers_come_back() {
    run(async {
        let (wire, mut server) = connection(4096);
        let work = async {
            let inbox = wire.subscribe_to_answers().await;
            assert_eq!(line(&mut server).await, "SUB _INBOX.ame.*.* 2");
            let mut place = 0;
            let stamp = |headers: &mut Vec<u8>| {
                place += 1;
                headers.extend_from_slice(format!("NATS/1.0\r\nN: {place}\r\n\r\n").as_bytes());
                (place == 2).then(|| format!("{inbox}.0.2"))
            };
            let messages = [(&b"a.b"[..], &b"xyz"[..]), (b"a.c", b"")].into_iter();
            wire.publish_all_stamped(messages, stamp).await.unwrap();
            for said in [
                "HPUB a.b  18 21",
                "NATS/1.0",
                "N: 1",
                "",
                "xyz",
                "HPUB a.c _INBOX.ame.0.2 18 18",
                "NATS/1.0",
                "N: 2",
                "",
                "",
            ] {
                assert_eq!(line(&mut server).await, said);
            }
            // A mark's inbox and a foreign subscription are not answers.
            let said = b"MSG _INBOX.me 1 2\r\nab\r\nMSG x 3 2\r\nab\r\n\
                HMSG _INBOX.ame.0.2 2 16 18\r\nNATS/1.0 503\r\n\r\n{}\r\n";
            server.write_all(said).await.unwrap();
            let answer = wire.answer().await;
            assert_eq!(answer.subject, "_INBOX.ame.0.2");
            assert_eq!(
                (answer.status, &answer.payload[..]),
                (Some(503), &b"{}"[..])
            );
        };
        beside(&wire, work).await;
    });
}

#[test]
fn headers_count_as_part_of_a_payload() {
    run(async {
        let (wire, _server) = connection(4096);
        let payload = vec![b'x'; 99_990];
        let message = || [(&b"a"[..], &payload[..])].into_iter();
        let stamp = |headers: &mut Vec<u8>| {
            headers.extend_from_slice(b"NATS/1.0\r\n\r\n");
            None
        };
        assert!(wire.publish_all_stamped(message(), stamp).await.is_err());
        let short = |headers: &mut Vec<u8>| {
            headers.extend_from_slice(b"12345678\r\n");
            None
        };
        let published = wire.publish_all_stamped(message(), short);
        assert!(published.now_or_never().is_none_or(|result| result.is_ok()));
    });
}

#[test]
fn a_flood_of_answers_ends_the_connection() {
    run(async {
        let (wire, mut server) = connection(1 << 20);
        let flood = b"MSG _INBOX.ame.0.2 2 0\r\n\r\n".repeat(ANSWERS_MAX + 1);
        let flood = async {
            let _ = server.write_all(&flood).await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = wire.lost() => {}
            () = flood => {}
        }
    });
}

#[test]
fn a_refusal_is_kept_and_another_error_ends_the_connection() {
    run(async {
        let (wire, mut server) = connection(4096);
        let refusal = b"-ERR 'Permissions Violation for Publish to \"a.b\"'\r\n";
        server.write_all(refusal).await.unwrap();
        beside(&wire, wire.fate.is_refused()).await;
        assert_eq!(wire.fate.take_refusal().unwrap().subject, "a.b");
        server.write_all(refusal).await.unwrap();
        server
            .write_all(b"-ERR 'Stale Connection'\r\n")
            .await
            .unwrap();
        wire.lost().await;
        // What was said before counts.
        assert_eq!(wire.fate.take_refusal().unwrap().subject, "a.b");
    });
}

#[test]
fn the_server_is_heard_out_when_writing_fails() {
    run(async {
        let (wire, mut server) = connection(4096);
        let refusal = b"-ERR 'Permissions Violation for Publish to \"a.b\"'\r\n";
        server.write_all(refusal).await.unwrap();
        drop(server);
        let publish = wire.publish_all([(&b"a.b"[..], &b"x"[..])].into_iter());
        tokio::select! {
            biased;
            published = publish => published.unwrap(),
            () = wire.lost() => {}
        }
        wire.lost().await;
        assert!(wire.fate.take_refusal().is_some());
    });
}

#[test]
fn garbage_and_the_end_are_the_end() {
    for said in ["HTTP/1.1 400\r\n", "MSG a 1 x\r\n", "INFO {\r\n", "PI", ""] {
        run(async {
            let (wire, mut server) = connection(4096);
            server.write_all(said.as_bytes()).await.unwrap();
            drop(server);
            wire.lost().await;
        });
    }
    run(async {
        let (wire, mut server) = connection(4096);
        let endless = async {
            // Stops when the connection is dropped.
            while server.write_all(&[b'x'; 1000]).await.is_ok() {}
        };
        tokio::select! {
            () = wire.lost() => {}
            () = endless => {}
        }
    });
}

#[test]
fn a_later_info_changes_the_largest_payload() {
    run(async {
        let (wire, mut server) = connection(4096);
        let payload = [b'x'; 10];
        let message = || [(&b"a"[..], &payload[..])].into_iter();
        assert!(wire.publish_all(message()).await.is_ok());
        server
            .write_all(b"INFO {\"max_payload\":9,\"ldm\":true}\r\nPING\r\n")
            .await
            .unwrap();
        let work = async {
            assert_eq!(line(&mut server).await, "PUB a 10");
            assert_eq!(line(&mut server).await, "xxxxxxxxxx");
            assert_eq!(line(&mut server).await, "PONG");
        };
        beside(&wire, work).await;
        assert_eq!(wire.max_payload(), 9);
        let refused = wire.publish_all(message()).await.unwrap_err();
        assert!(
            matches!(refused, NatsFailure::Unpublishable { bytes: 10, .. }),
            "{refused}"
        );
    });
}

#[test]
fn no_subject_injects_protocol() {
    run(async {
        let (wire, mut server) = connection(4096);
        for subject in ["", "a b", "a\r\nPUB b 0\r\n", "a\tb", "a\0"] {
            let message = [(subject.as_bytes(), &b""[..])].into_iter();
            assert!(wire.publish_all(message).await.is_err(), "{subject:?}");
        }
        drop(wire);
        let mut said = Vec::new();
        server.read_to_end(&mut said).await.unwrap();
        assert_eq!(said, b"");
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// A server that reads little at a time and asks in between.
    #[test]
    fn prop_messages_stay_whole_and_in_order(
        sizes in prop::collection::vec(0_usize..90_000, 1..12),
        capacity in 16_usize..100_000,
        asked in 0_usize..5,
    ) {
        let payloads: Vec<Vec<u8>> = sizes.iter().map(|&size| vec![b'x'; size]).collect();
        let answers = run(async {
            let (wire, mut server) = connection(capacity);
            let publish = wire.publish_all(payloads.iter().map(|payload| (&b"a.b"[..], &payload[..])));
            let read = async {
                let (mut seen, mut answers) = (0, 0);
                for _ in 0..asked {
                    server.write_all(b"PING\r\n").await.unwrap();
                }
                while seen < sizes.len() || answers == 0 && asked > 0 {
                    let head = line(&mut server).await;
                    if head == "PONG" {
                        answers += 1;
                        continue;
                    }
                    assert_eq!(head, format!("PUB a.b {}", sizes[seen]));
                    let mut body = vec![0; sizes[seen]];
                    server.read_exact(&mut body).await.unwrap();
                    assert_eq!((&body, line(&mut server).await.as_str()), (&payloads[seen], ""));
                    seen += 1;
                }
                answers
            };
            let both = async { tokio::join!(publish, read) };
            let (published, answers) = beside(&wire, both).await;
            published.unwrap();
            answers
        });
        // One answer may stand for several questions.
        prop_assert!(answers <= asked && (answers > 0 || asked == 0), "{answers} of {asked}");
    }
}

proptest! {
    #[test]
    fn prop_a_frame_is_one_message(
        subject in prop::collection::vec(any::<u8>(), 0..12),
        payload in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let mut out = Vec::new();
        publish(&mut out, &subject, &payload);
        let head = [b"PUB ", &subject[..], b" ", payload.len().to_string().as_bytes()].concat();
        prop_assert_eq!(&out, &[&head[..], CRLF, &payload, CRLF].concat());
        if is_subject(&subject) {
            let first = out.windows(2).position(|two| two == CRLF);
            prop_assert_eq!(first, Some(head.len()));
            let words = head.split(u8::is_ascii_whitespace).count();
            prop_assert_eq!(words, 3);
        }
    }
}

#[test]
fn a_subject_cannot_hold_protocol() {
    for good in ["a", "market.tick.SHFE.rb2601", "SPD%20RM601&RM605", "µ"] {
        assert!(is_subject(good.as_bytes()), "{good}");
    }
    let bad = [
        "", "a b", "a\tb", "a\rb", "a\nb", "a\u{b}b", "a\u{c}b", "a\u{0}", "\u{7f}",
    ];
    for bad in bad {
        assert!(!is_subject(bad.as_bytes()), "{bad:?}");
    }
    assert!(!is_subject(b"\xff"));
}
