//! How a difference is reported: in a terminal, as JSON, as JUnit, as HTML.

use insta::assert_snapshot;
use serde_json::Value;

use super::{ends, falsify, folder, published, write_lines};
use crate::support::cli::{Ended, binary, command_of, finish, tickdeck};
use crate::support::recordings::Folder;

/// A stream with a falsified field, a lost, a doubled and two swapped messages, checked with `words`.
fn differing(words: &str) -> (Folder, Ended) {
    let folder = folder();
    ends(&folder, 0, "check rec --update");
    let mut lines = published();
    falsify(&mut lines, "CZCE");
    lines.remove(300);
    lines.insert(500, lines[499].clone());
    lines.swap(700, 701);
    write_lines(&folder.join("live.jsonl"), &lines);
    let words = format!("check live.jsonl --golden rec.golden.json {words}");
    let ended = ends(&folder, 1, &words);
    (folder, ended)
}

#[test]
fn text_names_the_first_difference() {
    let (_, ended) = differing("--limit 4");
    assert_snapshot!(ended.stdout);
}

#[test]
fn golden_without_stream_locates_by_digest() {
    let folder = folder();
    ends(&folder, 0, "check rec --update --stream-limit 0");
    let mut lines = published();
    falsify(&mut lines, "CZCE");
    write_lines(&folder.join("live.jsonl"), &lines);
    let ended = ends(&folder, 1, "check live.jsonl --golden rec.golden.json");
    assert_snapshot!(ended.stdout);
}

/// Keys in the order of the text, which a parsed value does not keep.
fn has_in_order(text: &str, keys: &str) {
    let mut at = 0;
    for key in keys.split_whitespace() {
        let found = text[at..].find(&format!("\"{key}\":"));
        at += found.unwrap_or_else(|| panic!("{key} is not behind {at}: {text}"));
    }
}

#[test]
fn json_is_one_object_with_ordered_keys() {
    let (_, ended) = differing("--json");
    assert_eq!(ended.stdout.lines().count(), 1);
    has_in_order(
        &ended.stdout,
        "passed checks input golden verdict notes messages digest golden_messages golden_digest \
         left_out comparison messages_before messages_after equal changed timing_only missing extra \
         reordered fields moved instruments by_instrument before first kind subject exchange \
         instrument seq exchange_time recv_time reordered previous position_before position_after \
         fields payload_before payload_after not_shown located windows segments subjects session \
         golden_session versions tickdeck errors unreferenced",
    );
    let result: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(result["passed"], false);
    let check = &result["checks"][0];
    assert_eq!(check["verdict"], "different");
    let found = &check["comparison"];
    assert_eq!(found["fields"][0]["name"], "open_interest");
    assert_eq!((&found["missing"], &found["extra"]), (&1.into(), &1.into()));
    let first = &found["first"][0];
    assert_eq!(first["fields"][0]["field"], "open_interest");
    assert!(first["payload_before"].as_str().unwrap().starts_with('{'));
    assert_eq!(
        (&first["instrument"], &first["exchange"]),
        (&"TA601".into(), &"CZCE".into())
    );
    assert_eq!(first["exchange_time"], "2025-09-12T09:29:57.000+08:00");
    assert_eq!(first["recv_time"], "2025-09-12T09:29:58.060253163+08:00");
    assert_eq!(
        first["previous"],
        Value::Null,
        "the first of its instrument"
    );
    let previous = &found["first"][1]["previous"];
    assert_eq!(
        (&previous["seq"], &previous["exchange_time"]),
        (&31.into(), &"2025-09-12T09:29:59.000+08:00".into()),
        "{previous}"
    );
    assert_eq!(
        (&previous["price"], &previous["volume"]),
        (&"4714.0".into(), &"254898".into()),
        "{previous}"
    );
    assert_eq!(check["versions"]["golden_format"], "1.0");
    assert!(check["golden_session"].is_string(), "{check}");
}

