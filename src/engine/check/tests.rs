//! Alignment and goldens on small streams, where every number is known.

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use tempfile::TempDir;

use super::stream::{MessagesInMemory, StreamWriter};
use super::tally::OTHER_FIELDS;
use super::*;
use crate::sink::MessageBatchBuilder;

/// One message of a stream in the making.
#[derive(Debug, Clone, PartialEq)]
struct Tick {
    instrument: usize,
    seq: u64,
    price: u32,
}

const INSTRUMENTS: [&str; 3] = ["SHFE.rb2601", "CZCE.TA601", "CFFEX.IF2509"];

impl Tick {
    fn line(&self) -> String {
        let Self {
            instrument,
            seq,
            price,
        } = self;
        // Half a second a tick, received on time.
        let millis = seq * 500;
        let (second, milli) = (millis / 1000, millis % 1000);
        let time = format!(
            "2025-09-12T{:02}:{:02}:{:02}.{milli:03}",
            9 + second / 3600,
            second / 60 % 60,
            second % 60
        );
        let subject = INSTRUMENTS[*instrument];
        format!(
            "market.tick.{subject} {{\"timestamp\":\"{time}+08:00\",\"last_price\":{price}.0,\
             \"volume\":{seq},\"local_time\":\"{time}000000+08:00\",\"seq\":{seq}}}\n"
        )
    }
}

fn ticks(count: u64) -> Vec<Tick> {
    let tick = |seq: u64| Tick {
        instrument: usize::try_from(seq % 3).unwrap(),
        seq,
        price: 5000,
    };
    (0..count).map(tick).collect()
}

fn text(ticks: &[Tick]) -> String {
    ticks.iter().map(Tick::line).collect()
}

fn compare_text(first: &str, second: &str, alignment: Alignment) -> Comparison {
    let [first, second] = [first, second].map(|text| MessagesInMemory::of_text(text).unwrap());
    let ignored = [];
    compare(first, second, alignment, &ignored, 3, &mut |_| true).unwrap()
}

#[track_caller]
fn both(first: &[Tick], second: &[Tick], counts: [u64; 6]) -> Comparison {
    let (first, second) = (text(first), text(second));
    let [by_seq, by_content] = [Alignment::Seq, Alignment::Content]
        .map(|alignment| compare_text(&first, &second, alignment));
    for found in [&by_seq, &by_content] {
        let found = [
            found.equal,
            found.changed,
            found.timing_only,
            found.missing,
            found.extra,
            found.reordered,
        ];
        assert_eq!(
            found, counts,
            "equal changed timing missing extra reordered"
        );
    }
    by_seq
}

#[test]
fn a_stream_equals_itself() {
    let ticks = ticks(2000);
    let found = both(&ticks, &ticks, [2000, 0, 0, 0, 0, 0]);
    assert!(found.is_equal() && found.first.is_empty() && found.before.is_empty());
    both(&[], &[], [0; 6]);
}

#[test]
fn one_lost_message_is_one_difference() {
    let all = ticks(1000);
    for lost in [0, 1, 500, 999] {
        let mut rest = all.clone();
        rest.remove(lost);
        let found = both(&all, &rest, [999, 0, 0, 1, 0, 0]);
        let first = &found.first[0];
        assert_eq!(first.kind, DifferenceKind::Missing);
        assert_eq!(first.seq, Some(lost as u64));
        assert_eq!(found.before.len(), lost.min(3));
        both(&rest, &all, [999, 0, 0, 0, 1, 0]);
    }
}

#[test]
fn a_hole_of_any_size_is_a_hole_and_nothing_behind_it_differs() {
    let all = ticks(20_000);
    let rest = [&all[..2_000], &all[15_000..]].concat();
    both(&all, &rest, [7_000, 0, 0, 13_000, 0, 0]);
    both(&rest, &all, [7_000, 0, 0, 0, 13_000, 0]);
    both(&all, &all[..1], [1, 0, 0, 19_999, 0, 0]);
}

