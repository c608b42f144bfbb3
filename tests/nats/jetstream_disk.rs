//! A server without room for the stream: the run ends with the reason, and continues when there is room.

use std::path::Path;

use serde_json::json;

use crate::support::cli::{Ended, finish, tickdeck, with_nats};
use crate::support::disk::Disk;
use crate::support::nats_server::NatsServer;
use crate::support::recordings::{Folder, quick, stream};
use crate::support::stream::{JETSTREAM, StreamClient, lines};

fn replay(server: &NatsServer, recording: &Path, words: &str) -> Ended {
    let mut command = tickdeck(["replay".as_ref(), recording.as_os_str()]);
    command.args("--rate max --json --sink jetstream:TICKS --create-stream".split(' '));
    command.args(words.split_whitespace());
    with_nats(&mut command, &server.url());
    finish(command)
}

#[track_caller]
fn ends_without_room(ended: &Ended, said: &str) {
    assert_eq!(ended.code, Some(4), "{ended:?}");
    let is_told = |line: &str| line.starts_with("error: ") && line.contains(said);
    assert!(ended.stderr.lines().any(is_told), "{ended:?}");
}

/// The stream is the recording after a second replay, which continues the first.
#[track_caller]
fn is_completed(server: &NatsServer, recording: &Path) {
    let resumed = replay(server, recording, "--resume").done();
    assert_eq!(resumed.json()["verified"], true, "{resumed:?}");
    let messages = StreamClient::connect(server.port()).messages("TICKS");
    assert!(lines(&messages) == stream(recording, ""));
}

#[test]
fn a_full_disk_of_the_server_ends_a_run_that_continues_later() {
    let test = "a server whose disk is full";
    let Some(disk) = Disk::in_memory(test, "3m") else {
        return;
    };
    let store = disk.join("js").display().to_string();
    let config = format!("jetstream {{ store_dir: \"{store}\", max_file_store: 1GB }}");
    let Some(mut server) = NatsServer::with_config(test, &config) else {
        return;
    };
    let folder = Folder::new();
    let market = folder.generate("market", "--profile full-market --seed 3 --duration 125s");
    let failed = replay(&server, &market, "");
    ends_without_room(&failed, "stream `TICKS`");
    disk.remount("size=64m");
    server.restart();
    is_completed(&server, &market);
}

#[test]
fn a_limit_of_the_server_ends_a_run_that_continues_later() {
    let limit =
        |size: &str| format!("jetstream {{ store_dir: \"FOLDER/js\", max_file_store: {size} }}");
    let Some(mut server) = NatsServer::with_config("a server with a limit", &limit("200KB")) else {
        return;
    };
    let failed = replay(&server, &quick(), "");
    ends_without_room(&failed, "resources");
    server.restart_with(&limit("100MB"));
    is_completed(&server, &quick());
}

#[test]
fn a_full_stream_ends_a_run_that_continues_later() {
    let Some(server) = NatsServer::with_config("a stream with a limit", JETSTREAM) else {
        return;
    };
    let mut client = StreamClient::connect(server.port());
    client.create("TICKS", json!({ "max_msgs": 500 }));
    let failed = replay(&server, &quick(), "");
    ends_without_room(&failed, "maximum messages exceeded");
    assert_eq!(client.count("TICKS"), 500);
    let config = client.done("STREAM.INFO.TICKS", &json!({}))["config"].take();
    let mut config = config.as_object().unwrap().clone();
    config.insert("max_msgs".to_owned(), json!(-1));
    client.done("STREAM.UPDATE.TICKS", &config.into());
    is_completed(&server, &quick());
}
