//! What a stranger wrote reaches neither a terminal nor a subject as it is.

use std::path::{Path, PathBuf};

use tickdeck_core::printable::is_hidden;

use crate::support::cli::{Ended, run};
use crate::support::recordings::{Folder, quick, stream};

/// Clears a screen, as C0 and as C1; rings; turns text around; starts another line.
const EVIL: &str = "x\u{1b}[2J\u{9b}31m\u{7}\u{202e}\u{2066}\u{200b}\r\nstatus complete";

#[track_caller]
fn assert_printable(ended: &Ended) {
    for (name, text) in [("stdout", &ended.stdout), ("stderr", &ended.stderr)] {
        let hidden = |c: char| is_hidden(c) && !matches!(c, '\n' | '\t');
        let found = text.lines().find(|line| line.contains(hidden));
        assert_eq!(found, None, "{name} of {ended:?}");
        let is_forged = |line: &str| line.starts_with("status complete");
        assert!(!text.lines().any(is_forged), "{name} of {ended:?}");
    }
}

/// The quick recording with another session name, source and instrument in its manifest.
fn evil_manifest(folder: &Folder) -> PathBuf {
    let recording = folder.copy_of(&quick(), "rec");
    let path = recording.join("manifest.json");
    let mut manifest: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    manifest["session"] = EVIL.into();
    for field in ["kind", "detail", "api_version", "recv_ts"] {
        manifest["source"][field] = EVIL.into();
    }
    manifest["trading_days"] = [EVIL].into();
    manifest["instruments"][EVIL] = 7.into();
    manifest["ledger"]["dropped"][EVIL] = 0.into();
    std::fs::write(&path, manifest.to_string()).unwrap();
    recording
}

fn verb(words: &str, paths: &[&Path]) -> Ended {
    let words = words.split(' ').map(std::ffi::OsStr::new);
    run(words.chain(paths.iter().map(|path| path.as_os_str())))
}

#[test]
fn session_names_do_not_act_on_a_terminal() {
    let folder = Folder::new();
    let recording = evil_manifest(&folder);
    let output = folder.join("out");
    for words in [
        "info",
        "info --json",
        "verify",
        "verify --json",
        "cat -n 3",
        "replay --rate max --sink null",
        "replay --rate max --sink null --json",
        "replay --dry-run",
        "replay --rate max --sink null --log-format json",
        "replay --salvage --rate max --sink null",
    ] {
        let ended = verb(words, &[&recording]);
        assert!(
            !ended.stdout.is_empty() || !ended.stderr.is_empty(),
            "{words}"
        );
        assert_printable(&ended);
    }
    assert_printable(&verb("slice -o", &[&output, &recording]));
    let shown = verb("info", &[&recording]).stdout;
    assert!(
        shown.contains("x\\u001b[2J\\u009b31m\\u0007\\u202e"),
        "{shown}"
    );
}

#[test]
fn json_still_has_the_name() {
    let folder = Folder::new();
    let recording = evil_manifest(&folder);
    let info = verb("info --json", &[&recording]);
    assert_eq!(info.json()["session"], EVIL);
}

/// A dump whose instrument id and unknown column hold escape sequences.
#[test]
fn names_in_dumps_do_not_act_on_a_terminal() {
    let folder = Folder::new();
    let header = "symbol,exchange,datetime,last_price,volume";
    let row = "rb2605,SHFE,2026-01-05 21:00:00.500000,3110.0,12";
    let id = "rb\u{1b}[2J\u{9b}\u{202e}05";
    for (name, text) in [
        (
            "id.csv",
            format!("{header}\n{}\n", row.replace("rb2605", id)),
        ),
        ("column.csv", format!("{header},{id}\n{row},1\n")),
        (
            "number.csv",
            format!("{header}\n{}\n", row.replace("3110.0", id)),
        ),
        (
            "exchange.csv",
            format!("{header}\n{}\n", row.replace("SHFE", id)),
        ),
        ("file\u{1b}[2J\u{202e}.csv", "nothing\n".to_owned()),
    ] {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        for words in [
            "import",
            "import --log-format json",
            "import --skip-bad --json",
        ] {
            let output = folder.join("rec");
            let mut args = words
                .split(' ')
                .map(std::ffi::OsStr::new)
                .collect::<Vec<_>>();
            args.extend([path.as_os_str(), "-o".as_ref(), output.as_os_str()]);
            let ended = run(args);
            assert_printable(&ended);
            if output.is_dir() {
                for words in ["cat", "info", "verify", "replay --rate max --sink null"] {
                    assert_printable(&verb(words, &[&output]));
                }
                std::fs::remove_dir_all(&output).unwrap();
            }
        }
    }
}

