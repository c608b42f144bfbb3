//! `record` and `live` into a store.

use std::path::PathBuf;

use crate::support::cli::Running;
use crate::support::ctp::{logged, simulated_library, with_simulated_front};
use crate::support::proxy::Proxy;
use crate::support::wait_until;

use super::*;

/// The market of the committed recording, in four segments.
const MARKET: &str = "record --source synthetic:quick,seed=1 --max-rows 300";

/// Records the market to `name`, with the words at the end.
fn record(server: &S3Server, spools: &Path, name: &str, words: &str) -> Command {
    let spools = spools.display();
    let line = format!("{MARKET} -o {} --spool {spools} {words}", url(name));
    command(server, line.trim_end())
}

fn info(server: &S3Server, name: &str) -> Value {
    run_there(server, &format!("info {} --json", url(name)))
        .done()
        .json()
}

fn digest(server: &S3Server, name: &str) -> String {
    let words = format!("replay {} --rate max --sink digest --json", url(name));
    run_there(server, &words).done().digest()
}

fn commits(server: &S3Server, name: &str) -> usize {
    let folder = server.files().join(name);
    let names = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let names = names.filter(|it| it.file_name().to_string_lossy().starts_with("manifest-"));
    names.count()
}

/// The only spool in a folder.
fn spool(spools: &Path) -> PathBuf {
    match &*names(spools) {
        [only] => spools.join(only),
        found => panic!("{found:?}"),
    }
}

/// Starts a recorder that stays at work, and waits until events of it are in the store.
fn recording(server: &S3Server, spools: &Path, name: &str, words: &str) -> Running {
    let running = Running::start(record(server, spools, name, &format!("--rate 10 {words}")));
    wait_until("a segment is in the store", || commits(server, name) >= 2);
    running
}

/// Kills a recorder of `rec` that has events in the store.
fn kill_one(server: &S3Server, spools: &Path) {
    let running = recording(server, spools, "rec", "");
    running.signal("KILL");
    let _ = running.wait();
}

#[test]
fn a_recording_in_a_store_is_that_of_a_disk() {
    let Some(server) = S3Server::start("a recording into a store") else {
        return;
    };
    let folder = Folder::new();
    let spools = folder.join("spools");
    let made = finish(record(&server, &spools, "rec", "--json"))
        .done()
        .json();
    assert_eq!(made["recordings"], serde_json::json!([url("rec")]));
    assert_eq!(names(&spools), [] as [&str; 0]);
    assert_eq!(digest(&server, "rec"), replay_digest(&quick()));
    let shown = info(&server, "rec");
    assert_eq!(
        (&shown["status"], &shown["session"]),
        (&"complete".into(), &"rec".into())
    );
    let verify = format!("verify {} --json", url("rec"));
    assert_eq!(run_there(&server, &verify).done().json()["intact"], true);
    // The place is taken.
    let again = finish(record(&server, &spools, "rec", ""));
    assert_eq!(again.code, Some(2), "{}", again.stderr);
    assert!(
        again.stderr.contains("already has another recording"),
        "{}",
        again.stderr
    );
    assert_eq!(names(&spools), [] as [&str; 0]);
}

#[test]
fn a_catalogue_in_a_store_has_each_day() {
    let Some(server) = S3Server::start("a catalogue that is recorded into a store") else {
        return;
    };
    let folder = Folder::new();
    let spools = folder.join("spools");
    let words = format!(
        "{MARKET} --record-under {} --session a --spool {} --json",
        url("root"),
        spools.display()
    );
    let made = run_there(&server, &words).done().json();
    let recording = made["recordings"][0].as_str().unwrap();
    assert!(
        recording.starts_with(&url("root/trading_day=")),
        "{recording}"
    );
    let listed = run_there(&server, &format!("ls {} --json", url("root")));
    assert_eq!(listed.done().json()[0]["status"], "complete");
    let replay = format!("replay {recording} --rate max --sink digest --json");
    assert_eq!(
        run_there(&server, &replay).done().digest(),
        replay_digest(&quick())
    );
    assert_eq!(names(&spools), [] as [&str; 0]);
}

#[test]
fn a_killed_recorder_is_finished_by_recover_and_push() {
    let Some(server) = S3Server::start("a killed recorder of a store") else {
        return;
    };
    let folder = Folder::new();
    let spools = folder.join("spools");
    kill_one(&server, &spools);
    let shown = info(&server, "rec");
    assert_eq!(
        (&shown["status"], &shown["being_written"]),
        (&"recording".into(), &true.into())
    );
    let there = shown["events"].as_u64().unwrap();
    assert!(there >= 300, "{shown}");
    let spool = spool(&spools);
    run(["recover", spool.to_str().unwrap()]).done();
    let pushed = push(&server, &spool, "rec");
    assert!(pushed["commit"].as_u64().unwrap() > 2, "{pushed}");
    assert_eq!(digest(&server, "rec"), replay_digest(&spool));
    assert!(info(&server, "rec")["events"].as_u64().unwrap() >= there);
    // The next recorder finds that it is stored, and removes the spool.
    let next = finish(record(&server, &spools, "rec", ""));
    assert_eq!(next.code, Some(2), "{}", next.stderr);
    assert!(next.stderr.contains("already has another recording"));
    assert_eq!(names(&spools), [] as [&str; 0]);
}

