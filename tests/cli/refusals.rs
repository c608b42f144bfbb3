//! Flags and paths that cannot be meant: refused before anything is written.

use crate::support::cli::{Ended, binary, command_of, finish, tickdeck};
use crate::support::recordings::{Folder, info_digest, names as names_in, quick, quirks};

/// Runs the binary in `folder`.
fn ends_in(folder: &Folder, words: &str) -> Ended {
    let mut command = tickdeck(words.split(' '));
    command.current_dir(folder.path());
    finish(command)
}

/// Exit code 2, with an error that has these words.
#[track_caller]
fn refused(folder: &Folder, words: &str, message: &str) {
    let ended = ends_in(folder, words);
    assert_eq!(ended.code, Some(2), "{words}: {ended:?}");
    assert!(ended.stderr.contains(message), "{words}: {}", ended.stderr);
    assert!(!ended.stderr.contains("tip:"), "{words}: {}", ended.stderr);
    assert_eq!(ended.stdout, "", "{words}");
}

#[test]
fn an_output_is_never_an_input() {
    let folder = Folder::new();
    let rec = folder.copy_of(&quick(), "rec");
    folder.copy_of(&quirks(), "other");
    std::os::unix::fs::symlink(&rec, folder.join("link")).unwrap();
    let (names, files) = (folder.names(), names_in(&rec));
    let digest = info_digest(&rec);
    for words in [
        "slice rec -o rec --force",
        "slice rec -o rec",
        "slice rec -o other/../rec --force",
        "slice rec/part-00000.parquet -o rec --force",
        "merge rec other -o rec --force",
        "merge other rec -o rec --force",
        "record --source recording:rec -o rec --force",
    ] {
        refused(&folder, words, "choose another output");
    }
    for words in [
        "slice rec -o link --force",
        "slice link -o rec/sub",
        "slice rec -o rec/sub",
        "merge rec other -o rec/sub/deeper",
        "record --source recording:rec -o rec/sub",
    ] {
        refused(&folder, words, "overlap: choose another output");
    }
    assert_eq!(folder.names(), names);
    assert_eq!(names_in(&rec), files);
    assert_eq!(info_digest(&rec), digest);
    // A neighbour whose name begins in the same way is another place.
    ends_in(&folder, "slice rec -o rec2 -q").done();
}

/// A switch of the environment, or of an environment file, is yes or no.
#[test]
fn a_switch_that_is_neither_yes_nor_no_is_refused() {
    let folder = Folder::new();
    let ended = |words: &str, value: &str| {
        let mut command = tickdeck(words.split(' '));
        command.current_dir(folder.path());
        // Nothing listens there.
        command.env("NATS_URL", "nats://127.0.0.1:1");
        if !value.is_empty() {
            command.env("NATS_TLS_FIRST", value);
        }
        finish(command)
    };
    std::fs::write(folder.join("maybe.env"), "NATS_TLS_FIRST=maybe\n").unwrap();
    for (words, value) in [
        ("health", "maybe"),
        ("capture -o x.jsonl", "2"),
        ("health --env-file maybe.env", ""),
    ] {
        let refused = ended(words, value);
        assert_eq!(refused.code, Some(2), "{words}: {refused:?}");
        let said = "NATS_TLS_FIRST; expected 1, true, yes, on for yes, or 0, false, no, off for no";
        assert!(refused.stderr.contains(said), "{words}: {refused:?}");
        assert!(refused.stderr.contains("--nats-tls-first"), "{refused:?}");
    }
    for value in ["", "on", "YES", "off", "0"] {
        let accepted = ended("health --connect-timeout 100ms", value);
        assert_eq!(accepted.code, Some(4), "{value}: {accepted:?}");
    }
}

#[test]
fn a_name_that_promises_another_format_is_refused() {
    let folder = Folder::new();
    folder.copy_of(&quick(), "rec");
    let names = folder.names();
    for words in [
        "export rec -o x.csv.gz",
        "export rec -o x.csv.ZST",
        "export rec --format payload -o x.parquet",
        "replay rec --rate max --sink jsonl:a.jsonl.gz",
        "capture -o x.jsonl.xz --nats-url nats://127.0.0.1:1",
    ] {
        refused(&folder, words, "promises another format");
    }
    for words in [
        "import rec/none.csv -o -",
        "generate -o -",
        "slice rec -o -",
    ] {
        refused(&folder, words, "a recording is a folder");
    }
    assert_eq!(folder.names(), names);
    ends_in(&folder, "export rec -o x.csv.zst -n 5").done();
}