#[test]
fn every_difference_names_tick_and_previous_tick() {
    let (_, ended) = differing("--limit 100");
    let block = |word: &str| {
        let blocks = ended.stdout.split("\n\n");
        let mut blocks = blocks.filter(|block| block.starts_with(word));
        blocks.next().unwrap_or_default().to_owned()
    };
    assert_snapshot!(block("missing"));
    assert_snapshot!(block("extra"));
    assert_snapshot!(block("reordered"));
    // Of the other payload.
    let folder = folder();
    ends(&folder, 0, "check rec --payload decimal --update");
    let words = "check rec --payload decimal --drop snapshot --limit 1";
    let text = ends(&folder, 1, words).stdout;
    let expected = "missing  au2512.SHFE  2025-09-12T09:29:57.000+08:00  message 0\n";
    assert!(text.contains(expected), "{text}");
    assert!(
        text.contains("only golden  price 790.28  volume 65156\n"),
        "{text}"
    );
}

#[test]
fn another_prefix_shows_in_the_subjects() {
    let folder = folder();
    ends(&folder, 0, "check rec --update");
    let text = ends(&folder, 1, "check rec --subject-prefix other --limit 2").stdout;
    for line in [
        "  subject      market.tick.SHFE.au2512\n",
        "  subject   other.SHFE.au2512\n",
    ] {
        assert!(text.contains(line), "{text}");
    }
}

/// The commands that a check prints to accept what it found.
fn accepting(stdout: &str) -> Vec<&str> {
    let (_, ways) = stdout.split_once("\nto accept this\n").unwrap_or_default();
    ways.lines().map(str::trim).collect()
}

#[test]
fn printed_commands_accept_the_difference() {
    let folder = Folder::new();
    let mut lines = published();
    let live = folder.join("it's live.jsonl");
    write_lines(&live, &lines);
    let check = |words: &[&str]| {
        let mut command = tickdeck(["check", "it's live.jsonl", "-q"]);
        command.args(words).current_dir(folder.path());
        finish(command)
    };
    check(&["--golden", "my goldens/", "--update"]).done();
    falsify(&mut lines, "CZCE");
    let golden = folder.join("my goldens/it's live.golden.json");
    let before = std::fs::read(&golden).unwrap();
    for way in 0..2 {
        write_lines(&live, &lines);
        let differing = check(&["--golden", "my goldens/", "--html", "page.html"]);
        assert_eq!(differing.code, Some(1), "{differing:?}");
        let ways = accepting(&differing.stdout);
        assert_eq!(ways.len(), 2, "{differing:?}");
        assert!(
            ways[1].contains("--accept-field open_interest "),
            "{ways:?}"
        );
        let page = std::fs::read_to_string(folder.join("page.html")).unwrap();
        let shown = ways[way].replace('&', "&amp;").replace('"', "&quot;");
        assert!(page.contains(&shown), "{shown} in {page}");
        let folder_of_binary = binary().parent().unwrap().display();
        let path = std::env::var("PATH").unwrap();
        let mut command = command_of("sh");
        command
            .args(["-c", ways[way]])
            .env("PATH", format!("{folder_of_binary}:{path}"))
            .current_dir(folder.path());
        finish(command).done();
        check(&["--golden", "my goldens/"]).done();
        assert!(std::fs::read(&golden).unwrap() != before);
        std::fs::write(&golden, &before).unwrap();
        let stream = folder.join("my goldens/it's live.golden.jsonl.zst");
        write_lines(&stream, &published());
    }
}

#[test]
fn commands_are_printed_only_where_they_work() {
    let folder = folder();
    ends(&folder, 0, "check rec --update");
    // Another payload: every change has to be accepted.
    let found = ends(&folder, 1, "check rec --drop snapshot --stream-limit 5");
    assert_eq!(
        accepting(&found.stdout),
        ["tickdeck check rec --drop snapshot --stream-limit 5 --update"]
    );
    // An unfinished recording makes no golden.
    let manifest = folder.join("rec/manifest.json");
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, text.replace("\"complete\"", "\"recording\"")).unwrap();
    let found = ends(&folder, 1, "check rec --drop snapshot");
    assert_eq!(accepting(&found.stdout), [""; 0], "{found:?}");
    // Nor does a captured stream for a recording.
    let mut lines = published();
    falsify(&mut lines, "CZCE");
    write_lines(&folder.join("live.jsonl"), &lines);
    let found = ends(&folder, 1, "check live.jsonl --golden rec.golden.json");
    assert_eq!(accepting(&found.stdout), [""; 0], "{found:?}");
}

