//! What a capture says when something is lost, in the way, or wrong.

use std::fs::File;
use std::io::{BufRead, BufReader, PipeReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::json;
use tickdeck::nats::count_subscribers;

use super::capture::{capture, capture_command, capture_out, replay, text};
use crate::support::cli::{Running, finish, run_words, signal, tickdeck, wait_for, with_nats};
use crate::support::nats_client::{RawPublisher, RawSubscriber};
use crate::support::nats_server::NatsServer;
use crate::support::proxy::Proxy;
use crate::support::recordings::{Folder, quick};
use crate::support::wait_until;

#[test]
fn a_capture_that_comes_late_names_what_it_missed() {
    let Some(server) = NatsServer::start("a late capture") else {
        return;
    };
    let folder = Folder::new();
    let mut subscriber = RawSubscriber::connect(server.port(), "market.tick.>");
    let mut command = tickdeck(["replay".as_ref(), quick().as_os_str()]);
    with_nats(command.args("--rate 1 -q --json".split(' ')), &server.url());
    let replaying = Running::start(command);
    for _ in 0..20 {
        subscriber.next().unwrap();
    }
    let capturing = capture_out(&server, &folder, "");
    let mut later = RawSubscriber::connect(server.port(), "market.tick.>");
    for _ in 0..20 {
        later.next().unwrap();
    }
    replaying.signal("INT");
    let published = replaying.wait().done().json()["published"].clone();
    let captured = capturing.wait();
    assert_eq!(captured.code, Some(3), "{captured:?}");
    let summary = captured.json();
    assert_eq!(summary["verified"], false);
    assert_eq!(summary["expected"], published);
    let missing = summary["missing"].as_object().unwrap();
    let missing: u64 = missing.values().map(|count| count.as_u64().unwrap()).sum();
    assert!(missing >= 20, "{summary}");
    let came = summary["messages"].as_u64().unwrap();
    assert!(came >= 20, "{summary}");
    assert_eq!(came + missing, published);
    let lines = text(&folder.join("out")).lines().count() as u64;
    assert_eq!(lines, came, "what came is kept");
}

#[test]
fn a_foreign_message_is_a_difference() {
    let Some(server) = NatsServer::start("a second publisher") else {
        return;
    };
    let folder = Folder::new();
    let running = capture_out(&server, &folder, "");
    RawPublisher::connect(server.port()).publish("market.tick.SHFE.rb2510", b"{}");
    replay(&server, "--rate max");
    let captured = running.wait();
    assert_eq!(captured.code, Some(1), "{captured:?}");
    let summary = captured.json();
    assert_eq!(summary["verified"], false);
    assert_eq!(summary["missing"], json!({}));
    assert_eq!(summary["extra"], json!({"market.tick.SHFE.rb2510": 1}));
}

#[test]
fn a_changed_payload_is_a_difference() {
    let Some(server) = NatsServer::start("a changed message") else {
        return;
    };
    let folder = Folder::new();
    // As if by a relay that changes one message of three and passes the marker on.
    let mut marker = RawSubscriber::connect(server.port(), "tickdeck.end.market.tick");
    replay(&server, "--rate max -n 3");
    let (subject, end) = marker.next().unwrap();
    let running = capture(&server.url(), &folder, "");
    let mut relay = RawPublisher::connect(server.port());
    let lines = crate::support::recordings::stream(&quick(), "-n 3");
    for (position, line) in lines.lines().enumerate() {
        let (subject, payload) = crate::support::recordings::split(line);
        let payload = if position == 1 { "{}" } else { payload };
        relay.publish(subject, payload.as_bytes());
    }
    relay.publish(&subject, &end);
    let captured = running.wait();
    assert_eq!(captured.code, Some(1), "{captured:?}");
    assert!(
        captured
            .stderr
            .contains("all 3 messages arrived, in another order or with other bytes"),
        "{captured:?}"
    );
}

#[test]
fn an_end_marker_that_is_delivered_twice_counts_once() {
    let Some(server) = NatsServer::start("a repeated end marker") else {
        return;
    };
    let folder = Folder::new();
    let proxy = Proxy::to(server.port());
    proxy.reset_behind("tickdeck.end.market.tick");
    let mut ends = RawSubscriber::connect(server.port(), "tickdeck.end.market.tick");
    let running = capture_out(&server, &folder, "--until signal");
    let mut command = tickdeck(["replay".as_ref(), quick().as_os_str()]);
    with_nats(command.args("--rate max --json".split(' ')), &proxy.url());
    let played = finish(command).done();
    assert!(!proxy.will_reset(), "the connection was reset");
    assert!(played.stderr.contains("nats_resend"), "{played:?}");
    let [first, copy] = [(); 2].map(|()| ends.next().unwrap());
    assert_eq!(first, copy);
    // The answer is sent after the copy.
    RawPublisher::connect(server.port()).request("tickdeck.ready.market.tick");
    running.signal("INT");
    let captured = running.wait().done();
    let summary = captured.json();
    assert_eq!(summary["session"], "synthetic-quick-1-20250912");
    assert_eq!(summary["verified"], true, "{summary}");
    assert_eq!(summary["expected"], 918);
    assert_eq!(
        (&summary["messages"], &summary["after_end"]),
        (&json!(918), &json!(0))
    );
    assert!(
        captured.stderr.contains("replay_end_repeated"),
        "{captured:?}"
    );
}

#[test]
fn a_payload_that_is_no_line_is_counted_and_left_out() {
    let Some(server) = NatsServer::start("line breaks") else {
        return;
    };
    let folder = Folder::new();
    let running = capture_out(&server, &folder, "a.> -n 3");
    let mut publisher = RawPublisher::connect(server.port());
    for payload in [
        &b"{\"x\":1}"[..],
        b"{\n}",
        b"{}\r",
        b"\xff\xfe",
        b"",
        b"two words",
    ] {
        publisher.publish("a.b", payload);
    }
    let captured = running.wait();
    assert_eq!(captured.code, Some(3), "{captured:?}");
    assert_eq!(captured.json()["unwritable"], 3);
    assert!(
        captured.stderr.contains("capture_unwritable"),
        "{captured:?}"
    );
    assert_eq!(
        text(&folder.join("out")),
        "a.b {\"x\":1}\na.b \na.b two words\n"
    );
    assert_eq!(text(&folder.join("out.times")).lines().count(), 3);
}

#[test]
fn an_unreadable_subject_is_left_out() {
    let Some(server) = NatsServer::start("odd subjects") else {
        return;
    };
    let folder = Folder::new();
    let running = capture_out(&server, &folder, "*.b -n 2");
    let mut publisher = RawPublisher::connect(server.port());
    for subject in [
        "a{.b",
        "{a.b",
        "\"a.b",
        "[a.b",
        "a\u{1}.b",
        "a\u{7f}.b",
        "a.b",
    ] {
        publisher.publish(subject, b"{}");
    }
    let captured = running.wait();
    assert_eq!(captured.code, Some(3), "{captured:?}");
    assert_eq!(captured.json()["unwritable"], 5);
    let out = folder.join("out");
    assert_eq!(text(&out), "a{.b {}\na.b {}\n");
    run_words(&format!("diff {0} {0}", out.display())).done();
}

#[test]
fn a_foreign_end_message_is_part_of_the_stream() {
    let Some(server) = NatsServer::start("a foreign end") else {
        return;
    };
    let folder = Folder::new();
    let running = capture_out(&server, &folder, "tickdeck.> -n 1");
    RawPublisher::connect(server.port()).publish("tickdeck.end.a", b"goodbye");
    running.wait().done();
    assert_eq!(text(&folder.join("out")), "tickdeck.end.a goodbye\n");
}

#[test]
fn a_lost_server_ends_a_capture() {
    let Some(mut server) = NatsServer::start("a killed server") else {
        return;
    };
    let folder = Folder::new();
    let running = capture_out(&server, &folder, "a.> --connect-timeout 20s");
    let mut publisher = RawPublisher::connect(server.port());
    for _ in 0..5 {
        publisher.publish("a.b", b"{}");
    }
    publisher.request("tickdeck.ready.a");
    server.kill();
    let captured = running.wait();
    assert_eq!(captured.code, Some(4), "{captured:?}");
    assert!(
        captured.stderr.contains("not reachable for 20 s"),
        "{captured:?}"
    );
    assert_eq!(captured.json()["ended"], "lost");
    assert_eq!(captured.json()["gaps"], 1);
    assert_eq!(text(&folder.join("out")), "a.b {}\n".repeat(5));
}

#[test]
fn a_connection_that_is_lost_for_a_moment_is_a_gap() {
    let Some(server) = NatsServer::start("a gap") else {
        return;
    };
    let folder = Folder::new();
    let proxy = Proxy::to(server.port());
    let out = folder.join("out");
    let words = format!("a.> -n 2 --json --connect-timeout 30s -o {}", out.display());
    let running = capture(&proxy.url(), &folder, &words);
    let mut publisher = RawPublisher::connect(server.port());
    publisher.publish("a.b", b"before");
    publisher.request("tickdeck.ready.a");
    proxy.close();
    wait_until("the loss is noticed", || {
        running.stderr().contains("capture_gap")
    });
    publisher.publish("a.b", b"missed");
    proxy.reopen();
    wait_until("it continues", || {
        running.stderr().contains("capture_resumed")
    });
    publisher.publish("a.b", b"after");
    let captured = running.wait();
    assert_eq!(captured.code, Some(3), "{captured:?}");
    assert_eq!(captured.json()["gaps"], 1);
    assert_eq!(text(&out), "a.b before\na.b after\n");
}

#[test]
fn a_capture_that_is_too_slow_reports_gaps() {
    const MESSAGES: usize = 600_000;
    // The server drops a client that reads so little.
    let config = "max_payload: 16384\nmax_pending: 65536\nwrite_deadline: \"1s\"";
    let Some(server) = NatsServer::with_config("a slow capture", config) else {
        return;
    };
    let folder = Folder::new();
    let log = folder.join("log");
    let has_logged = |word: &str| text(&log).contains(word);
    let mut command = capture_command(&server.url(), "a.>");
    command.stderr(File::create(&log).unwrap());
    let (mut stdout, writer) = std::io::pipe().unwrap();
    command.stdout(writer);
    let mut child = command.spawn().unwrap();
    // Only the capture has the writing end now.
    drop(command);
    wait_until("the capture is ready", || has_logged("capture_ready"));
    // The stream is not read meanwhile.
    let mut publisher = RawPublisher::connect(server.port());
    for _ in 0..MESSAGES / 1000 {
        for _ in 0..1000 {
            publisher.add("a.b", &[b'x'; 100]);
        }
        publisher.flush();
    }
    let reader = std::thread::spawn(move || {
        let mut stream = Vec::new();
        stdout.read_to_end(&mut stream).unwrap();
        stream
    });
    wait_until("it continues", || has_logged("capture_resumed"));
    signal(child.id(), "INT");
    assert_eq!(wait_for(&mut child).code(), Some(3));
    let stream = reader.join().unwrap();
    let line = format!("a.b {}\n", "x".repeat(100));
    assert!(
        stream
            .chunks(line.len())
            .all(|found| found == line.as_bytes())
    );
    assert!(stream.len() < MESSAGES * line.len(), "nothing was lost");
    assert!(has_logged("gaps       "), "{}", text(&log));
}

/// A capture whose stdout and log are not read yet. It blocks where it logs that it is ready.
struct Stalled {
    child: Child,
    stdout: PipeReader,
    log: UnixStream,
}

impl Stalled {
    fn start(server: &NatsServer, words: &str) -> Self {
        let (log, mut full) = UnixStream::pair().unwrap();
        full.set_nonblocking(true).unwrap();
        for size in [4096, 1] {
            let filling = vec![b'\n'; size];
            while full.write(&filling).is_ok() {}
        }
        full.set_nonblocking(false).unwrap();
        let mut command = capture_command(&server.url(), words);
        let (stdout, writer) = std::io::pipe().unwrap();
        command
            .args(["--log-level", "tickdeck_cli::capture=info"])
            .stdout(writer)
            .stderr(OwnedFd::from(full));
        let child = command.spawn().unwrap();
        Self { child, stdout, log }
    }

    /// Reads both to the end: code, stream and log.
    fn wait(mut self) -> (Option<i32>, Vec<u8>, String) {
        let logged = std::thread::spawn(move || {
            let mut text = String::new();
            self.log.read_to_string(&mut text).unwrap();
            text
        });
        let mut stream = Vec::new();
        self.stdout.read_to_end(&mut stream).unwrap();
        let code = wait_for(&mut self.child).code();
        (code, stream, logged.join().unwrap())
    }
}

#[test]
fn what_had_come_when_the_time_is_up_is_written() {
    const MESSAGES: usize = 3_000;
    let Some(server) = NatsServer::start("a stalled reader") else {
        return;
    };
    // Together more than pipe and buffers hold, so that most of it waits in memory.
    let payload = [b'x'; 1_000];
    let stream = format!("a.b {}\n", "x".repeat(1_000)).repeat(MESSAGES);
    for (words, ended) in [
        ("--duration 500ms", "after --duration"),
        ("--until signal", "by a signal"),
    ] {
        let stalled = Stalled::start(&server, &format!("a.> {words}"));
        wait_until("the server knows the capture", || {
            count_subscribers(&server.options(), "tickdeck.ready.a").unwrap() > 0
        });
        let mut publisher = RawPublisher::connect(server.port());
        for _ in 0..MESSAGES {
            publisher.add("a.b", &payload);
        }
        publisher.flush();
        // The answer comes when everything before it waits for the writer.
        publisher.request("tickdeck.ready.a");
        if words == "--until signal" {
            signal(stalled.child.id(), "INT");
        } else {
            std::thread::sleep(Duration::from_millis(600));
        }
        let (code, written, log) = stalled.wait();
        assert_eq!(code, Some(0), "{log}");
        assert!(written == stream.as_bytes(), "{words}");
        assert!(log.contains(ended), "{log}");
    }
}

#[test]
fn a_closed_stdout_of_a_capture_is_success() {
    let Some(server) = NatsServer::start("a closed stdout") else {
        return;
    };
    let mut command = capture_command(&server.url(), "a.>");
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    while !said.contains("capture_ready") {
        assert!(stderr.read_line(&mut said).unwrap() > 0, "{said}");
    }
    let mut publisher = RawPublisher::connect(server.port());
    publisher.publish("a.b", b"1");
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert_eq!(line, "a.b 1\n", "a line comes when its message does");
    drop(stdout);
    let mut status = None;
    wait_until("the capture ends", || {
        publisher.publish("a.b", b"2");
        status = child.try_wait().unwrap();
        status.is_some()
    });
    assert_eq!(status.unwrap().code(), Some(0), "{said}");
}

#[test]
fn without_a_server_nothing_is_left_behind() {
    let folder = Folder::new();
    let out = folder.join("out");
    let ended = run_words(&format!(
        "capture -o {} --nats-url nats://127.0.0.1:1 --connect-timeout 300ms",
        out.display()
    ));
    assert_eq!(ended.code, Some(4), "{ended:?}");
    assert!(
        ended
            .stderr
            .contains("error: nats server nats://127.0.0.1:1: not reachable for 0.3 s"),
        "{ended:?}"
    );
    assert!(folder.names().is_empty(), "{:?}", folder.names());
}

#[test]
fn a_missing_right_to_subscribe_is_reported() {
    let config = "authorization: { users: [
        { user: me, password: x, permissions: { subscribe: [\"_INBOX.>\", \"a.b\"] } }
    ], timeout: 60 }";
    let Some(server) = NatsServer::with_config("capture permissions", config) else {
        return;
    };
    let folder = Folder::new();
    let words = format!("-n 1 -o {}", folder.join("out").display());
    let run = |subjects: &str| {
        let mut command = capture_command(&server.url(), &format!("{subjects} {words}"));
        command.env("NATS_USER", "me").env("NATS_PASSWORD", "x");
        Running::start(command)
    };
    let refused = run("a.*").wait();
    assert_eq!(refused.code, Some(4), "{refused:?}");
    assert!(
        refused
            .stderr
            .contains("refused by the account's permissions"),
        "{refused:?}"
    );
    assert!(refused.stderr.contains("a.*"), "{refused:?}");
    assert!(folder.names().is_empty());
}

#[test]
fn a_refused_marker_does_not_fail_the_replay() {
    let config = "authorization: { users: [
        { user: me, password: x, permissions: { publish: { deny: \"tickdeck.end.market.tick\" } } }
    ], timeout: 60 }";
    let Some(server) = NatsServer::with_config("a refused marker", config) else {
        return;
    };
    let mut command = tickdeck(["replay".as_ref(), quick().as_os_str()]);
    with_nats(command.args("--rate max --json".split(' ')), &server.url());
    command.env("NATS_USER", "me").env("NATS_PASSWORD", "x");
    let played = finish(command).done();
    assert_eq!(played.json()["published"], 918);
    assert_eq!(played.json()["failed"], 0);
    assert!(
        played.stderr.contains("publish tickdeck.end.market.tick"),
        "{played:?}"
    );
}

#[test]
fn bad_usage_of_a_capture_is_refused_early() {
    let folder = Folder::new();
    let out = folder.join("out");
    std::fs::write(&out, "mine").unwrap();
    std::fs::write(folder.join("other.times"), "mine").unwrap();
    let path = |name: &str| folder.join(name).display().to_string();
    for (words, part) in [
        ("a..b -o x".to_owned(), "a token is empty"),
        ("a.>.b -o x".to_owned(), "> is not at the end"),
        ("a.b* -o x".to_owned(), "is not a whole token"),
        ("--subject-prefix a.* -o x".to_owned(), "wildcards"),
        ("-n 0 -o x".to_owned(), "0 is not in"),
        ("--duration 0s -o x".to_owned(), "above zero"),
        ("--json".to_owned(), "both write to stdout"),
        ("--force".to_owned(), "--output is stdout"),
        ("--until signal --linger 1s".to_owned(), "--linger"),
        ("--times a --no-times".to_owned(), "cannot be used with"),
        (format!("-o {}", out.display()), "already exists"),
        (
            format!("-o {}", path("other")),
            "other.times already exists",
        ),
        (format!("-o {0} --times {0}", path("same")), "the same file"),
        (
            format!("-o {}", quick().join("out").display()),
            "is inside a recording",
        ),
    ] {
        let ended = run_words(&format!("capture {words} --nats-url nats://127.0.0.1:1"));
        assert_eq!(ended.code, Some(2), "{words}: {ended:?}");
        assert!(ended.stderr.contains(part), "{words}: {ended:?}");
    }
    assert_eq!(text(&out), "mine");
    assert_eq!(folder.names(), ["other.times", "out"]);
}

#[test]
fn a_ready_file_replaces_only_a_ready_file() {
    use std::os::unix::fs::FileTypeExt as _;
    let folder = Folder::new();
    let path = |name: &str| folder.join(name).display().to_string();
    let notes = folder.join("notes");
    let fifo = folder.join("fifo");
    let stale = folder.join("stale");
    std::fs::write(&notes, "read me").unwrap();
    std::fs::write(&stale, "ready\n").unwrap();
    std::fs::create_dir(folder.join("below")).unwrap();
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    std::os::unix::fs::symlink(&stale, folder.join("link")).unwrap();
    let out = path("out");
    for (words, part) in [
        (
            format!("-o {out} --ready-file {}", path("notes")),
            "not of an earlier capture",
        ),
        (
            format!("-o {out} --ready-file {}", path("fifo")),
            "not a regular file",
        ),
        (
            format!("-o {out} --ready-file {}", path("below")),
            "not a regular file",
        ),
        (
            format!("-o {out} --ready-file {}", path("link")),
            "not a regular file",
        ),
        (
            format!("-o {out} --ready-file {out}"),
            "also the file for the output",
        ),
        (
            format!("-o {out} --ready-file {}", path("below/../out")),
            "also the file for the output",
        ),
        (
            format!("-o {out} --ready-file {out}.times"),
            "also the file for the arrival times",
        ),
        (
            format!(
                "--times {} --ready-file {}",
                path("times"),
                path("below/../times")
            ),
            "also the file for the arrival times",
        ),
        (
            format!("-o {out} --times {}", path("below/../out")),
            "name the same file",
        ),
        (
            format!("-o {out} --times {}", path("fifo")),
            "is not a regular file",
        ),
        (
            format!("-o {out} --force --times {}", path("fifo")),
            "is not a regular file",
        ),
        // An output that is refused leaves the file of an earlier run alone.
        (
            format!("-o {} --ready-file {}", path("notes"), path("stale")),
            "notes already exists",
        ),
    ] {
        let ended = run_words(&format!("capture {words} --nats-url nats://127.0.0.1:1"));
        assert_eq!(ended.code, Some(2), "{words}: {ended:?}");
        assert!(ended.stderr.contains(part), "{words}: {ended:?}");
        assert_eq!(text(&notes), "read me", "{words}");
        assert_eq!(text(&stale), "ready\n", "{words}");
    }
    assert!(fifo.symlink_metadata().unwrap().file_type().is_fifo());
    assert_eq!(folder.names(), ["below", "fifo", "link", "notes", "stale"]);
}

#[test]
fn a_stale_ready_file_is_removed_without_a_server() {
    let folder = Folder::new();
    for (stale, out) in [("ready\n", "out"), ("", "/dev/null")] {
        let ready = folder.join("ready");
        std::fs::write(&ready, stale).unwrap();
        let ended = run_words(&format!(
            "capture -o {} --ready-file {} --nats-url nats://127.0.0.1:1 --connect-timeout 300ms",
            folder.join(out).display(),
            ready.display()
        ));
        assert_eq!(ended.code, Some(4), "{ended:?}");
        assert!(folder.names().is_empty(), "{:?}", folder.names());
    }
}

#[test]
fn force_replaces_both_files() {
    let Some(server) = NatsServer::start("replace a capture") else {
        return;
    };
    let folder = Folder::new();
    for name in ["out", "out.times"] {
        std::fs::write(folder.join(name), "older").unwrap();
    }
    let running = capture_out(&server, &folder, "--force");
    replay(&server, "--rate max -n 4");
    let summary = running.wait().done().json();
    assert_eq!(summary["verified"], true);
    assert_eq!(text(&folder.join("out")).lines().count(), 4);
    assert_eq!(text(&folder.join("out.times")).lines().count(), 4);
}

#[test]
fn stale_times_are_removed_with_force() {
    let Some(server) = NatsServer::start("replace a capture without times") else {
        return;
    };
    let folder = Folder::new();
    std::fs::write(folder.join("out.times"), "older").unwrap();
    let out = folder.join("out");
    let words = format!(
        "--no-times --duration 200ms --allow-empty -o {}",
        out.display()
    );
    let refused = finish(capture_command(&server.url(), &words));
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(
        refused.stderr.contains("out.times already exists"),
        "{refused:?}"
    );
    let words = format!("{words} --force");
    finish(capture_command(&server.url(), &words)).done();
    assert_eq!(folder.names(), ["out"]);
}

#[test]
fn a_capture_without_an_end_marker_warns() {
    let Some(server) = NatsServer::start("a capture without an end") else {
        return;
    };
    for (subjects, is_told) in [
        ("market.tick.SHFE.*", true),
        ("market.*.SHFE.> market.tick.DCE.i2601", true),
        ("market.tick.SHFE.* --subject-prefix market.tick", false),
        ("market.>", false),
        ("bars.>", false),
    ] {
        let words = format!("{subjects} --duration 100ms --allow-empty -o -");
        let ended = finish(capture_command(&server.url(), &words)).done();
        let told = ended.stderr.contains("capture_without_end");
        assert_eq!(told, is_told, "{subjects}: {ended:?}");
    }
}