#[test]
fn a_flag_without_effect_is_refused() {
    let folder = Folder::new();
    folder.copy_of(&quick(), "rec");
    for (words, message) in [
        (
            "export rec --payload decimal",
            "--payload needs --format payload",
        ),
        (
            "export rec --format jsonl --payload vnpy",
            "--payload needs",
        ),
        (
            "export rec --format csv --drop stale",
            "--drop needs --format payload",
        ),
        (
            "record --source synthetic:quick -o new --payload decimal",
            "--payload needs --publish",
        ),
        (
            "record --source synthetic:quick -o new --subject-prefix a.b",
            "--subject-prefix needs --publish",
        ),
        (
            "record --source synthetic:quick -o new --sink null",
            "--sink needs --publish",
        ),
        ("check rec --limit 0", "expected a whole number, 1 or more"),
        (
            "diff rec rec --limit 0",
            "expected a whole number, 1 or more",
        ),
    ] {
        refused(&folder, words, message);
    }
    assert_eq!(folder.names(), ["rec"]);
    ends_in(
        &folder,
        "export rec --format payload --payload decimal -o x -n 5",
    )
    .done();
}

#[test]
fn a_word_that_is_no_level_is_refused() {
    let folder = Folder::new();
    folder.copy_of(&quick(), "rec");
    for words in [
        "info rec --log-level wran",
        "info rec --log-level tickdeck",
        "info rec --log-level debug,async_nats",
    ] {
        refused(&folder, words, "is not a level; expected a level");
    }
    for level in [
        "warn",
        "OFF",
        "3",
        "tickdeck=info",
        "warn,tickdeck::x=debug",
    ] {
        ends_in(&folder, &format!("info rec --log-level {level}")).done();
    }
}

#[test]
fn an_error_is_printed_whatever_is_logged() {
    let folder = Folder::new();
    let rec = folder.copy_of(&quick(), "rec");
    let segment = rec.join("part-00000.parquet");
    let bytes = std::fs::read(&segment).unwrap();
    std::fs::write(&segment, &bytes[..bytes.len() / 2]).unwrap();
    let silent = "--log-level off";
    for (words, code) in [
        ("check rec", 1),
        ("diff rec rec", 1),
        ("info nosuch", 2),
        ("replay rec --rate max --sink null", 4),
    ] {
        let ended = ends_in(&folder, &format!("{words} {silent}"));
        assert_eq!(ended.code, Some(code), "{words}: {ended:?}");
        assert!(ended.stderr.starts_with("error: "), "{words}: {ended:?}");
        let ended = ends_in(&folder, &format!("{words} {silent} --log-format json"));
        let line: serde_json::Value = serde_json::from_str(&ended.stderr).unwrap();
        assert_eq!(
            (&line["event"], &line["exit_code"]),
            (&"error".into(), &code.into())
        );
    }
    // Where the log says it, it is not said twice.
    let ended = ends_in(&folder, "check rec");
    assert!(!ended.stderr.contains("error: "), "{ended:?}");
}

#[test]
fn a_negative_value_is_explained() {
    let folder = Folder::new();
    folder.copy_of(&quick(), "rec");
    for (words, flag) in [
        ("replay rec --rate -1", "'--rate <RATE>'"),
        ("replay rec -r -0.5", "'--rate <RATE>'"),
        ("replay rec -n -1", "'--count <N>'"),
        ("replay rec --start-offset -5s", "'--start-offset <SPAN>'"),
        ("generate -o new --seed -1", "'--seed <N>'"),
    ] {
        refused(&folder, words, &format!("for {flag}: "));
        refused(&folder, words, "expected");
    }
    // Where no value is possible, the parser's own words stay.
    let ended = ends_in(&folder, "info -1");
    assert_eq!(ended.code, Some(2), "{ended:?}");
}

#[test]
fn a_pattern_without_a_match_generates_the_others() {
    let folder = Folder::new();
    let ended = ends_in(&folder, "generate -o new --symbols rb*,zz*").done();
    let mut lines = ended.stderr.lines();
    let warning = lines
        .find(|line| line.contains("symbols_unmatched"))
        .unwrap();
    assert!(warning.contains("patterns=zz*"), "{warning}");
    assert!(folder.join("new").is_dir());
    refused(
        &folder,
        "generate -o none --symbols zz*,yy*",
        "--symbols zz*,yy* matches none",
    );
    assert_eq!(folder.names(), ["new"]);
}

