//! Segmentation is invisible: however a session is cut into files, its events and its payload
//! stream are the same.

use crate::support::cli::run;
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