#[test]
fn swapped_messages_are_reordered_and_not_lost() {
    let all = ticks(1000);
    for (left, right) in [(10, 11), (10, 13), (500, 600), (0, 3)] {
        let mut swapped = all.clone();
        swapped.swap(left, right);
        let (first, second) = (text(&all), text(&swapped));
        for alignment in [Alignment::Seq, Alignment::Content] {
            let found = compare_text(&first, &second, alignment);
            assert_eq!(found.equal, 1000, "{left} {right}");
            assert!((1..=2).contains(&found.reordered), "{found:?}");
            assert_eq!(found.differences(), 0);
            assert!(!found.is_equal());
        }
    }
}

#[test]
fn a_changed_field_is_counted_by_exchange_and_instrument() {
    let all = ticks(300);
    let mut changed = all.clone();
    for tick in changed.iter_mut().filter(|tick| tick.instrument == 1) {
        tick.price += 1;
    }
    let found = both(&all, &changed, [200, 100, 0, 0, 0, 0]);
    let [group] = &found.fields[..] else {
        panic!("{found:?}");
    };
    assert_eq!(group.name, "last_price");
    assert_eq!(
        group.exchanges.iter().collect::<Vec<_>>(),
        [(&"CZCE".to_owned(), &100)]
    );
    assert_eq!(group.most, [("TA601".to_owned(), 100)]);
    let first = &found.first[0];
    assert_eq!((first.seq, first.position_before), (Some(1), Some(1)));
    assert_eq!(first.fields[0].before.as_deref(), Some("5000.0"));
    assert_eq!(first.fields[0].after.as_deref(), Some("5001.0"));
}

#[test]
fn what_was_received_at_another_time_differs_in_timing_only() {
    let all = ticks(300);
    let first = text(&all);
    // Another machine, 3 ms later, that counts from 7 on and lost one message.
    let mut later = String::new();
    for (line, seq) in first.lines().zip(7..) {
        let line = line.replace("000000+08:00", "003000+08:00");
        let (head, _) = line.rsplit_once(':').unwrap();
        if seq != 107 {
            later.push_str(&format!("{head}:{seq}}}\n"));
        }
    }
    let found = compare_text(&first, &later, Alignment::Content);
    assert_eq!((found.timing_only, found.missing), (299, 1), "{found:?}");
    assert_eq!(
        (found.equal, found.changed, found.extra, found.reordered),
        (0, 0, 0, 0)
    );
}

#[test]
fn payloads_that_are_no_objects_are_paired_in_their_order() {
    let found = compare_text("a 1\na 2\nb 3\n", "a 1\na 5\nb 3\n", Alignment::Content);
    assert_eq!((found.equal, found.changed), (2, 1), "{found:?}");
    assert_eq!(found.fields[0].name, WHOLE_PAYLOAD);
}

