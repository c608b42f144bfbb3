//! Segmentation is invisible: however a session is cut into files, its events and its payload
//! stream are the same.

use std::path::PathBuf;

use crate::support::cli::{finish, run, tickdeck};
use crate::support::recordings::{Folder, info, info_digest, quirks, replay_digest};

#[test]
fn segment_count_is_invisible() {
    let folder = Folder::new();
    let (events, payloads) = (info_digest(&quirks()), replay_digest(&quirks()));
    // 5,707 events: the row limits determine the number of segments.
    for (max_rows, segments) in [(5_707, 1), (571, 10), (5, 1_142)] {
        let words = format!("--profile quirks --seed 1 --max-rows {max_rows}");
        let recording = folder.generate(&format!("by-{max_rows}"), &words);
        let info = info(&recording);
        assert_eq!(info["segments"], segments, "{info}");
        assert_eq!(info["digest"], events, "{segments} segments");
        assert_eq!(replay_digest(&recording), payloads, "{segments} segments");
        let verified = run(["verify".as_ref(), recording.as_os_str()]).done();
        assert!(verified.stdout.contains("intact"), "{verified:?}");
    }
}

#[test]
fn time_based_segments_are_invisible() {
    let folder = Folder::new();
    let whole = folder.generate("whole", "--profile quick --seed 3");
    for (span, segments) in [("10s", 6), ("1s", 60)] {
        let words = format!("--profile quick --seed 3 --max-duration {span}");
        let rolled = folder.generate(span, &words);
        let info = info(&rolled);
        // Each segment begins with an event, so a quiet second reduces their number.
        let found = info["segments"].as_u64().unwrap();
        assert!(
            (segments * 9 / 10..=segments + 1).contains(&found),
            "{info}"
        );
        assert_eq!(info["digest"], info_digest(&whole));
        assert_eq!(replay_digest(&rolled), replay_digest(&whole));
    }
}

/// The reader opens segments one after the other. A window in the middle must not depend on them.
#[test]
fn windows_may_cross_segment_borders() {
    let folder = Folder::new();
    let whole = folder.generate("whole", "--profile quick --seed 3");
    let rolled = folder.generate("rolled", "--profile quick --seed 3 --max-rows 7");
    for words in [
        "--start-offset 13s --duration 20s",
        "--symbols rb*,*.CFFEX",
        "-n 100 --start-offset 40s",
        "-S 09:30:10 -E 09:30:20 --exchange DCE",
        "--start-offset 30s --prime",
    ] {
        let digest = |recording| {
            let words = format!("--sink digest {words}");
            let played = crate::support::recordings::replay(recording, &words).done();
            assert!(played.json()["published"].as_u64().unwrap() > 10, "{words}");
            played.digest()
        };
        assert_eq!(digest(&rolled), digest(&whole), "{words}");
    }
}

#[test]
fn size_based_segments_are_invisible() {
    let folder = Folder::new();
    // The size is looked at after each row group of 65,536 rows: 12 times 5,707 events are two.
    let merged = |name: &str, words: &str| {
        let output = folder.join(name);
        let mut command = tickdeck(["merge", "-q"]);
        command.args(words.split_whitespace());
        command.arg("-o").arg(&output).args(vec![quirks(); 12]);
        finish(command).done();
        output
    };
    let (whole, rolled) = (merged("whole", ""), merged("rolled", "--max-bytes 1B"));
    assert_eq!(info(&whole)["segments"], 1);
    assert_eq!(info(&rolled)["segments"], 2);
    assert_eq!(info_digest(&rolled), info_digest(&whole));
    assert_eq!(replay_digest(&rolled), replay_digest(&whole));
}

/// A session over three trading days, published while it is recorded in a catalogue.
#[test]
fn recordings_by_trading_day_replay_as_one_session() {
    let folder = Folder::new();
    let days: Vec<PathBuf> = ["2026-01-05", "2026-01-06", "2026-01-07"]
        .iter()
        .map(|day| {
            folder.generate(
                day,
                &format!("--profile quick --seed 4 --trading-day {day}"),
            )
        })
        .collect();
    let session = folder.join("session");
    let mut command = tickdeck(["merge", "-q", "-o"]);
    finish({
        command.arg(&session).args(&days);
        command
    })
    .done();
    let root = folder.join("root");
    let source = format!("recording:{}", session.display());
    let mut command = tickdeck(["record", "--source", &source, "--record-under"]);
    command.arg(&root);
    let words = "--publish --sink digest --rate max --json -q";
    command.args(words.split(' '));
    let published = finish(command).done();
    let ids = ["session", "session-2", "session-3"];
    for (day, id) in days.iter().zip(ids) {
        let name = day.file_name().unwrap().to_str().unwrap();
        let recorded = root.join(format!("trading_day={name}/session={id}"));
        // `seq` begins at 0 with each recording, so it is the same as the day's own.
        assert_eq!(info_digest(&recorded), info_digest(day), "{name}");
        assert_eq!(info(&recorded)["session"], id);
    }
    assert_eq!(replay_digest(&root), published.digest());
    assert_eq!(replay_digest(&root), replay_digest(&session));
    // A session that is recorded in one folder has a segment for each day.
    let one = folder.join("one");
    let mut command = tickdeck(["record", "--source", &source, "-q", "-o"]);
    finish({
        command.arg(&one);
        command
    })
    .done();
    assert_eq!(info(&one)["segments"], 3);
    assert_eq!(info_digest(&one), info_digest(&session));
}
