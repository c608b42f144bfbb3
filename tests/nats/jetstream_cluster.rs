//! Three servers with one replicated stream: a replay continues through the loss of a leader, and several
//! publishers of parts of one recording share the cluster.

use std::path::Path;
use std::process::Command;

use crate::support::cli::{Running, tickdeck};
use crate::support::nats_cluster::Cluster;
use crate::support::recordings::{Folder, stream};
use crate::support::stream::Stored;
use crate::support::wait_for;

use super::PATIENCE;

/// Messages that must arrive while a server is missing.
const MEANWHILE: u64 = 100;

fn replay(cluster: &Cluster, recording: &Path, words: &str) -> Command {
    let mut command = tickdeck(["replay".as_ref(), recording.as_os_str()]);
    command.args(words.split_whitespace());
    command
        .args("--json --create-stream --stream-replicas 3 --connect-timeout 60s".split(' '))
        .env("NATS_URL", cluster.url());
    command
}

fn lines(messages: &[Stored]) -> String {
    let line = |message: &Stored| {
        let payload = String::from_utf8(message.payload.clone()).unwrap();
        format!("{} {payload}\n", message.subject)
    };
    messages.iter().map(line).collect()
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
    let folder = Folder::new();
    let market = folder.generate("market", "--profile day --seed 3 --duration 120s");
    let running = Running::start(replay(
        &cluster,
        &market,
        "--rate 2 --sink jetstream:TICKS",
    ));
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