proptest! {
    #[test]
    fn prop_what_was_done_to_a_stream_is_what_is_found(
        count in 1_u64..400,
        edits in proptest::collection::btree_map(0_usize..400, 0_u8..3, 0..40),
    ) {
        let all = ticks(count);
        let mut edited = Vec::new();
        let (mut lost, mut changed) = (0, 0);
        for (position, tick) in all.iter().enumerate() {
            match edits.get(&position) {
                Some(0) => lost += 1,
                Some(1) => {
                    changed += 1;
                    edited.push(Tick { price: 1, ..tick.clone() });
                }
                _ => edited.push(tick.clone()),
            }
        }
        let (first, second) = (text(&all), text(&edited));
        for alignment in [Alignment::Seq, Alignment::Content] {
            let found = compare_text(&first, &second, alignment);
            prop_assert_eq!((found.missing, found.changed), (lost, changed));
            prop_assert_eq!((found.extra, found.reordered, found.timing_only), (0, 0, 0));
            let back = compare_text(&second, &first, alignment);
            prop_assert_eq!((back.extra, back.changed, back.missing), (lost, changed, 0));
        }
    }

    #[test]
    fn prop_every_message_is_accounted_for_whatever_the_streams(
        first in proptest::collection::vec((0_usize..3, 0_u64..60, 0_u32..3), 0..150),
        second in proptest::collection::vec((0_usize..3, 0_u64..60, 0_u32..3), 0..150),
    ) {
        let stream = |parts: &[(usize, u64, u32)]| -> String {
            let tick = |&(instrument, seq, price): &_| Tick { instrument, seq, price }.line();
            parts.iter().map(tick).collect()
        };
        let (first_text, second_text) = (stream(&first), stream(&second));
        for alignment in [Alignment::Seq, Alignment::Content] {
            let found = compare_text(&first_text, &second_text, alignment);
            let paired = found.equal + found.changed + found.timing_only;
            prop_assert_eq!(paired + found.missing, first.len() as u64);
            prop_assert_eq!(paired + found.extra, second.len() as u64);
            prop_assert_eq!(found.is_equal(), first_text == second_text);
        }
    }
}

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

/// The ticks with one price changed.
fn one_changed(count: u64) -> String {
    let mut ticks = ticks(count);
    ticks[4].price = 4999;
    text(&ticks)
}

