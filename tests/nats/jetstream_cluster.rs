//! Three servers with one replicated stream: a replay continues through the loss of a leader, and several
//! publishers of parts of one recording share the cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::cli::{Ended, Running, binary, command_of, finish, tickdeck};
use crate::support::nats_cluster::Cluster;
use crate::support::recordings::{quick, repository, stream};
use crate::support::stream::lines;
use crate::support::wait_for;

use super::PATIENCE;

/// Messages that must arrive while a server is missing.
const MEANWHILE: u64 = 50;

fn replay(cluster: &Cluster, recording: &Path, words: &str) -> Command {
    let mut command = tickdeck(["replay".as_ref(), recording.as_os_str()]);
    command.args(words.split_whitespace());
    command
        .args("--json --create-stream --stream-replicas 3 --connect-timeout 60s".split(' '))
        .env("NATS_URL", cluster.url());
    command
}

/// Waits until the other servers have more messages than at the loss of `missing`.
fn continues_without(cluster: &Cluster, missing: usize) {
    let before = cluster.count("TICKS", Some(missing));
    wait_for("the replay continues", PATIENCE, || {
        cluster.count("TICKS", Some(missing)) >= before.max(1) + MEANWHILE
    });
}

#[test]
fn a_stream_survives_the_loss_of_its_leader() {
    let Some(mut cluster) = Cluster::start("a cluster that loses leaders") else {
        return;
    };
    // 15 messages a second.
    let market = quick();
    let running = Running::start(replay(&cluster, &market, "--rate 1 --sink jetstream:TICKS"));
    wait_for("some messages are there", PATIENCE, || {
        cluster.count("TICKS", None) > MEANWHILE
    });
    // Killed.
    let killed = cluster.leader("TICKS");
    cluster.server(killed).kill();
    continues_without(&cluster, killed);
    cluster.server(killed).restart();
    cluster.wait_for_replicas("TICKS");
    // Cut off: its connections stay open, and nothing is answered.
    let frozen = cluster.leader("TICKS");
    cluster.server(frozen).freeze();
    continues_without(&cluster, frozen);
    cluster.server(frozen).thaw();
    let played = running.wait().done();
    let summary = played.json();
    assert_eq!(summary["verified"], true, "{played:?}");
    cluster.wait_for_replicas("TICKS");
    let expected = stream(&market, "");
    assert_eq!(
        summary["published"].as_u64(),
        Some(expected.lines().count() as u64)
    );
    for position in 0..3 {
        let messages = cluster.client(position).messages("TICKS");
        let sequences = messages.iter().map(|message| message.sequence);
        assert!(sequences.eq(1..=messages.len() as u64));
        assert!(lines(&messages) == expected, "server {position}");
    }
}

/// The script of the docs, with the binary under test.
fn partitions(cluster: &Cluster, recording: &Path, words: &str) -> Command {
    let mut command = command_of("sh");
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&folders);
    let folder = binary().parent();
    let path = std::env::join_paths(folder.map(Path::to_owned).into_iter().chain(folders));
    command
        .arg(repository("docs/container/partitions.sh"))
        .arg(recording)
        .args(words.split_whitespace())
        .args(["--connect-timeout", "60s"])
        .env("PATH", path.unwrap())
        .env("NATS_URL", cluster.url());
    command
}

/// The summaries of all parts, each verified; how many messages they have together.
#[track_caller]
fn verified(ended: &Ended) -> u64 {
    let mut parts = BTreeSet::new();
    let mut messages = 0;
    for line in ended.stdout.lines() {
        let summary: Value = serde_json::from_str(line).unwrap();
        assert_eq!(summary["verified"], true, "{ended:?}");
        messages += summary["published"].as_u64().unwrap();
        parts.insert(summary["partition"].as_str().unwrap().to_owned());
    }
    assert!(parts.iter().eq(["1/4", "2/4", "3/4", "4/4"]), "{ended:?}");
    messages
}

#[test]
fn four_parts_share_a_cluster_that_loses_a_server() {
    let Some(mut cluster) = Cluster::start("four partitions and a cluster") else {
        return;
    };
    let market = quick();
    let expected = stream(&market, "");
    let running = Running::start(partitions(&cluster, &market, "--rate 2"));
    wait_for("a stream has messages", PATIENCE, || {
        cluster.count("TICKS-1", None) > 10
    });
    let killed = cluster.leader("TICKS-1");
    cluster.server(killed).kill();
    let before = cluster.count("TICKS-1", Some(killed));
    wait_for("the part continues", PATIENCE, || {
        cluster.count("TICKS-1", Some(killed)) > before.max(1)
    });
    cluster.server(killed).restart();
    let played = running.wait().done();
    let count = expected.lines().count() as u64;
    assert_eq!(verified(&played), count);
    // Started again, it has nothing left to publish.
    let again = finish(partitions(&cluster, &market, "--rate max")).done();
    assert_eq!(verified(&again), count);
    // Each instrument has its messages, in order, in one of the streams.
    let mut published = BTreeMap::<String, String>::new();
    for part in 1..=4 {
        let name = format!("TICKS-{part}");
        cluster.wait_for_replicas(&name);
        let leader = cluster.leader(&name);
        for line in lines(&cluster.client(leader).messages(&name)).lines() {
            let line = line.strip_prefix(&format!("p{part}.")).unwrap();
            add(&mut published, line);
        }
    }
    let mut wanted = BTreeMap::new();
    expected.lines().for_each(|line| add(&mut wanted, line));
    assert!(published == wanted);
}

/// Appends a message to those of its subject.
fn add(instruments: &mut BTreeMap<String, String>, line: &str) {
    let (subject, payload) = line.split_once(' ').unwrap();
    let messages = instruments.entry(subject.to_owned()).or_default();
    messages.push_str(payload);
    messages.push('\n');
}

#[test]
fn the_script_of_partitions_says_how_it_is_used() {
    let mut command = command_of("sh");
    command.arg(repository("docs/container/partitions.sh"));
    let ended = finish(command);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("RECORDING [FLAG...]"), "{ended:?}");
}