#[test]
fn a_page_has_versions_and_sessions() {
    let folder = folder();
    ends(&folder, 0, "check rec --update");
    ends(
        &folder,
        1,
        "check rec --drop snapshot --limit 1 --html page.html",
    );
    let page = std::fs::read_to_string(folder.join("page.html")).unwrap();
    let golden = std::fs::read_to_string(folder.join("rec.golden.json")).unwrap();
    let golden: Value = serde_json::from_str(&golden).unwrap();
    let session = golden["source"]["session"].as_str().unwrap();
    let digest = golden["digest"].as_str().unwrap();
    for (name, before) in [
        ("session", session),
        ("tickdeck", env!("CARGO_PKG_VERSION")),
        ("normalizer", &golden["payload"]["normalizer"].to_string()),
        ("golden format", "1.0"),
        ("messages", "918"),
        ("digest", digest),
    ] {
        let row = format!("<tr><th>{name}</th><td><code>{before}</code></td>");
        assert!(page.contains(&row), "{row} in {page}");
    }
    ends(
        &folder,
        1,
        "check rec --drop snapshot --limit 1 --html again.html",
    );
    let again = std::fs::read_to_string(folder.join("again.html")).unwrap();
    assert_eq!(page, again, "the page depends on the inputs only");
}

#[test]
fn a_pipe_has_no_previous_tick() {
    let (folder, _) = differing("");
    write_lines(&folder.join("a.jsonl"), &published());
    let diff = |line: &str| {
        let mut command = command_of("sh");
        let line = format!(
            "{line} | {} diff -q /dev/stdin live.jsonl",
            binary().display()
        );
        command.args(["-c", &line]).current_dir(folder.path());
        finish(command).stdout
    };
    let piped = diff("cat a.jsonl");
    assert!(
        piped.contains("open_interest  741191.0 -> 1741191.0"),
        "{piped}"
    );
    assert!(!piped.contains("  previous "), "{piped}");
    let file = ends(&folder, 1, "diff a.jsonl live.jsonl").stdout;
    assert!(file.contains("  previous "), "{file}");
}

#[test]
fn junit_has_a_case_per_input() {
    let (folder, _) = differing("--junit report.xml");
    let read = |name: &str| {
        let xml = std::fs::read_to_string(folder.join(name)).unwrap();
        quick_junit::Report::deserialize_from_str(&xml).unwrap()
    };
    let report = read("report.xml");
    assert_eq!((report.tests, report.failures, report.errors), (1, 1, 0));
    let case = &report.test_suites[0].test_cases[0];
    assert_eq!(case.name.as_str(), "live.jsonl");
    ends(
        &folder,
        2,
        "check rec nowhere.jsonl rec/contracts.parquet --golden . --junit two.xml",
    );
    let report = read("two.xml");
    assert_eq!((report.tests, report.failures, report.errors), (3, 0, 2));
}

#[test]
fn unwritable_report_fails_before_the_check() {
    let folder = folder();
    for words in [
        "check rec --update --html no/where.html",
        "check rec --update --junit out.xml --html .",
        "check rec --update --html /dev/null",
    ] {
        let ended = ends(&folder, 2, words);
        assert!(ended.stderr.contains("cannot be written"), "{ended:?}");
        assert_eq!(ended.stdout, "", "{words}");
        assert_eq!(folder.names(), ["rec"], "{words}");
    }
    ends(&folder, 0, "check rec --update");
    let inside = ends(&folder, 2, "check rec --junit rec/report.xml");
    assert!(inside.stderr.contains("inside a recording"), "{inside:?}");
    std::fs::create_dir(folder.join("reports")).unwrap();
    let twice = "check rec --junit reports/out --html reports/../reports/out";
    let twice = ends(&folder, 2, twice);
    assert!(twice.stderr.contains("are the same file"), "{twice:?}");
    let table =
        "instrument_id,exchange,product_id,product_class,multiplier,price_tick,session,name\n";
    std::fs::write(folder.join("new.csv"), table).unwrap();
    std::fs::hard_link(folder.join("new.csv"), folder.join("page.html")).unwrap();
    for report in ["new.csv", "page.html"] {
        let words = format!("check rec --contracts new.csv --html {report}");
        let taken = ends(&folder, 2, &words);
        assert!(
            taken
                .stderr
                .contains("is the same file as the input new.csv"),
            "{taken:?}"
        );
    }
    assert_eq!(
        std::fs::read_to_string(folder.join("new.csv")).unwrap(),
        table
    );
}

