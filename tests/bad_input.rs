//! Bad input: one clear sentence on stderr, the right exit code, nothing half-written.
//!
//! Every case runs in a separate folder with relative paths, so that the sentences can be compared
//! literally. Values that vary between runs (ports, temporary names) are replaced.

use std::process::Command;

use insta::{allow_duplicates, assert_snapshot};

use crate::support::cli::{Ended, finish, tickdeck, with_nats};
use crate::support::nats_server::NatsServer;
use crate::support::recordings::{Folder, events, quick, quirks, repository};

/// A folder with a copy of the quick recording in `rec`.
fn folder() -> Folder {
    let folder = Folder::new();
    folder.copy_of(&quick(), "rec");
    folder
}

/// A command in `folder`, its arguments split at spaces.
fn command(folder: &Folder, words: &str) -> Command {
    let mut command = tickdeck(words.split(' '));
    command.current_dir(folder.path());
    command
}

/// Runs it and checks that the folder is unchanged afterwards.
#[track_caller]
fn refused(folder: &Folder, words: &str) -> String {
    let before = folder.names();
    let ended = finish(command(folder, words));
    assert_eq!(folder.names(), before, "files left by `{words}`");
    said(&ended)
}

/// Exit code and stderr; stdout must be empty.
#[track_caller]
fn said(ended: &Ended) -> String {
    assert_eq!(ended.stdout, "", "{ended:?}");
    let code = ended.code.expect("not killed by a signal");
    format!("{code}: {}", ended.stderr.trim_end())
}

/// The segment of the recording in `folder`, changed.
fn change_segment(folder: &Folder, change: impl FnOnce(&mut Vec<u8>)) {
    let path = folder.join("rec/part-00000.parquet");
    let mut bytes = std::fs::read(&path).unwrap();
    change(&mut bytes);
    std::fs::write(path, bytes).unwrap();
}

/// Numbers of the committed recording that change with the encoding on disk.
fn without_sizes(text: &str) -> String {
    let is_number = |word: &str| word.bytes().all(|byte| byte.is_ascii_digit());
    let is_digest = |word: &str| word.len() == 64 && word.bytes().all(|b| b.is_ascii_hexdigit());
    let mut plain = Vec::new();
    for word in text.split(' ') {
        let bare = word.trim_end_matches([',', ';']);
        let end = &word[bare.len()..];
        plain.push(match bare {
            _ if is_digest(bare) => format!("HASH{end}"),
            _ if is_number(bare) && bare.len() >= 4 => format!("SIZE{end}"),
            _ => word.to_owned(),
        });
    }
    plain.join(" ")
}

#[test]
fn a_truncated_segment() {
    let folder = folder();
    change_segment(&folder, |bytes| bytes.truncate(bytes.len() / 2));
    assert_snapshot!(
        without_sizes(&refused(&folder, "replay rec --rate max --sink jsonl:out")),
        @"4: error: rec/part-00000.parquet is damaged: SIZE bytes, the manifest says SIZE; --salvage plays the intact parts"
    );
    assert_snapshot!(
        refused(&folder, "replay rec/part-00000.parquet --rate max --sink jsonl:out"),
        @"4: error: rec/part-00000.parquet is damaged: Parquet error: Invalid Parquet file. Corrupt footer"
    );
    for words in [
        "slice rec -n 3 -o out",
        "export rec -o out",
        "merge rec rec -o out",
    ] {
        let text = refused(&folder, words);
        assert!(
            text.starts_with("4: error: rec/part-00000.parquet is damaged"),
            "{text}"
        );
    }
    let verified = finish(command(&folder, "verify rec"));
    assert_eq!(verified.code, Some(1), "{verified:?}");
    assert!(
        verified.stdout.contains("the manifest says"),
        "{verified:?}"
    );
}

