//! How a difference is reported: in a terminal, as JSON, as JUnit, as HTML.

use insta::assert_snapshot;
use serde_json::Value;

use super::{ends, falsify, folder, published, write_lines};
use crate::support::cli::Ended;
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
         reordered fields moved before first located windows segments subjects errors unreferenced",
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
    let rows: Vec<&str> = found.lines().filter(|l| l.contains("(form)")).collect();
    assert_eq!(rows.len(), 3, "two differences and a group: {found}");
    assert!(rows[0].trim_end().ends_with("}\\r"), "{found}");
    assert_eq!(rows[0].matches('}').count(), 2, "{found}");
    let mut blank = lines.clone();
    blank[3] = blank[3].replace(",\"seq\":", ", \"seq\":");
    write_lines(&folder.join("live.jsonl"), &blank);
    let found = ends(&folder, 1, "check live.jsonl").stdout;
    let row = found.lines().find(|line| line.contains("(form)")).unwrap();
    assert_eq!(row.matches(",\"seq\":").count(), 1, "{row}");
    assert_eq!(row.matches(", \"seq\":").count(), 1, "{row}");
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