#[test]
fn a_golden_is_made_once_and_holds_until_something_changes() {
    let bench = Bench::new();
    let before = text(&ticks(9));
    let missing = bench.check(&before, Accept::Nothing).unwrap_err();
    assert!(missing.to_string().contains("--update"), "{missing}");
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
        error.is_bad_input() && error.to_string().contains("--stream-limit"),
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
    // Declared, but the digests are still those with the field: the stream tells.
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
    assert!(found.notes[0].text.contains("is not there"), "{found:?}");
    assert_eq!(bench.verdict(&changed, Accept::Nothing), Verdict::Different);
    bench.edit(|golden| golden["volatile"] = serde_json::json!([]));
    let error = bench.check(&before, Accept::Nothing).unwrap_err();
    assert!(error.to_string().contains("give --update"), "{error}");
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
        ("is no file name", Some(("stream", "../x"))),
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
fn a_line_that_is_no_message_is_named() {
    for (text, line, found) in [
        ("a 1\nb\n", 2, "\"b\""),
        ("a 1\n\na 2\n", 2, "an empty line"),
        (" 1\n", 1, "\" 1\""),
        ("{\"seq\": 1}\n", 1, "{"),
        ("a\tb 1\n", 1, "\"a\\tb 1\""),
    ] {
        let Err(error) = MessagesInMemory::of_text(text) else {
            panic!("{text}");
        };
        let message = error.to_string();
        assert!(message.contains(&format!("line {line}")), "{message}");
        assert!(message.contains(found), "{message}");
    }
    let kept = MessagesInMemory::of_text("a 1\na \na x y")
        .unwrap()
        .next_chunk();
    let kept = kept.unwrap().unwrap().messages;
    assert_eq!(
        kept.len(),
        3,
        "an empty payload, and a last line without its end"
    );
    assert_eq!(kept.get(2).unwrap().payload, b"x y");
}

proptest! {
    #[test]
    fn prop_a_stream_that_is_written_reads_back(
        messages in proptest::collection::vec(("[a-z.{}é]{1,9}", "[^\n]{0,40}"), 0..600),
    ) {
        let messages: Vec<_> = messages
            .into_iter()
            .map(|(subject, payload)| (format!("a{subject}"), payload))
            .collect();
        let mut builder = MessageBatchBuilder::default();
        for (subject, payload) in &messages {
            builder.push(subject.as_bytes(), payload.as_bytes());
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("live.jsonl.zst");
        let mut writer = StreamWriter::create(&path).unwrap();
        writer.push(&builder.take()).unwrap();
        writer.finish().unwrap();
        let mut stream = StreamFile::open(&path).unwrap();
        let mut read = Vec::new();
        while let Some(chunk) = stream.next_chunk().unwrap() {
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            let messages = chunk.messages.iter();
            read.extend(messages.map(|message| (text(message.subject), text(message.payload))));
        }
        prop_assert_eq!(read, messages);
        prop_assert!(stream.ended().digest.is_some());
    }

    #[test]
    fn prop_any_text_is_read_or_refused(text in "[a\\n {\"\\[]{0,60}") {
        let _ = MessagesInMemory::of_text(&text).map(|mut stream| stream.next_chunk());
    }
}

#[test]
fn a_stream_that_is_cut_off_is_told_from_one_that_ends() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("live.jsonl.zst");
    let packed = zstd::encode_all(text(&ticks(5000)).as_bytes(), 1).unwrap();
    std::fs::write(&path, &packed[..packed.len() / 2]).unwrap();
    let mut stream = StreamFile::open(&path).unwrap();
    let error = loop {
        match stream.next_chunk() {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the end of a stream that is cut off"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, CheckError::DamagedStream { .. }), "{error}");
}

#[test]
fn the_text_of_a_golden_is_small_and_reads_back() {
    let bench = Bench::new();
    bench.verdict(&text(&ticks(2)), Accept::Everything);
    let text = std::fs::read_to_string(bench.golden()).unwrap();
    insta::assert_snapshot!(text.replace(env!("CARGO_PKG_VERSION"), "VERSION"));
}

/// A stream of a few instruments, received `shift_s` later than the first one of its kind.
fn received(shift_s: u64) -> String {
    let mut text = String::new();
    for number in 0..2_000_u64 {
        let (time, subject) = (72_000 + number / 4, number % 7);
        let clock = |seconds: u64| {
            let (hours, minutes) = (seconds / 3_600 % 24, seconds / 60 % 60);
            format!("{hours:02}:{minutes:02}:{:02}", seconds % 60)
        };
        text.push_str(&format!(
            "m.SHFE.rb{subject} {{\"timestamp\":\"2026-01-05T{}.000+08:00\",\"volume\":{number},\
             \"local_time\":\"2026-01-05T{}.{number:09}+08:00\",\"seq\":{number}}}\n",
            clock(time),
            clock(time + shift_s)
        ));
    }
    text
}

#[test]
fn the_same_messages_received_at_any_other_time_differ_in_timing_only() {
    let first = received(0);
    for shift_s in [1, 60, 3_600, 20_000] {
        let found = compare_text(&first, &received(shift_s), Alignment::Content);
        let counts = (found.timing_only, found.changed, found.missing, found.extra);
        assert_eq!(counts, (2_000, 0, 0, 0), "{shift_s}");
    }
    // And one that is lost on the way is one.
    let later = received(3_600);
    let lost: Vec<&str> = later
        .lines()
        .enumerate()
        .filter(|(n, _)| *n != 700)
        .map(|(_, l)| l)
        .collect();
    let found = compare_text(&first, &(lost.join("\n") + "\n"), Alignment::Content);
    assert_eq!(
        (found.timing_only, found.missing, found.extra),
        (1_999, 1, 0)
    );
}

#[test]
fn another_form_of_the_same_values_is_a_change_that_no_field_covers() {
    let first = "a {\"p\":1,\"q\":2}\n";
    for second in [
        "a {\"q\":2,\"p\":1}\n",
        "a {\"p\":1, \"q\":2}\n",
        "a {\"q\":2,\"p\":1,\"p\":99}\n",
    ] {
        for alignment in [Alignment::Seq, Alignment::Content] {
            let found = compare_text(first, second, alignment);
            assert_eq!((found.changed, found.timing_only), (1, 0), "{second}");
            assert_eq!(found.fields[0].name, FORM, "{second}");
            assert!(!found.is_only_in(&["bogus".into()]));
        }
    }
}

#[test]
fn fields_beyond_count_are_counted_together() {
    let object = |value: u32| {
        let members: Vec<String> = (0..2_000).map(|n| format!("\"k{n}\":{value}")).collect();
        format!("a {{{}}}\n", members.join(","))
    };
    let found = compare_text(&object(1), &object(2), Alignment::Content);
    assert_eq!(found.changed, 1);
    assert_eq!(found.fields.len(), 501);
    let others = found.fields.iter().find(|field| field.name == OTHER_FIELDS);
    assert_eq!(others.unwrap().messages, 1_500);
}

/// The stream of a committed golden.
fn committed(name: &str) -> String {
    let path = format!(
        "{}/recordings/{name}.golden.jsonl.zst",
        concat!(env!("CARGO_MANIFEST_DIR"), "/../..")
    );
    let packed = std::fs::File::open(path).unwrap();
    String::from_utf8(zstd::decode_all(packed).unwrap()).unwrap()
}

/// The lines with their payloads changed.
fn each_payload(text: &str, change: impl Fn(&str) -> String) -> String {
    let lines = text.lines().map(|line| {
        let (subject, payload) = line.split_once(' ').unwrap();
        format!("{subject} {}\n", change(payload))
    });
    lines.collect()
}

/// What `member` has behind it becomes what `change` makes of it.
fn with_value(payload: &str, member: &str, change: impl Fn(&str) -> String) -> String {
    let (head, tail) = payload.split_once(member).unwrap();
    let (value, rest) = tail.split_at(tail.find([',', '}']).unwrap());
    format!("{head}{member}{}{rest}", change(value))
}

/// Received a day later, at other nanoseconds.
fn a_day_later(payload: &str) -> String {
    with_value(payload, "\"local_time\":", |value| {
        let day: u32 = value[9..11].parse().unwrap();
        format!(
            "{}{:02}{}7{}",
            &value[..9],
            day + 1,
            &value[11..28],
            &value[29..]
        )
    })
}

fn one_more(payload: &str, member: &str) -> String {
    with_value(payload, member, |value| {
        let number: f64 = value.parse().unwrap();
        format!("{}", number + 1.0)
    })
}

fn counts_of(found: &Comparison) -> [u64; 6] {
    [
        found.equal,
        found.changed,
        found.timing_only,
        found.missing,
        found.extra,
        found.reordered,
    ]
}

fn fields_of(found: &Comparison) -> Vec<&str> {
    found.fields.iter().map(|group| &group.name[..]).collect()
}

#[test]
fn a_side_without_times_of_receipt_is_compared_by_the_times_of_the_exchange() {
    let gone = ["local_time".to_owned()];
    let with_seq = ["local_time".to_owned(), "seq".to_owned()];
    for name in ["quick", "quirks"] {
        let first = committed(name);
        let messages = first.lines().count() as u64;
        let without = each_payload(&first, |payload| without_fields(payload, &gone));
        for (a, b) in [(&first, &without), (&without, &first)] {
            let found = compare_text(a, b, Alignment::Content);
            assert_eq!(counts_of(&found), [0, 0, messages, 0, 0, 0], "{name}");
            assert_eq!(fields_of(&found), ["local_time"]);
        }
        let without = each_payload(&first, |payload| without_fields(payload, &with_seq));
        let found = compare_text(&first, &without, Alignment::Content);
        assert_eq!(counts_of(&found), [0, 0, messages, 0, 0, 0], "{name}");
        assert_eq!(fields_of(&found), ["local_time", "seq"]);
        let renamed = first.replace("\"local_time\":", "\"received\":");
        let found = compare_text(&first, &renamed, Alignment::Content);
        assert_eq!(counts_of(&found), [0, messages, 0, 0, 0, 0], "{name}");
        assert_eq!(fields_of(&found), ["local_time", "received"]);
        // And what was lost besides is still one difference each.
        let lost = without.lines().enumerate();
        let lost = lost.filter(|(position, _)| position % 100 != 50);
        let rest: String = lost.map(|(_, line)| format!("{line}\n")).collect();
        let lost = messages - rest.lines().count() as u64;
        let found = compare_text(&first, &rest, Alignment::Content);
        assert_eq!(
            counts_of(&found),
            [0, 0, messages - lost, lost, 0, 0],
            "{name}"
        );
    }
}

#[test]
fn one_more_change_everywhere_hides_no_partner_that_was_received_on_another_day() {
    // The hole of the second one lies behind the messages that its front sends twice.
    for (name, hole_at) in [("quick", 100), ("quirks", 2000)] {
        let first = committed(name);
        let messages = first.lines().count() as u64;
        for field in ["turnover", "open_interest", "volume"] {
            let later = each_payload(&first, |payload| {
                one_more(&a_day_later(payload), &format!("\"{field}\":"))
            });
            let found = compare_text(&first, &later, Alignment::Content);
            let counts = [0, messages, 0, 0, 0, 0];
            assert_eq!(counts_of(&found), counts, "{name} {field}");
            let mut expected = [field, "local_time"];
            expected.sort_unstable();
            assert_eq!(fields_of(&found), expected, "{name} {field}");
            if field == "volume" {
                // In a second with several ticks nothing is left to tell which one was lost.
                continue;
            }
            let hole: Vec<&str> = later.lines().collect();
            let hole = [&hole[..hole_at], &hole[hole_at + 300..]]
                .concat()
                .join("\n");
            let found = compare_text(&first, &hole, Alignment::Content);
            let counts = [0, messages - 300, 0, 300, 0, 0];
            assert_eq!(counts_of(&found), counts, "{name} {field}");
        }
    }
}

#[test]
fn times_in_another_zone_or_form_still_tell_the_order() {
    let first = committed("quirks");
    let messages = first.lines().count() as u64;
    for (from, to) in [("+08:00\"", "\""), ("000+08:00\"", "+08:00\"")] {
        let second = first.replace(from, to);
        let found = compare_text(&first, &second, Alignment::Content);
        assert_eq!(
            (found.missing, found.extra, found.reordered),
            (0, 0, 0),
            "{to}"
        );
        assert_eq!(found.changed + found.timing_only + found.equal, messages);
    }
}

#[test]
fn a_changed_volume_leads_no_message_to_a_neighbour() {
    let first = committed("quirks");
    let messages = first.lines().count() as u64;
    let second = each_payload(&first, |payload| one_more(payload, "\"volume\":"));
    let found = compare_text(&first, &second, Alignment::Content);
    assert_eq!(counts_of(&found), [0, messages, 0, 0, 0, 0]);
    assert_eq!(fields_of(&found), ["volume"]);
    let renamed = first.replace("\"timestamp\":", "\"exchange_time\":");
    let found = compare_text(&first, &renamed, Alignment::Content);
    assert_eq!(counts_of(&found), [0, messages, 0, 0, 0, 0]);
    assert_eq!(fields_of(&found), ["exchange_time", "timestamp"]);
}

#[test]
fn events_that_are_numbered_otherwise_or_not_at_all_are_found_by_content() {
    let all = ticks(1000);
    let first = text(&all);
    let without = each_payload(&first, |payload| without_fields(payload, &["seq".into()]));
    let found = compare_text(&first, &without, Alignment::Seq);
    assert_eq!(counts_of(&found), [0, 0, 1000, 0, 0, 0]);
    assert_eq!(fields_of(&found), ["seq"]);
    let renumbered = each_payload(&first, |payload| one_more(payload, "\"seq\":"));
    let found = compare_text(&first, &renumbered, Alignment::Seq);
    assert_eq!(counts_of(&found), [0, 0, 1000, 0, 0, 0]);
}