#[test]
fn the_next_recorder_stores_what_a_killed_one_left() {
    let Some(server) = S3Server::start("what a killed recorder left") else {
        return;
    };
    let folder = Folder::new();
    let spools = folder.join("spools");
    kill_one(&server, &spools);
    let next = finish(record(&server, &spools, "rec", ""));
    assert_eq!(next.code, Some(2), "{}", next.stderr);
    assert!(
        next.stderr.contains("already has another recording"),
        "{}",
        next.stderr
    );
    assert_eq!(info(&server, "rec")["status"], "recovered");
    assert_eq!(names(&spools), [] as [&str; 0]);
    // What takes its place is seen when it is finished.
    finish(record(&server, &spools, "rec", "--force")).done();
    assert_eq!(digest(&server, "rec"), replay_digest(&quick()));
}

#[test]
fn of_two_writers_the_later_one_wins() {
    let Some(server) = S3Server::start("two writers of a store") else {
        return;
    };
    let folder = Folder::new();
    let (first, second) = (folder.join("first"), folder.join("second"));
    let early = recording(&server, &first, "rec", "");
    let refused = finish(record(&server, &second, "rec", ""));
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    finish(record(&server, &second, "rec", "--force")).done();
    let ended = early.wait();
    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("not in its store"),
        "{}",
        ended.stderr
    );
    assert!(
        ended.stderr.contains("committed by another writer"),
        "{}",
        ended.stderr
    );
    assert_eq!(digest(&server, "rec"), replay_digest(&quick()));
    // What the first one recorded is whole.
    let kept = info_of(&spool(&first));
    assert_ne!(kept["status"], "recording");
}

fn info_of(recording: &Path) -> Value {
    let path = recording.to_str().unwrap();
    run(["info", path, "--json"]).done().json()
}

/// A recorder of `rec` whose store is gone since it has claimed the place, and the proxy between them.
fn cut_off(server: &S3Server, spools: &Path) -> (Proxy, Running) {
    let proxy = Proxy::to(server.port());
    let mut command = record(server, spools, "rec", "--rate 10 --log-format json");
    command.env("AWS_ENDPOINT", format!("http://127.0.0.1:{}", proxy.port()));
    let running = Running::start(command);
    wait_until("the place is claimed", || commits(server, "rec") >= 1);
    proxy.close();
    (proxy, running)
}

#[test]
fn an_outage_delays_nothing_and_is_made_up_for() {
    let Some(server) = S3Server::start("an outage of a store") else {
        return;
    };
    let folder = Folder::new();
    let spools = folder.join("spools");
    let (proxy, running) = cut_off(&server, &spools);
    wait_until("a segment waits in the spool", || {
        let found = std::fs::read_dir(spool(&spools))
            .into_iter()
            .flatten()
            .flatten();
        found
            .filter(|it| it.file_name().to_string_lossy().starts_with("part-"))
            .count()
            >= 2
    });
    assert_eq!(commits(&server, "rec"), 1);
    proxy.reopen();
    running.wait().done();
    assert_eq!(digest(&server, "rec"), replay_digest(&quick()));
    assert_eq!(names(&spools), [] as [&str; 0]);
}

#[test]
fn a_store_that_is_unreachable_at_the_end_leaves_the_spool() {
    let Some(server) = S3Server::start("a store that is unreachable at the end") else {
        return;
    };
    let folder = Folder::new();
    let spools = folder.join("spools");
    let (_proxy, running) = cut_off(&server, &spools);
    let ended = running.wait();
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    let spool = spool(&spools);
    let advice = format!("tickdeck push {} {}", spool.display(), url("rec"));
    assert!(ended.stderr.contains(&advice), "{}", ended.stderr);
    assert!(!logged(&ended.stderr, "recording_not_stored").is_empty());
    push(&server, &spool, "rec");
    assert_eq!(digest(&server, "rec"), replay_digest(&quick()));
}

#[test]
fn a_wrong_bucket_is_refused_at_the_start() {
    let Some(server) = S3Server::start("a recording into a wrong bucket") else {
        return;
    };
    let folder = Folder::new();
    let spools = folder.join("spools");
    let line = format!(
        "{MARKET} -o s3://no-such-bucket/rec --spool {}",
        spools.display()
    );
    let ended = run_there(&server, &line);
    assert!(matches!(ended.code, Some(2 | 4)), "{ended:?}");
    assert!(
        ended.stderr.contains("s3://no-such-bucket"),
        "{}",
        ended.stderr
    );
    assert!(!spools.exists());
}

#[test]
fn a_file_url_is_recorded_like_a_store() {
    let folder = Folder::new();
    let (spools, place) = (folder.join("spools"), folder.join("store/rec"));
    let line = format!(
        "{MARKET} -o file://{} --spool {}",
        place.display(),
        spools.display()
    );
    run(line.split(' ')).done();
    assert_eq!(replay_digest(&place), replay_digest(&quick()));
    assert!(place.join("manifest-0001.json").exists());
    assert_eq!(names(&spools), [] as [&str; 0]);
}

#[test]
fn a_live_session_is_recorded_into_a_store() {
    let test = "a live session into a store";
    let (Some(server), Some(library)) = (S3Server::start(test), simulated_library(test)) else {
        return;
    };
    let folder = Folder::new();
    let spools = folder.join("spools");
    let words = format!(
        "record --source ctp --duration 3s -o {} --spool {}",
        url("live"),
        spools.display()
    );
    let mut command = with_simulated_front(&words, folder.path(), &library, &quick(), "10");
    command.env("CTP_SYMBOL", "rb2510.SHFE");
    for (name, value) in server.environment() {
        command.env(name, value);
    }
    finish(command).done();
    assert_eq!(info(&server, "live")["status"], "complete");
    assert_eq!(names(&spools), [] as [&str; 0]);
}
