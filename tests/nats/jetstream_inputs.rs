//! `check` and `diff` of a stream in place of a file: same results, same exit codes, no consumer left.

use serde_json::json;

use crate::support::cli::{Ended, finish, tickdeck, with_nats};
use crate::support::nats_server::NatsServer;
use crate::support::recordings::{Folder, quick, stream};
use crate::support::stream::{JETSTREAM, StreamClient};

const GOLDEN: &str = "recordings/quick.golden.json";

fn server(test: &str) -> Option<(NatsServer, StreamClient)> {
    let server = NatsServer::with_config(test, JETSTREAM)?;
    let client = StreamClient::connect(server.port());
    Some((server, client))
}

fn run(server: &NatsServer, words: &str) -> Ended {
    let mut command = tickdeck(words.split_whitespace());
    command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    with_nats(&mut command, &server.url());
    finish(command)
}

/// Publishes the committed recording to a stream.
fn published(server: &NatsServer, stream: &str, words: &str) {
    let words = format!(
        "replay recordings/quick --rate max --sink jetstream:{stream} --create-stream {words}"
    );
    run(server, &words).done();
}

#[track_caller]
fn ends(ended: &Ended, code: i32, said: &str) {
    assert_eq!(ended.code, Some(code), "{ended:?}");
    let output = format!("{}{}", ended.stdout, ended.stderr);
    assert!(output.contains(said), "no {said:?} in {output}");
}

#[test]
fn a_stream_is_checked_against_a_golden() {
    let Some((server, mut client)) = server("a checked stream") else {
        return;
    };
    published(&server, "TICKS", "");
    let words = format!("check jetstream:TICKS --golden {GOLDEN}");
    ends(&run(&server, &words), 0, "jetstream:TICKS");
    let json = run(&server, &format!("{words} --json")).done().json();
    assert_eq!(json["passed"], true, "{json}");
    assert_eq!(json["checks"][0]["messages"], 918);
    assert_eq!(client.state("TICKS")["consumer_count"], 0, "left behind");
    // One message more is a difference, and a message that was removed is damage.
    let published = client.messages("TICKS");
    let more = &published[7];
    client.publish(&more.subject, &more.payload);
    ends(&run(&server, &words), 1, "918");
    client.done("STREAM.MSG.DELETE.TICKS", &json!({ "seq": 100 }));
    ends(&run(&server, &words), 1, "lacks 1 of its messages");
    client.done("STREAM.PURGE.TICKS", &json!({}));
    ends(&run(&server, &words), 1, "918");
    assert_eq!(client.state("TICKS")["consumer_count"], 0, "left behind");
    client.done("STREAM.DELETE.TICKS", &json!({}));
    ends(&run(&server, &words), 2, "there is no stream `TICKS`");
}

#[test]
fn a_golden_is_made_of_a_stream() {
    let Some((server, _)) = server("a golden of a stream") else {
        return;
    };
    published(&server, "TICKS", "");
    let folder = Folder::new();
    let golden = folder.join("of-stream.golden.json");
    let golden = golden.display();
    let words = format!("check jetstream:TICKS --golden {golden}");
    ends(&run(&server, &words), 2, "--update");
    run(&server, &format!("{words} --update")).done();
    run(&server, &words).done();
    let unnamed = run(&server, "check jetstream:TICKS");
    ends(&unnamed, 2, "name the golden with --golden");
    let file = folder.join("quick.jsonl");
    std::fs::write(&file, stream(&quick(), "")).unwrap();
    let file = file.display();
    run(&server, &format!("check {file} --golden {golden}")).done();
}

#[test]
fn a_stream_is_compared_with_files_and_streams() {
    let Some((server, mut client)) = server("a compared stream") else {
        return;
    };
    published(&server, "TICKS", "");
    published(&server, "AGAIN", "--subject-prefix again.tick --count 900");
    let folder = Folder::new();
    let path = folder.join("quick.jsonl");
    std::fs::write(&path, stream(&quick(), "")).unwrap();
    let path = path.display();
    let equal = run(&server, &format!("diff jetstream:TICKS {path} --json")).done();
    assert_eq!(equal.json()["identical"], true);
    ends(
        &run(&server, &format!("diff {path} jetstream:TICKS")),
        0,
        "equal",
    );
    ends(
        &run(&server, "diff jetstream:TICKS jetstream:TICKS"),
        0,
        "equal",
    );
    ends(
        &run(&server, "diff jetstream:TICKS jetstream:AGAIN"),
        1,
        "a:",
    );
    for (words, code, said) in [
        ("diff jetstream:TICKS recordings/quick", 2, "is a recording"),
        ("diff jetstream:TICKS jetstream:NONE", 2, "no stream `NONE`"),
        (
            "diff jetstream:TICKS jetstream:a.b",
            2,
            "is not a stream name",
        ),
        ("diff jetstream:TICKS", 2, "name a second input"),
        (
            "diff jetstream:TICKS ./jetstream:TICKS",
            2,
            "does not exist",
        ),
    ] {
        ends(&run(&server, words), code, said);
    }
    for name in ["TICKS", "AGAIN"] {
        assert_eq!(client.state(name)["consumer_count"], 0, "left behind");
    }
}

#[test]
fn a_stream_of_no_server_is_not_compared() {
    let mut command = tickdeck([
        "diff",
        "jetstream:A",
        "jetstream:B",
        "--connect-timeout",
        "300ms",
    ]);
    command.env("NATS_URL", "nats://127.0.0.1:1");
    ends(&finish(command), 4, "is nats-server running there");
}
