//! Goldens: made, held, updated, refused.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::super::golden_file::stream_path;
use super::*;

/// A folder with a stream and its golden.
struct Bench {
    folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn golden(&self) -> PathBuf {
        self.folder.path().join("live.golden.json")
    }

    fn read(&self) -> Golden {
        Golden::read(&self.golden()).unwrap().unwrap()
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn check_with(&self, text: &str, options: &CheckOptions) -> Result<Checked, CheckError> {
        let path = self.folder.path().join("live.jsonl");
        std::fs::write(&path, text).unwrap();
        let stream = StreamFile::open(&path)?;
        check_stream(stream, &self.golden(), options, &mut |_| true)
    }

    fn check(&self, text: &str, accept: Accept) -> Result<Checked, CheckError> {
        let options = CheckOptions {
            accept,
            ..CheckOptions::default()
        };
        self.check_with(text, &options)
    }

    #[track_caller]
    fn verdict(&self, text: &str, accept: Accept) -> Verdict {
        self.check(text, accept).unwrap().verdict
    }

    fn edit(&self, change: impl FnOnce(&mut serde_json::Value)) {
        let mut golden: serde_json::Value = read_json(&self.golden());
        change(&mut golden);
        std::fs::write(self.golden(), golden.to_string()).unwrap();
    }
}

fn read_json(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn fields(names: &[&str]) -> Accept {
    Accept::Fields(names.iter().map(|&name| name.to_owned()).collect())
}

#[test]
fn a_golden_is_made_once_and_holds_until_something_changes() {
    let bench = Bench::new();
    let before = text(&ticks(9));
    let missing = bench.check(&before, Accept::Nothing).unwrap_err();
    assert!(matches!(missing, CheckError::NoGolden { .. }), "{missing}");
    assert!(missing.is_bad_input());
    assert_eq!(bench.names(), ["live.jsonl"], "nothing is written unasked");
    assert_eq!(bench.verdict(&before, Accept::Everything), Verdict::Made);
    let names = ["live.golden.json", "live.golden.jsonl.zst", "live.jsonl"];
    assert_eq!(bench.names(), names);
    assert_eq!(bench.verdict(&before, Accept::Nothing), Verdict::Equal);
    let bytes = std::fs::read(bench.golden()).unwrap();
    assert_eq!(bench.verdict(&before, Accept::Everything), Verdict::Equal);
    let after = one_changed(9);
    let found = bench.check(&after, Accept::Nothing).unwrap();
    assert_eq!(found.verdict, Verdict::Different);
    assert_eq!(found.comparison.unwrap().changed, 1);
    assert_eq!(found.located.subjects.differing, 1);
    assert_eq!(std::fs::read(bench.golden()).unwrap(), bytes);
    assert_eq!(bench.verdict(&after, Accept::Everything), Verdict::Updated);
    assert_eq!(bench.verdict(&after, Accept::Nothing), Verdict::Equal);
    assert_eq!(bench.names(), names);
}

#[test]
fn a_check_that_is_interrupted_writes_nothing() {
    let bench = Bench::new();
    let path = bench.folder.path().join("live.jsonl");
    std::fs::write(&path, text(&ticks(2000))).unwrap();
    let options = CheckOptions {
        accept: Accept::Everything,
        ..CheckOptions::default()
    };
    let stop = &mut |messages| messages < 1000;
    let stream = StreamFile::open(&path).unwrap();
    let error = check_stream(stream, &bench.golden(), &options, stop).unwrap_err();
    assert!(matches!(error, CheckError::Interrupted { .. }), "{error}");
    assert_eq!(bench.names(), ["live.jsonl"]);
}

#[test]
fn a_field_is_accepted_only_when_nothing_else_changed() {
    let bench = Bench::new();
    bench.verdict(&text(&ticks(9)), Accept::Everything);
    let bytes = std::fs::read(bench.golden()).unwrap();
    let after = one_changed(9);
    for accept in [fields(&["volume"]), fields(&[])] {
        assert_eq!(bench.verdict(&after, accept), Verdict::Different);
        assert_eq!(std::fs::read(bench.golden()).unwrap(), bytes);
    }
    let lost = text(&ticks(8));
    assert_eq!(
        bench.verdict(&lost, fields(&["last_price"])),
        Verdict::Different
    );
    let accept = fields(&["volume", "last_price"]);
    assert_eq!(bench.verdict(&after, accept), Verdict::Updated);
    assert_eq!(bench.verdict(&after, Accept::Nothing), Verdict::Equal);
}

#[test]
fn above_the_limit_a_golden_has_no_stream_and_still_locates() {
    let bench = Bench::new();
    let short = CheckOptions {
        accept: Accept::Everything,
        stream_limit: Some(8),
        ..CheckOptions::default()
    };
    let before = text(&ticks(9));
    bench.check_with(&before, &short).unwrap();
    assert_eq!(bench.names(), ["live.golden.json", "live.jsonl"]);
    assert_eq!(bench.verdict(&before, Accept::Nothing), Verdict::Equal);
    let found = bench.check(&one_changed(9), Accept::Nothing).unwrap();
    assert_eq!(found.verdict, Verdict::Different);
    assert_eq!(found.comparison, None);
    let subjects: Vec<&str> = found
        .located
        .subjects
        .first
        .iter()
        .map(|p| &p.name[..])
        .collect();
    assert_eq!(subjects, ["market.tick.CZCE.TA601"]);
    let error = bench
        .check(&one_changed(9), fields(&["last_price"]))
        .unwrap_err();
    assert!(
        error.is_bad_input() && error.to_string().contains("fields are unknown"),
        "{error}"
    );
    // The limit is remembered, and a larger one brings the stream back.
    bench.check(&before, Accept::Everything).unwrap();
    assert_eq!(bench.read().stream, None);
    let long = CheckOptions {
        stream_limit: Some(9),
        ..short.clone()
    };
    assert_eq!(
        bench.check_with(&before, &long).unwrap().verdict,
        Verdict::Updated
    );
    assert!(bench.names().contains(&"live.golden.jsonl.zst".to_owned()));
    assert_eq!(
        bench.check_with(&before, &short).unwrap().verdict,
        Verdict::Updated
    );
    assert!(!bench.names().contains(&"live.golden.jsonl.zst".to_owned()));
}

#[test]
fn volatile_fields_are_not_compared_and_survive_an_update() {
    let bench = Bench::new();
    let before = text(&ticks(9));
    bench.verdict(&before, Accept::Everything);
    let later = before.replace("000000+08:00", "777777+08:00");
    assert_eq!(bench.verdict(&later, Accept::Nothing), Verdict::Different);
    let volatile = serde_json::json!([{"field": "local_time", "reason": "another machine"}]);
    bench.edit(|golden| golden["volatile"] = volatile.clone());
    // Declared, but the digests still include the field: the stream shows it.
    assert_eq!(bench.verdict(&later, Accept::Nothing), Verdict::Equal);
    let changed = later.replace("\"volume\":5,", "\"volume\":6,");
    assert_eq!(bench.verdict(&changed, Accept::Nothing), Verdict::Different);
    assert_eq!(bench.verdict(&later, Accept::Everything), Verdict::Updated);
    let golden = bench.read();
    assert_eq!(golden.volatile[0].reason, "another machine");
    assert_eq!(golden.left_out, ["local_time"]);
    for same in [&before, &later] {
        assert_eq!(bench.verdict(same, Accept::Nothing), Verdict::Equal);
        assert_eq!(
            bench.check(same, Accept::Nothing).unwrap().digest,
            golden.digest
        );
    }
    // Without the stream the digests, which leave the field out, are enough.
    std::fs::remove_file(stream_path(&bench.golden())).unwrap();
    let found = bench.check(&before, Accept::Nothing).unwrap();
    assert_eq!(found.verdict, Verdict::Equal);
    assert!(found.notes[0].text.contains("is missing"), "{found:?}");
    assert_eq!(bench.verdict(&changed, Accept::Nothing), Verdict::Different);
    bench.edit(|golden| golden["volatile"] = serde_json::json!([]));
    let error = bench.check(&before, Accept::Nothing).unwrap_err();
    let CheckError::GoldenCannotTell { reason, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!(*reason, CannotTell::OtherFieldsLeftOut);
}

#[test]
fn what_is_no_golden_or_not_its_stream_is_refused() {
    let bench = Bench::new();
    let before = text(&ticks(9));
    bench.verdict(&before, Accept::Everything);
    let good = std::fs::read(bench.golden()).unwrap();
    let edits = [
        ("golden format version 2.0", Some(("format_version", "2.0"))),
        ("expected \"tickdeck-golden\"", Some(("format", "other"))),
        ("is not a file name", Some(("stream", "../x"))),
        ("8 messages instead of 9", None),
    ];
    let stream = stream_path(&bench.golden());
    for (expected, edit) in edits {
        if let Some((key, value)) = edit {
            bench.edit(|golden| golden[key] = value.into());
        } else {
            let packed = zstd::encode_all(text(&ticks(8)).as_bytes(), 1).unwrap();
            std::fs::write(&stream, packed).unwrap();
        }
        let error = bench.check(&before, Accept::Nothing).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert!(error.is_bad_input());
        std::fs::write(bench.golden(), &good).unwrap();
    }
    std::fs::write(
        &stream,
        zstd::encode_all(one_changed(9).as_bytes(), 1).unwrap(),
    )
    .unwrap();
    let error = bench.check(&before, Accept::Nothing).unwrap_err();
    assert!(error.to_string().contains("BLAKE3"), "{error}");
    // It may be all that there is of something: only its owner removes it.
    let kept = std::fs::read(&stream).unwrap();
    let error = bench.check(&before, Accept::Everything).unwrap_err();
    assert!(error.to_string().contains("remove it"), "{error}");
    assert!(error.is_bad_input());
    assert!(std::fs::read(&stream).unwrap() == kept);
    std::fs::remove_file(&stream).unwrap();
    assert_eq!(bench.verdict(&before, Accept::Everything), Verdict::Updated);
    std::fs::write(bench.golden(), "{").unwrap();
    let error = bench.check(&before, Accept::Everything).unwrap_err();
    assert!(error.is_bad_input(), "{error}");
}

#[test]
fn the_stream_of_a_golden_has_a_name_of_its_own() {
    let stream = |golden: &str| stream_path(Path::new(golden));
    assert_eq!(stream("a/x.golden.json"), Path::new("a/x.golden.jsonl.zst"));
    assert_eq!(stream("x.json"), Path::new("x.json.golden.jsonl.zst"));
    assert_eq!(stream("x"), Path::new("x.golden.jsonl.zst"));
}

#[test]
fn the_text_of_a_golden_is_small_and_reads_back() {
    let bench = Bench::new();
    bench.verdict(&text(&ticks(2)), Accept::Everything);
    let text = std::fs::read_to_string(bench.golden()).unwrap();
    insta::assert_snapshot!(text.replace(env!("CARGO_PKG_VERSION"), "VERSION"));
}