#[test]
fn json_is_printed_without_any_check() {
    let folder = folder();
    let ended = ends(&folder, 2, "check rec --json");
    let result: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(result["passed"], false);
    assert_eq!(result["checks"], serde_json::json!([]));
    assert_eq!(result["errors"][0]["input"], "rec");
}

#[test]
fn html_is_self_contained_and_escaped() {
    let folder = Folder::new();
    let line = |text: &str| vec![format!("a.<b>&c {{\"text\":\"{text}\"}}")];
    let path = folder.join("live.jsonl");
    write_lines(&path, &line("before"));
    ends(&folder, 0, "check live.jsonl --update");
    write_lines(&path, &line("<script>alert(1)</script>"));
    ends(&folder, 1, "check live.jsonl --html page.html");
    let page = std::fs::read_to_string(folder.join("page.html")).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>"));
    assert!(
        page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"),
        "{page}"
    );
    assert!(page.contains("a.&lt;b&gt;&amp;c"), "{page}");
    for foreign in [
        "<script", "src=", "http://", "https://", "<link", "@import", "url(",
    ] {
        assert!(!page.contains(foreign), "{foreign} in {page}");
    }
}

#[test]
fn form_differences_are_shown() {
    let folder = Folder::new();
    let lines = published();
    write_lines(&folder.join("live.jsonl"), &lines);
    ends(&folder, 0, "check live.jsonl --update");
    let windows: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    std::fs::write(folder.join("live.jsonl"), windows).unwrap();
    let found = ends(&folder, 1, "check live.jsonl --limit 2").stdout;
    let values = |found: &str| -> Vec<[String; 2]> {
        let lines: Vec<&str> = found.lines().map(str::trim).collect();
        let pairs = lines.windows(3).filter(|lines| lines[0] == "(form)");
        let value = |line: &str| line.split_once("  ").unwrap().1.trim().to_owned();
        pairs
            .map(|lines| [value(lines[1]), value(lines[2])])
            .collect()
    };
    let pairs = values(&found);
    assert_eq!(pairs.len(), 2, "{found}");
    for [golden, now] in &pairs {
        assert_eq!(*now, format!("{golden}\\u000d"), "{found}");
    }
    assert!(found.contains("  (form)        918 ticks"), "{found}");
    let mut blank = lines.clone();
    blank[3] = blank[3].replace(",\"seq\":", ", \"seq\":");
    write_lines(&folder.join("live.jsonl"), &blank);
    let found = ends(&folder, 1, "check live.jsonl").stdout;
    let pairs = values(&found);
    let [[golden, now]] = &pairs[..] else {
        panic!("{found}");
    };
    assert!(
        golden.contains(",\"seq\":") && now.contains(", \"seq\":"),
        "{found}"
    );
    assert_eq!(golden.len() + 1, now.len(), "{found}");
}

#[test]
fn reordering_is_found_without_a_stream() {
    let folder = Folder::new();
    let mut lines = published();
    write_lines(&folder.join("live.jsonl"), &lines);
    ends(&folder, 0, "check live.jsonl --update --stream-limit 0");
    let subject = |line: &str| line.split_once(' ').unwrap().0.to_owned();
    assert_ne!(subject(&lines[100]), subject(&lines[101]));
    lines.swap(100, 101);
    write_lines(&folder.join("live.jsonl"), &lines);
    let found = ends(&folder, 1, "check live.jsonl").stdout;
    assert!(found.contains("only their order differs"), "{found}");
    // The golden of a recording has windows that a captured stream lacks.
    let folder = self::folder();
    ends(&folder, 0, "check rec --update --stream-limit 0");
    write_lines(&folder.join("live.jsonl"), &lines);
    let found = ends(&folder, 1, "check live.jsonl --golden rec.golden.json").stdout;
    assert!(found.contains("only their order differs"), "{found}");
}