/// Missing files are named in errors and in log lines.
#[test]
fn file_names_do_not_act_on_a_terminal() {
    let folder = Folder::new();
    let missing = folder.join(EVIL);
    for words in [
        "info",
        "verify",
        "cat",
        "check",
        "export",
        "replay --sink null",
        "replay --sink null --log-format json",
        "diff -",
        "import -o rec",
    ] {
        let ended = verb(words, &[&missing]);
        assert_ne!(ended.code, Some(0), "{ended:?}");
        assert_printable(&ended);
    }
    let copy = folder.copy_of(&quick(), "a\u{1b}[2J\u{202e}b");
    for words in ["info", "verify", "replay --dry-run", "check"] {
        assert_printable(&verb(words, &[&copy]));
    }
}

/// Ids and texts of a recording: in `cat`, in subjects, in differences and in reports.
#[test]
fn instrument_ids_reach_no_terminal_and_no_subject() {
    let folder = Folder::new();
    let dump = |name: &str, price: &str| {
        let path = folder.join(name);
        let line = |seq: u64, id: &str| {
            let tick = serde_json::json!({
                "seq": seq, "recv_ts": 1_767_618_000_500_000_000_u64 + seq, "kind": "tick",
                "TradingDay": "20260106", "InstrumentID": id, "ExchangeID": "",
                "LastPrice": 3110.0, "UpdateTime": "21:00:00", "UpdateMillisec": 500,
                "ActionDay": "20260105", "Volume": 12, "BidPrice1": 3110.0, "BidVolume1": 1,
            });
            format!("{tick}\n").replace("3110.0", price)
        };
        let note = serde_json::json!({
            "seq": 0, "recv_ts": 1_767_618_000_500_000_000_u64, "kind": "note",
            "detail": { "text": EVIL },
        });
        let ids = [
            "rb2605",
            "rb\u{1b}[2J05",
            "rb\u{9b}2605",
            "\u{7}\r\n",
            "rb 26.*.>05",
        ];
        let ticks: String = (1..).zip(ids).map(|(seq, id)| line(seq, id)).collect();
        std::fs::write(&path, format!("{note}\n{ticks}")).unwrap();
        path
    };
    let mut recordings = Vec::new();
    for (name, price) in [("a", "3110.0"), ("b", "3111.0")] {
        let output = folder.join(name);
        let dump = dump(&format!("{name}.jsonl"), price);
        let imported = verb("import --trust-exchange -o", &[&output, &dump]);
        assert_printable(&imported);
        assert!(output.is_dir(), "{imported:?}");
        recordings.push(output);
    }
    let [a, b] = &recordings[..] else { panic!() };
    for words in [
        "cat",
        "cat --json",
        "info",
        "verify",
        "replay --rate max --sink null",
    ] {
        assert_printable(&verb(words, &[a]));
    }
    assert_printable(&verb("diff", &[a, b]));
    assert_printable(&verb("diff --published", &[a, b]));
    for line in stream(a, "--allow-empty").lines() {
        let (subject, _) = line.split_once(' ').unwrap();
        assert!(
            subject.bytes().all(|byte| byte.is_ascii_graphic()),
            "{subject:?}"
        );
        assert_eq!(subject.split('.').count(), 4, "{subject:?}");
    }
    let golden = folder.join("a.golden.json");
    let accept = ["check", "--update", "--golden"].map(std::ffi::OsStr::new);
    let paths = [golden.as_os_str(), a.as_os_str()];
    assert_printable(&run(accept.into_iter().chain(paths)));
    let (html, junit) = (folder.join("r.html"), folder.join("r.xml"));
    let args: Vec<&std::ffi::OsStr> = vec![
        "check".as_ref(),
        "--golden".as_ref(),
        golden.as_os_str(),
        b.as_os_str(),
        "--html".as_ref(),
        html.as_os_str(),
        "--junit".as_ref(),
        junit.as_os_str(),
    ];
    let checked = run(args);
    assert_eq!(checked.code, Some(1), "{checked:?}");
    assert_printable(&checked);
    for report in [html, junit] {
        let text = std::fs::read_to_string(&report).unwrap();
        let hidden = |c: char| is_hidden(c) && !matches!(c, '\n' | '\t');
        assert!(!text.contains(hidden), "{}", report.display());
    }
}