#[test]
fn a_flipped_bit() {
    let folder = folder();
    change_segment(&folder, |bytes| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    });
    assert_snapshot!(
        without_sizes(&refused(&folder, "replay rec --rate max --sink jsonl:out")),
        @"4: error: rec/part-00000.parquet is damaged: BLAKE3 is HASH, the manifest says HASH; --salvage plays the intact parts"
    );
    let verified = finish(command(&folder, "verify rec"));
    assert_eq!(verified.code, Some(1), "{verified:?}");
    assert!(
        verified
            .stdout
            .contains("rec/part-00000.parquet: BLAKE3 is ")
    );
    // The readable part is played on demand, and the exit code says that it is incomplete.
    let salvaged = finish(command(
        &folder,
        "replay rec --rate max --salvage --sink digest",
    ));
    assert_eq!(salvaged.code, Some(3), "{salvaged:?}");
    let json = finish(command(
        &folder,
        "replay rec --rate max --salvage --sink digest --json",
    ));
    assert_eq!(json.code, Some(3), "{json:?}");
    let summary: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(summary["received"], 0, "its one row group is damaged");
    assert_eq!(summary["damaged"][0]["file"], "rec/part-00000.parquet");
    assert!(summary["missing"][0]["rows"].as_u64().unwrap() > 0);
    assert_eq!(summary["missing"][0]["path"], "rec/part-00000.parquet");
}

#[test]
fn a_span_of_nothing() {
    let folder = folder();
    for words in [
        "replay rec --duration 0s --sink null",
        "generate --duration 0s -o new",
        "slice rec --max-duration 0ms -o new",
    ] {
        let error = refused(&folder, words);
        assert!(error.starts_with("2: "), "{error}");
        assert!(error.contains("above zero"), "{error}");
    }
}

#[test]
fn a_credentials_file_that_is_none() {
    let folder = folder();
    std::fs::write(folder.join("junk.creds"), "secret-canary").unwrap();
    let error = refused(&folder, "replay rec --nats-creds junk.creds");
    assert!(error.starts_with("2: "), "{error}");
    assert!(error.contains("is not a credentials file"), "{error}");
    assert!(!error.contains("secret-canary"), "{error}");
}

#[test]
fn a_missing_segment() {
    let folder = folder();
    std::fs::remove_file(folder.join("rec/part-00000.parquet")).unwrap();
    assert_snapshot!(
        refused(&folder, "replay rec --rate max --sink jsonl:out"),
        @"4: error: rec/part-00000.parquet is damaged: the manifest lists it, and it is missing; --salvage plays the intact parts"
    );
}

#[test]
fn a_parquet_file_of_something_else() {
    let folder = folder();
    std::fs::rename(
        folder.join("rec/contracts.parquet"),
        folder.join("other.parquet"),
    )
    .unwrap();
    assert_snapshot!(
        refused(&folder, "replay other.parquet --rate max --sink jsonl:out"),
        @"2: error: other.parquet is not a recording: a Parquet file, but its footer has no tickdeck.format_version"
    );
}

#[test]
fn a_segment_with_a_wrong_column() {
    let folder = folder();
    // The column's name in the footer's schema, one letter changed; the footer stays readable. The
    // embedded Arrow schema is base 64 and not touched.
    change_segment(&folder, |bytes| {
        let name = b"update_millisec";
        let places: Vec<usize> = (0..bytes.len() - name.len())
            .filter(|at| bytes[*at..].starts_with(name))
            .collect();
        for at in places {
            bytes[at] = b'v';
        }
    });
    let text = refused(
        &folder,
        "replay rec/part-00000.parquet --rate max --sink jsonl:out",
    );
    assert!(
        text.starts_with("2: error: rec/part-00000.parquet"),
        "{text}"
    );
    assert!(
        text.contains("column \"update_millisec\" should be"),
        "{text}"
    );
}

