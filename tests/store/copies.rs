//! `push` and `pull`.

use super::*;

#[test]
fn a_pushed_recording_comes_back_byte_for_byte() {
    let Some(server) = S3Server::start("push and pull") else {
        return;
    };
    let pushed = push(&server, &quirks(), "rec/quirks");
    assert_eq!(
        (&pushed["commit"], &pushed["was_there"]),
        (&1.into(), &false.into())
    );
    let again = push(&server, &quirks(), "rec/quirks");
    assert_eq!(
        (&again["copied_files"], &again["was_there"]),
        (&0.into(), &true.into())
    );
    assert_eq!(again["event_digest"], pushed["event_digest"]);
    let folder = Folder::new();
    let copy = folder.join("copy");
    let pull = format!("pull {} {}", url("rec/quirks"), copy.display());
    let ended = run_there(&server, &pull).done();
    assert!(ended.stdout.contains("event digest"), "{}", ended.stdout);
    assert_eq!(names(&copy), names(&quirks()));
    for name in names(&copy) {
        let read = |folder: &Path| std::fs::read(folder.join(&name)).unwrap();
        assert!(read(&copy) == read(&quirks()), "{name}");
    }
    let ended = run_there(&server, &pull).done();
    assert!(ended.stdout.contains("already"), "{}", ended.stdout);
}

#[test]
fn a_push_replaces_no_other_recording() {
    let Some(server) = S3Server::start("a push to an occupied place") else {
        return;
    };
    push(&server, &quick(), "rec");
    let words = format!("push {} {}", quirks().display(), url("rec"));
    let ended = run_there(&server, &words);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("already has another recording"));
    let digest = replay_digest(&quick());
    let replay = format!("replay {} --rate max --sink digest --json", url("rec"));
    assert_eq!(run_there(&server, &replay).done().digest(), digest);
}

#[test]
fn a_killed_push_is_continued() {
    let Some(server) = S3Server::start("a killed push") else {
        return;
    };
    let folder = Folder::new();
    let recording = folder.generate(
        "day",
        "--profile day --seed 3 --duration 3m --max-rows 20000",
    );
    let words = format!("push {} {}", recording.display(), url("day"));
    let is_there = || server.files().join("day/manifest-0001.json").exists();
    for after in [1, 2, 3] {
        let push = crate::support::cli::Running::start(command(&server, &words));
        crate::support::wait_until("some files are there", || {
            let found = std::fs::read_dir(server.files().join("day"));
            found.is_ok_and(|found| found.count() > after) || is_there()
        });
        push.signal("KILL");
        let _ = push.wait();
    }
    let pushed = push(&server, &recording, "day");
    assert_eq!(pushed["commit"], 1);
    let verify = format!("verify {} --json", url("day"));
    let verified = run_there(&server, &verify).done().json();
    assert_eq!(verified["intact"], true);
    assert_eq!(verified["event_digest"], pushed["event_digest"]);
}

#[test]
fn sessions_of_a_root_keep_their_places() {
    let Some(server) = S3Server::start("a catalogue in a store") else {
        return;
    };
    let folder = Folder::new();
    for (day, session, seed) in [("2026-01-05", "a", 1), ("2026-01-06", "b", 2)] {
        let name = format!("root/trading_day={day}/session={session}");
        folder.generate(&name, &format!("--profile quick --seed {seed}"));
    }
    let root = folder.join("root");
    let words = format!("push {} {} --json", root.display(), url("root"));
    let pushed = run_there(&server, &words).done().json();
    assert_eq!(pushed.as_array().unwrap().len(), 2);
    let listed = |root: &str| {
        let listed = run_there(&server, &format!("ls {root} --json"))
            .done()
            .json();
        let sessions = listed.as_array().unwrap().iter();
        let facts = |it: &Value| {
            [
                it["session"].clone(),
                it["ticks"].clone(),
                it["status"].clone(),
            ]
        };
        sessions.map(facts).collect::<Vec<_>>()
    };
    assert_eq!(listed(&url("root")), listed(root.to_str().unwrap()));
    let digest = |root: &str| {
        let words =
            format!("replay {root} --trading-day 2026-01-06 --rate max --sink digest --json");
        run_there(&server, &words).done().digest()
    };
    assert_eq!(digest(&url("root")), digest(root.to_str().unwrap()));
    let copy = folder.join("copy");
    let pull = format!(
        "pull {} {} --trading-day 2026-01-05",
        url("root"),
        copy.display()
    );
    run_there(&server, &pull).done();
    assert_eq!(names(&copy), ["trading_day=2026-01-05"]);
}

#[test]
fn a_file_url_is_a_store_on_a_disk() {
    let folder = Folder::new();
    let store = format!("file://{}", folder.join("store/rec").display());
    run(["push", quick().to_str().unwrap(), &store]).done();
    let info = |path: &str| run(["info", path, "--json"]).done().json();
    let local = info(quick().to_str().unwrap());
    assert_eq!(info(&store)["event_digest"], local["event_digest"]);
    let copy = folder.join("copy");
    run(["pull", &store, copy.to_str().unwrap()]).done();
    assert_eq!(names(&copy), names(&quick()));
}