#[test]
fn a_prefix_of_the_server_is_refused() {
    let folder = Folder::new();
    folder.copy_of(&quick(), "rec");
    for prefix in ["$SYS", "$JS.x", "_INBOX", "_INBOX.x"] {
        let words = format!("replay rec --subject-prefix {prefix} --sink null --rate max");
        refused(&folder, &words, "which NATS keeps for itself");
    }
}

#[test]
fn an_error_names_the_file_of_the_user() {
    let folder = Folder::new();
    folder.copy_of(&quick(), "rec");
    for words in [
        "replay rec --rate max --sink jsonl:none/x.jsonl",
        "export rec -o none/x.jsonl",
        "export rec --format payload -o none/x.jsonl",
        "capture -o none/x.jsonl --nats-url nats://127.0.0.1:1",
    ] {
        let ended = ends_in(&folder, words);
        assert_eq!(ended.code, Some(4), "{words}: {ended:?}");
        assert!(ended.stderr.contains("none/x.jsonl"), "{words}: {ended:?}");
        assert!(!ended.stderr.contains(".tmp"), "{words}: {ended:?}");
        assert!(!ended.stderr.contains(".times"), "{words}: {ended:?}");
    }
}

#[test]
fn a_full_stdout_is_named() {
    let folder = Folder::new();
    folder.copy_of(&quick(), "rec");
    for words in [
        "cat rec",
        "info rec",
        "info rec --json",
        "export rec",
        "export rec --format payload",
        "replay rec --rate max --sink jsonl:- -q",
    ] {
        let mut command = command_of("bash");
        let binary = binary().display();
        command
            .arg("-c")
            .arg(format!("exec {binary} {words} > /dev/full"));
        command.current_dir(folder.path());
        let ended = finish(command);
        assert_eq!(ended.code, Some(4), "{words}: {ended:?}");
        let is_named = ended.stderr.contains("stdout") && ended.stderr.contains("No space left");
        assert!(is_named, "{words}: {ended:?}");
    }
}

#[test]
fn a_full_disk_names_the_export() {
    let folder = Folder::new();
    folder.copy_of(&quick(), "rec");
    for (format, words) in [("csv", "exporting to"), ("payload", "writing to")] {
        let mut command = command_of("bash");
        let binary = binary().display();
        command.arg("-c").arg(format!(
            "ulimit -f 4; exec {binary} export rec --format {format} -o big.txt"
        ));
        command.current_dir(folder.path());
        let ended = finish(command);
        assert_eq!(ended.code, Some(4), "{ended:?}");
        let message = format!("{words} big.txt");
        assert!(ended.stderr.contains(&message), "{ended:?}");
        assert!(!ended.stderr.contains(".tmp"), "{ended:?}");
        assert_eq!(folder.names(), ["rec"]);
    }
}

#[test]
fn a_field_that_no_message_has_is_not_accepted() {
    let folder = Folder::new();
    folder.copy_of(&quick(), "rec");
    ends_in(&folder, "check rec --update").done();
    ends_in(&folder, "check rec --accept-field last_price").done();
    for words in [
        "check rec --accept-field lst_price",
        "check rec --accept-field last_price --accept-field lst_price",
    ] {
        let ended = ends_in(&folder, words);
        assert_eq!(ended.code, Some(2), "{words}: {ended:?}");
        assert!(ended.stderr.contains("\"lst_price\", which"), "{ended:?}");
    }
    // One of two inputs has the field.
    std::fs::write(folder.join("other.jsonl"), "a.b {\"x\":1}\n").unwrap();
    ends_in(&folder, "check other.jsonl --update").done();
    ends_in(&folder, "check rec other.jsonl --accept-field last_price").done();
}

#[test]
fn every_refused_input_has_its_hint() {
    let folder = Folder::new();
    for name in ["one", "two"] {
        std::fs::create_dir(folder.join(name)).unwrap();
        std::fs::copy(
            quick().join("part-00000.parquet"),
            folder.join(name).join("part-00000.parquet"),
        )
        .unwrap();
    }
    for words in ["info one two", "info one two --log-format json"] {
        let mut command = tickdeck(words.split(' '));
        command.current_dir(folder.path());
        let ended = finish(command);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        let hint = "`tickdeck recover` makes it again from segments and journal";
        assert_eq!(ended.stderr.matches(hint).count(), 2, "{ended:?}");
        assert!(ended.stderr.contains("input_failed"), "{ended:?}");
    }
}