#[test]
fn a_newer_format() {
    let folder = folder();
    let path = folder.join("rec/manifest.json");
    let manifest = std::fs::read_to_string(&path).unwrap();
    let (head, rest) = manifest.split_once(r#""format_version": "1"#).unwrap();
    std::fs::write(&path, format!(r#"{head}"format_version": "2{rest}"#)).unwrap();
    for words in [
        "replay rec --sink jsonl:out",
        "info rec",
        "cat rec",
        "verify rec",
    ] {
        allow_duplicates! {
            assert_snapshot!(
                refused(&folder, words),
                @"2: error: rec/manifest.json has format version 2.0, this tickdeck reads up to 1.x: use a newer tickdeck"
            );
        }
    }
    // A later minor version only adds, and is read.
    let (_, rest) = rest.split_once('"').unwrap();
    let newer = format!(r#"{head}"format_version": "1.9", "added_later": [1]{rest}"#);
    std::fs::write(&path, newer).unwrap();
    let played = finish(command(&folder, "replay rec --rate max --sink digest"));
    assert_eq!(played.code, Some(0), "{played:?}");
}

#[test]
fn no_manifest() {
    let folder = folder();
    std::fs::remove_file(folder.join("rec/manifest.json")).unwrap();
    assert_snapshot!(
        refused(&folder, "replay rec --sink jsonl:out"),
        @"2: error: rec is not a recording: manifest.json is missing: `tickdeck recover` makes it again from segments and journal"
    );
}

/// `verify` reports damage as its result, not as its failure.
#[track_caller]
fn findings(folder: &Folder, words: &str) -> String {
    let ended = finish(command(folder, words));
    assert_eq!(ended.code, Some(1), "{ended:?}");
    ended.stdout
}

#[test]
fn a_manifest_that_is_none() {
    let folder = folder();
    std::fs::write(folder.join("rec/manifest.json"), "{\"format\": \"tickd").unwrap();
    let text = refused(&folder, "replay rec --sink jsonl:out");
    assert!(text.starts_with("4: error: rec/manifest.json"), "{text}");
    let found = findings(&folder, "verify rec");
    assert!(found.contains("rec/manifest.json"), "{found}");
}

#[test]
fn unopenable_recording_is_not_intact() {
    let folder = folder();
    change_segment(&folder, |bytes| bytes.truncate(bytes.len() / 2));
    let found = findings(&folder, "verify rec/part-00000.parquet");
    assert!(found.contains("Corrupt footer"), "{found}");
    std::fs::remove_file(folder.join("rec/manifest.json")).unwrap();
    // Neither a manifest nor a segment that can be read: there is nothing to check.
    assert_eq!(finish(command(&folder, "verify rec")).code, Some(2));
    let folder = self::folder();
    std::fs::remove_file(folder.join("rec/manifest.json")).unwrap();
    let found = findings(&folder, "verify rec");
    assert!(found.contains("manifest.json is missing"), "{found}");
}

#[test]
fn nothing_there() {
    let folder = folder();
    assert_snapshot!(
        refused(&folder, "replay nowhere --sink jsonl:out"),
        @"2: error: nowhere is not a recording: there is no such file or folder"
    );
    assert_snapshot!(
        refused(&folder, "import nowhere.csv -o out"),
        @"2: error: nowhere.csv does not exist"
    );
    assert_snapshot!(
        refused(&folder, "import rec -o out"),
        @"2: error: rec is a folder: name the files in it"
    );
}

#[test]
fn a_file_that_is_no_recording() {
    let folder = folder();
    std::fs::write(folder.join("text"), "not a recording, in spite of its name").unwrap();
    let text = refused(&folder, "info text");
    assert_eq!(
        text.trim_end(),
        "2: error: text is not a recording: it is not a Parquet file"
    );
}

#[test]
fn an_unknown_dialect() {
    let folder = folder();
    std::fs::write(folder.join("x.csv"), "a,b,c\n1,2,3\n").unwrap();
    assert_snapshot!(
        refused(&folder, "import x.csv --dialect nope -o out"),
        @r#"2: error: no dialect "nope"; known are ctp-csv, tick-data-clean, wondertrader, wondertrader-dsb, ctp-in-matlab, vnpy-legacy, vnpy, tqsdk, ctp-recorder, ctp-jsonl, tickdeck"#
    );
    assert_snapshot!(
        refused(&folder, "import x.csv -o out"),
        @r#"2: error: x.csv: no dialect fits its first line "a,b,c" (none of its columns is known); say what a column is with --map THEIRS=CTP, leave one out with --ignore COLUMN, or force a dialect with --dialect: ctp-csv, tick-data-clean, wondertrader, wondertrader-dsb, ctp-in-matlab, vnpy-legacy, vnpy, tqsdk, ctp-recorder, ctp-jsonl, tickdeck"#
    );
    assert_snapshot!(
        refused(&folder, "import x.csv --dialect ctp-csv -o out"),
        @r#"2: error: x.csv: not in the dialect ctp-csv: its header has no column LastPrice and no UpdateTime, unknown columns "a", "b", "c""#
    );
}

#[test]
fn a_header_that_nearly_fits() {
    let folder = folder();
    let good = std::fs::read_to_string(repository("fixtures/dialects/vnpy_made_up.csv")).unwrap();
    std::fs::write(
        folder.join("x.csv"),
        good.replacen("last_price", "lastprice9", 1),
    )
    .unwrap();
    let said = refused(&folder, "import x.csv -o out");
    let advice = "; try --map lastprice9=LastPrice, or see --map and --ignore";
    assert!(
        said.starts_with("2: ") && said.trim_end().ends_with(advice),
        "{said}"
    );
    assert!(said.contains("nearest is vnpy: "), "{said}");
    assert!(!said.contains("wondertrader"), "{said}");
    finish(command(
        &folder,
        "import x.csv -o out --map lastprice9=LastPrice",
    ))
    .done();
}

/// The first lines of a real file, then a row that was cut.
fn with_a_short_row(folder: &Folder) {
    let good = repository("fixtures/dialects/java_trader_AP010_20200803_evening_row.csv");
    let good = std::fs::read_to_string(good).unwrap();
    let mut lines: Vec<&str> = good.lines().take(3).collect();
    lines.push(r#""20200803","AP010""#);
    std::fs::write(folder.join("cut.csv"), lines.join("\n")).unwrap();
}

#[test]
fn a_wrong_number_of_columns() {
    let folder = folder();
    with_a_short_row(&folder);
    assert_snapshot!(
        refused(&folder, "import cut.csv -o out"),
        @"4: error: cut.csv: row 4, 2 columns, expected 44; --skip-bad leaves such rows out and counts them"
    );
    let skipped = finish(command(&folder, "import cut.csv -o out --skip-bad"));
    assert_eq!(skipped.code, Some(3), "{skipped:?}");
    assert!(skipped.stdout.contains("skipped    1 row "), "{skipped:?}");
}

#[test]
fn an_output_that_exists() {
    let folder = folder();
    std::fs::write(folder.join("there.csv"), "mine").unwrap();
    for words in [
        "generate -o rec",
        &format!(
            "slice {} -n 1 -o rec",
            repository("recordings/quick").display()
        ),
        "record --source synthetic:quick -o rec",
    ] {
        allow_duplicates! {
            assert_snapshot!(
                refused(&folder, words),
                @"2: error: rec already exists and is not empty: choose another output or pass --force"
            );
        }
    }
    assert_snapshot!(
        refused(&folder, "export rec -o there.csv"),
        @"2: error: there.csv already exists: choose another output or pass --force"
    );
    assert_eq!(std::fs::read(folder.join("there.csv")).unwrap(), b"mine");
    finish(command(&folder, "verify rec")).done();
}

#[test]
fn an_output_that_cannot_be_written() {
    let folder = folder();
    std::fs::write(folder.join("file"), "").unwrap();
    for (words, start) in [
        (
            "replay rec --rate max --sink jsonl:no/such/out",
            "4: error: writing to no/such/out\ncaused by: No such file",
        ),
        (
            "replay rec --rate max --sink jsonl:file/out",
            "2: error: writing to file/out\ncaused by: Not a directory",
        ),
        (
            "export rec -o file/out",
            "2: error: creating file/out\ncaused by: Not a directory",
        ),
        (
            "export rec --format payload -o file/out",
            "2: error: writing to file/out\ncaused by: Not a directory",
        ),
        (
            "generate -o file/out",
            "2: error: file is not a folder: choose another output",
        ),
        (
            "export rec -o no/such/out",
            "4: error: creating no/such/out\ncaused by: No such file",
        ),
    ] {
        let text = refused(&folder, words);
        assert!(text.starts_with(start), "{words}: {text}");
    }
}

#[test]
fn a_full_disk() {
    let folder = folder();
    let ended = finish(command(
        &folder,
        "replay rec --rate max -q --json --sink jsonl:/dev/full",
    ));
    assert_eq!(ended.code, Some(4), "{ended:?}");
    assert!(
        ended.stderr.contains("error: writing to /dev/full"),
        "{ended:?}"
    );
    assert!(
        ended.stderr.contains("No space left on device"),
        "{ended:?}"
    );
    let summary = ended.json();
    assert_eq!(summary["published"], 0);
    assert_eq!(
        summary["received"].as_u64().unwrap(),
        summary["failed"].as_u64().unwrap(),
        "{summary}"
    );
}

#[test]
fn words_that_are_not_known() {
    let folder = folder();
    assert_snapshot!(
        refused(&folder, "replay rec --drop wet --sink jsonl:out"),
        @"
    2: error: invalid value 'wet' for '--drop <FLAG>'
      [possible values: snapshot, stale, preopen, out_of_session, duplicate, replayed, date_conflict, raw_turnover, volume_fell]

    For more information, try '--help'.
    "
    );
    assert_snapshot!(
        refused(&folder, "replay rec -S noon --sink jsonl:out"),
        @"
    2: error: invalid value 'noon' for '--start <TIME>': expected RFC 3339 (2025-09-11T21:00:00+08:00), a date with or without a time in +08:00 (2025-09-11 21:00:00), ns since 1970 (1757595600000000000), or HH:MM[:SS[.mmm]] in the trading day

    For more information, try '--help'.
    "
    );
    assert_snapshot!(
        refused(&folder, "replay rec -S 10:00 -E 09:00 --sink jsonl:out"),
        @"2: error: nothing is selected: the end 2025-09-12T09:00:00.000000000+08:00 is not after the start 2025-09-12T10:00:00.000000000+08:00"
    );
    assert_snapshot!(
        refused(&folder, "replay rec --calendar nowhere --sink jsonl:out"),
        @"
    2: error: --calendar nowhere cannot be used
    caused by: No such file or directory (os error 2)
    "
    );
}

#[test]
fn no_nats_server() {
    let folder = folder();
    let words = "replay rec --rate max -q --log-level error --connect-timeout 2s --nats-url nats://127.0.0.1:1";
    let said = refused(&folder, words);
    // If the machine stalls for two seconds, no attempt completes.
    let said = said.replace(
        "no attempt came to an end",
        "Connection refused (os error 111)",
    );
    assert_snapshot!(
        said,
        @"4: error: nats server nats://127.0.0.1:1: not reachable for 2 s: Connection refused (os error 111); is nats-server running there, and is the address right?"
    );
}

#[test]
fn a_nats_server_that_refuses_the_login() {
    const PASSWORD: &str = "wr0ng-Horse-Staple";
    let config = "authorization { user: md, password: \"right\", timeout: 60 }";
    let Some(server) = NatsServer::with_config("nats refuses the login", config) else {
        return;
    };
    let folder = folder();
    let plain = server.url();
    let with_password = plain.replace("//", &format!("//md:{PASSWORD}@"));
    let port = server.port().to_string();
    for level in ["error", "trace"] {
        for (url, password) in [(&plain, Some(PASSWORD)), (&with_password, None)] {
            let words = format!("replay rec --rate max -q --log-level {level}");
            let mut command = command(&folder, &words);
            with_nats(&mut command, url).env("NATS_USER", "md");
            if let Some(password) = password {
                command.env("NATS_PASSWORD", password);
            } else {
                command.env_remove("NATS_USER");
            }
            let ended = finish(command);
            let text = said(&ended);
            assert!(!text.contains(PASSWORD), "{text}");
            assert!(text.starts_with("4: "), "{text}");
            let last = text.lines().last().unwrap().trim_start_matches("4: ");
            allow_duplicates! {
                assert_snapshot!(
                    last.replace(&port, "PORT"),
                    @"error: nats server nats://127.0.0.1:PORT: login refused; check user and password, token, credentials file or nkey, and that only the intended one is set"
                );
            }
        }
    }
    // The plan of a dry run names the server without its password.
    let mut planning = command(&folder, "replay rec --dry-run");
    planning.env("NATS_URL", &with_password);
    let plan = finish(planning).done();
    assert!(
        plan.stdout.contains(&format!("to         nats {plain}")),
        "{plan:?}"
    );
    assert!(!format!("{plan:?}").contains(PASSWORD), "{plan:?}");
}

#[test]
fn an_empty_server_url_is_refused() {
    let folder = folder();
    let flag = |value: &str| {
        let mut command = command(&folder, "replay rec --rate max");
        command.args(["--nats-url", value]);
        command
    };
    let variable = {
        let mut command = command(&folder, "replay rec --rate max");
        command.env("NATS_URL", "");
        command
    };
    for command in [flag(""), flag(" "), variable] {
        allow_duplicates! {
            assert_snapshot!(
                said(&finish(command)),
                @"2: error: the server URL is empty: give --nats-url a URL, or unset NATS_URL for the default"
            );
        }
    }
    // A verb that connects to no server does not look at it.
    let mut unused = command(&folder, "replay rec --rate max --sink digest -q");
    unused.env("NATS_URL", "");
    finish(unused).done();
}

#[test]
fn what_is_no_recording_is_named() {
    let folder = folder();
    for name in ["root/quick", "root/quirks", "many", "empty", "other"] {
        std::fs::create_dir_all(folder.join(name)).unwrap();
    }
    let manifest = std::fs::read(folder.join("rec/manifest.json")).unwrap();
    for name in ["root/quick", "root/quirks"] {
        std::fs::write(folder.join(name).join("manifest.json"), &manifest).unwrap();
    }
    for name in "abcdefg".chars() {
        let recording = folder.join("many").join(name.to_string());
        std::fs::create_dir(&recording).unwrap();
        std::fs::write(recording.join("manifest.json"), &manifest).unwrap();
    }
    std::fs::write(folder.join("other/x"), "").unwrap();
    nix::unistd::mkfifo(&folder.join("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    for (path, reason) in [
        ("root", "it holds recordings: quick, quirks"),
        ("many", "it holds recordings: a, b, c, d, e and 2 more"),
        ("empty", "it is an empty folder"),
        ("other", "it has neither a manifest.json nor segments"),
        ("/dev/null", "it is a pipe or a device"),
        ("fifo", "it is a pipe or a device"),
        ("rec/manifest.json/x", "there is no such file or folder"),
    ] {
        for verb in [
            "info",
            "cat",
            "verify",
            "replay --sink null",
            "replay --salvage --sink null",
        ] {
            let words = format!("{verb} {path}");
            let expected = format!("2: error: {path} is not a recording: {reason}");
            assert_eq!(refused(&folder, &words), expected, "{words}");
        }
    }
    for words in [
        "check root",
        "diff rec root",
        "slice root -o new",
        "merge rec root -o new",
    ] {
        let said = refused(&folder, words);
        assert!(
            said.starts_with("2: ") && said.contains("recordings: quick, quirks"),
            "{said}"
        );
    }
}

/// Runs `words` as a user that file permissions apply to.
fn as_a_user(folder: &Folder, words: &str) -> Ended {
    use std::os::unix::fs::MetadataExt as _;
    use std::os::unix::process::CommandExt as _;
    let mut command = command(folder, words);
    let is_root = folder.path().metadata().unwrap().uid() == 0;
    if is_root {
        command.uid(65534);
    }
    finish(command)
}

#[test]
fn a_file_that_may_not_be_read_is_not_damage() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = folder();
    let allow = |path: &str, mode: u32| {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(folder.join(path), mode).unwrap();
    };
    allow("", 0o755);
    as_a_user(&folder, "info rec").done();
    for (path, usual, culprit) in [
        ("rec", 0o755, "rec/manifest.json"),
        ("rec/manifest.json", 0o644, "rec/manifest.json"),
        ("rec/part-00000.parquet", 0o644, "rec/part-00000.parquet"),
        ("rec/contracts.parquet", 0o644, "rec/contracts.parquet"),
    ] {
        allow(path, 0);
        for verb in [
            "info",
            "verify",
            "cat",
            "replay --rate max --sink null",
            "check --golden x",
            "diff rec",
        ] {
            let words = format!("{verb} rec");
            let ended = as_a_user(&folder, &words);
            assert_eq!(ended.code, Some(4), "{words}, no {path}: {ended:?}");
            let expected =
                format!("opening {culprit}\ncaused by: Permission denied (os error 13)\n");
            assert!(
                ended.stderr.ends_with(&expected),
                "{words}, no {path}: {ended:?}"
            );
            assert!(!ended.stderr.contains("damage"), "{ended:?}");
        }
        allow(path, usual);
    }
}

#[test]
fn a_path_of_the_wrong_kind_is_bad_usage() {
    let folder = folder();
    std::fs::write(folder.join("file"), "mine").unwrap();
    std::fs::create_dir(folder.join("folder")).unwrap();
    let server = "--nats-url nats://127.0.0.1:1 --connect-timeout 1ms";
    let a_folder = "folder is a folder: choose a file as the output";
    let a_file = "file is not a folder: choose another output";
    let no_pages = "is not a folder: choose another place for the pages";
    let no_subject = "expected a subject without wildcards, such as health.check";
    for (words, reason) in [
        (
            "import folder -o new",
            "folder is a folder: name the files in it",
        ),
        ("replay rec --sink jsonl:folder --force", a_folder),
        ("replay rec --sink jsonl:folder", a_folder),
        (&format!("capture {server} -o folder"), a_folder),
        (&format!("capture {server} -o folder --force"), a_folder),
        ("export rec -o folder --force", a_folder),
        ("generate -o file", a_file),
        ("generate -o file --force", a_file),
        ("generate -o file/below --force", a_file),
        ("slice rec -o file --force", a_file),
        ("merge rec rec -o file --force", a_file),
        ("record --source synthetic:quick -o file --force", a_file),
        ("man -o file", &format!("file {no_pages}")),
        ("man -o file/below", &format!("file/below {no_pages}")),
        (&format!("health {server} --subject="), no_subject),
        (&format!("health {server} --subject a.*"), no_subject),
        (&format!("health {server} --subject a..b"), no_subject),
    ] {
        let said = refused(&folder, words);
        assert!(
            said.starts_with("2: error: ") && said.contains(reason),
            "{words}: {said}"
        );
        assert!(!said.contains("os error"), "{words}: {said}");
    }
    assert_eq!(
        std::fs::read_to_string(folder.join("file")).unwrap(),
        "mine"
    );
}

/// The manifest of the recording in `folder`, changed.
fn change_manifest(folder: &Folder, change: impl FnOnce(&mut serde_json::Value)) {
    let path = folder.join("rec/manifest.json");
    let mut manifest = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    change(&mut manifest);
    std::fs::write(path, manifest.to_string()).unwrap();
}

const SALVAGE: &str = "replay rec --rate max --sink digest --salvage --json -q";

#[test]
fn a_salvage_refuses_another_format() {
    for (key, value, reason) in [
        ("format_version", "9.0", "use a newer tickdeck"),
        ("format", "foreign", "format is \"foreign\""),
    ] {
        let folder = folder();
        change_manifest(&folder, |manifest| manifest[key] = value.into());
        let said = refused(&folder, SALVAGE);
        assert!(
            said.starts_with("2: error: ") && said.contains(reason),
            "{said}"
        );
    }
}

#[test]
fn a_salvage_says_what_it_does_without() {
    let folder = folder();
    let whole = finish(command(&folder, SALVAGE)).done();
    assert_eq!(whole.stderr, "");
    let spoil = |name: &str| {
        let path = folder.join("rec").join(name);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    };
    let plays = |file: &str, reason: &str| {
        let ended = finish(command(&folder, SALVAGE));
        assert_eq!(ended.code, Some(3), "{ended:?}");
        assert_eq!(ended.json()["published"], 918, "{ended:?}");
        let mut warned = ended
            .stderr
            .lines()
            .filter(|line| line.contains("file_not_used"));
        let warning = warned.find(|line| line.contains(file)).unwrap_or_default();
        assert!(warning.contains(reason), "{ended:?}");
        assert_eq!(warned.count(), 0, "{ended:?}");
    };
    spoil("contracts.parquet");
    plays("rec/contracts.parquet", "reason=");
    std::fs::remove_file(folder.join("rec/contracts.parquet")).unwrap();
    spoil("manifest.json");
    plays("rec/manifest.json", "EOF while parsing");
    std::fs::remove_file(folder.join("rec/manifest.json")).unwrap();
    plays("rec/manifest.json", "it is missing");
}

#[test]
fn a_salvage_of_nothing_names_the_loss() {
    let folder = folder();
    change_segment(&folder, |bytes| bytes.truncate(bytes.len() / 2));
    for (words, text) in [
        ("", "nothing is intact: 928 rows lost"),
        ("--symbols rb*", "no selected tick is intact: 928 rows lost"),
    ] {
        let ended = finish(command(&folder, format!("{SALVAGE} {words}").trim_end()));
        assert_eq!(ended.code, Some(3), "{ended:?}");
        assert!(ended.stderr.contains(text), "{ended:?}");
        assert!(!ended.stderr.contains("--allow-empty"), "{ended:?}");
    }
}

#[test]
fn a_given_contract_table_replaces_a_damaged_one() {
    const WITH: &str = "--contracts table.csv";
    type Spoil = fn(&std::path::Path);
    let spoils: [(&str, Spoil); 5] = [
        ("is damaged: ", |path| {
            std::fs::copy(quick().join("part-00000.parquet"), path).unwrap();
        }),
        ("is damaged: ", |path| {
            std::fs::write(path, "no table").unwrap();
        }),
        ("BLAKE3 is", |path| {
            std::fs::copy(quirks().join("contracts.parquet"), path).unwrap();
        }),
        ("it is missing", |path| std::fs::remove_file(path).unwrap()),
        ("is a directory", |path| std::fs::create_dir(path).unwrap()),
    ];
    let folder = folder();
    let table = repository("fixtures/contracts/own.csv");
    std::fs::copy(table, folder.join("table.csv")).unwrap();
    let replay = format!("replay rec --rate max --sink digest --json {WITH}");
    let whole = finish(command(&folder, &replay)).done().digest();
    finish(command(
        &folder,
        &format!("check rec --golden g.json --update {WITH}"),
    ))
    .done();
    for (problem, spoil) in spoils {
        spoil(&folder.join("rec/contracts.parquet"));
        for (words, code) in [
            ("replay rec --rate max --sink null", 4),
            ("export rec -o out.csv", 4),
            ("record --source recording:rec -o out", 4),
            ("check rec --golden g.json", 1),
            ("diff rec --published rec", 1),
        ] {
            let said = refused(&folder, words);
            let parts = [
                "rec/contracts.parquet",
                problem,
                "--contracts FILE",
                "--salvage",
            ];
            for part in parts {
                assert!(said.contains(part), "{words}, no {part}: {said}");
            }
            assert!(said.starts_with(&code.to_string()), "{words}: {said}");
            let ended = finish(command(&folder, &format!("{words} {WITH}")));
            assert_eq!(ended.code, Some(0), "{words}: {ended:?}");
            assert!(ended.stderr.contains("file_not_used"), "{words}: {ended:?}");
            let _ = std::fs::remove_file(folder.join("out.csv"));
            let _ = std::fs::remove_dir_all(folder.join("out"));
        }
        assert_eq!(finish(command(&folder, &replay)).done().digest(), whole);
        // A table that is not the recorded one is not played either.
        let salvaged = finish(command(&folder, SALVAGE));
        assert_eq!(salvaged.code, Some(3), "{salvaged:?}");
        assert!(salvaged.stderr.contains("file_not_used"), "{salvaged:?}");
        let both = finish(command(&folder, &format!("{SALVAGE} {WITH}")));
        assert_eq!(both.done().digest(), whole);
    }
    let said = refused(&folder, "slice rec -n 3 -o out");
    assert!(
        said.contains("`tickdeck replay --contracts FILE`"),
        "{said}"
    );
}

#[test]
fn a_lock_that_may_not_be_read_is_needed_by_writers_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = folder();
    let manifest = folder.join("rec/manifest.json");
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, text.replace("\"complete\"", "\"recording\"")).unwrap();
    let lock = folder.join("rec/.lock");
    std::fs::write(&lock, "").unwrap();
    let allow = |path: &std::path::Path, mode: u32| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    allow(folder.path(), 0o755);
    allow(&folder.join("rec"), 0o777);
    allow(&lock, 0);
    let told = as_a_user(&folder, "info rec").done();
    let unknown = "its .lock may not be read";
    for said in [&told.stdout, &told.stderr] {
        assert!(
            said.contains(unknown) && !said.contains("was killed"),
            "{told:?}"
        );
    }
    let played = as_a_user(&folder, "replay rec --rate max --sink null");
    assert_eq!(played.code, Some(3), "{played:?}");
    assert!(played.stderr.contains(unknown), "{played:?}");
    let verified = as_a_user(&folder, "verify rec");
    assert_eq!(verified.code, Some(1), "{verified:?}");
    assert!(verified.stdout.contains(unknown), "{verified:?}");
    for words in [
        "recover rec",
        "record --source synthetic:quick --force -o rec",
    ] {
        let refused = as_a_user(&folder, words);
        assert_eq!(refused.code, Some(2), "{words}: {refused:?}");
        let parts = [
            "rec/.lock is a file that this user may not write",
            "run as its owner, or remove it if no writer is running",
        ];
        for part in parts {
            assert!(refused.stderr.contains(part), "{words}: {refused:?}");
        }
    }
    assert_eq!(events(&folder.join("rec")), events(&quick()));
}
