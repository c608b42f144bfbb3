//! An end-to-end run without CTP: a generated market, the simulated front, a live session that
//! records and publishes, a capture of what the server delivers, and a check.

use crate::support::cli::{Running, finish, tickdeck, with_nats};
use crate::support::ctp::{logged, simulated_library, with_simulated_front};
use crate::support::nats_server::NatsServer;
use crate::support::recordings::{Folder, events, replay_digest};
use crate::support::wait_until;

#[test]
fn end_to_end_run_passes_its_check() {
    let Some(library) = simulated_library("the whole story") else {
        return;
    };
    let Some(server) = NatsServer::start("the whole story") else {
        return;
    };
    let folder = Folder::new();
    let generated = folder.generate("generated", "--profile quick --seed 23");
    let ticks = |name: &str| -> Vec<_> {
        let events = events(&folder.join(name));
        events.iter().filter_map(|e| e.as_tick().copied()).collect()
    };
    let market = ticks("generated");
    let count = market.len();

    // The capture subscribes before anything is published.
    let words = format!("capture -o captured.jsonl.zst --json --ready-file ready -n {count}");
    let mut command = tickdeck(words.split(' '));
    with_nats(command.current_dir(folder.path()), &server.url());
    let capture = Running::start(command);
    wait_until("the capture listens", || folder.join("ready").exists());

    // The market goes through the front, and the session records and publishes it.
    let words = "live --symbols all --record live --json --log-format json --progress-every 50ms";
    let mut command = with_simulated_front(words, folder.path(), &library, &generated, "max");
    with_nats(&mut command, &server.url())
        .env("CTP_TD_ADDRESS", "tcp://127.0.0.1:1")
        .env_remove("CTP_SYMBOL");
    let live = Running::start(command);
    let captured = capture.wait().done().json();
    wait_until("the session knows it, too", || {
        logged(&live.stderr(), "publish_progress")
            .last()
            .is_some_and(|line| line["published"] == count)
    });
    live.signal("TERM");
    let published = live.wait().done().json();

    // One digest on all sides, and the same ticks.
    assert_eq!(captured["messages"], count);
    assert_eq!(captured["digest"], published["digest"]);
    assert_eq!(
        published["digest"].as_str().unwrap(),
        replay_digest(&folder.join("live"))
    );
    assert!(
        ticks("live") == market,
        "every field of every tick, in order"
    );

    // The captured stream matches the recording's golden.
    let (rec, golden) = (folder.join("live"), folder.join("golden.json"));
    let check = |what: &std::path::Path, more: &[&str]| {
        let mut command = tickdeck(["check"]);
        command.arg(what).arg("--golden").arg(&golden).args(more);
        finish(command)
    };
    check(&rec, &["--update"]).done();
    check(&rec, &[]).done();
    check(&folder.join("captured.jsonl.zst"), &[]).done();
    // Another market does not.
    let other = folder.generate("other", "--profile quick --seed 24");
    assert_eq!(check(&other, &[]).code, Some(1));
}
