//! Which events a verb selects (times, counts, symbols, exchanges), and where a replay begins.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use tickdeck::calendar::TradingCalendar;
use tickdeck::contract::ContractTable;
use tickdeck::event::{Event, EventKind, SessionEvent};
use tickdeck::recording::{RecordingOptions, RecordingWriter, Rolling, SourceInfo};

use crate::support::cli::{Ended, finish, run_words, tickdeck};
use crate::support::ctp::logged;
use crate::support::recordings::{
    Folder, events, info, payload, quick, quirks, replay, replay_digest, repository, split, stream,
    stream_digest,
};

/// `seq` of every event that `cat` prints with these words.
fn cat(recording: &Path, words: &str) -> Vec<u64> {
    let mut command = tickdeck(["cat".as_ref(), recording.as_os_str(), "--json".as_ref()]);
    command.args(words.split_whitespace().map(OsStr::new));
    let text = finish(command).done().stdout;
    let seq = |line: &str| {
        let event: Value = serde_json::from_str(line).unwrap();
        event["seq"].as_u64().unwrap()
    };
    text.lines().map(seq).collect()
}

/// `seq` of every event that `wanted` accepts.
fn expected(recording: &Path, wanted: impl Fn(&Event) -> bool) -> Vec<u64> {
    let events = events(recording);
    let taken = events.iter().filter(|event| wanted(event));
    taken.map(|event| event.seq.0).collect()
}

/// 2025-09-12T09:30:00+08:00, two seconds after the quick session begins.
const OPEN: i64 = 1_757_640_600_000_000_000;
const SECOND: i64 = 1_000_000_000;

#[test]
fn a_window_of_receive_time_in_every_form() {
    let between = |from: i64, until: i64| {
        expected(&quick(), |event| {
            (OPEN + from * SECOND..OPEN + until * SECOND).contains(&event.recv_ts.0)
        })
    };
    let ten = between(10, 20);
    assert!(ten.len() > 50, "{}", ten.len());
    for words in [
        "-S 09:30:10 -E 09:30:20",
        "--start 09:30:10.000 --end 09:30:20",
        "-S 2025-09-12T09:30:10+08:00 -E 2025-09-12T01:30:20Z",
        "-S 1757640610000000000 -E 1757640620000000000",
        "-S 09:30:10 --duration 10s",
    ] {
        assert_eq!(cat(&quick(), words), ten, "{words}");
    }
    // Without an offset, times are Shanghai's.
    for (start, end) in [
        ("9:30:10", "9:30:20"),
        ("2025-09-12 09:30:10", "2025-09-12 9:30:20"),
        ("2025-09-12T09:30:10", "20250912 09:30:20.000"),
    ] {
        let mut command = tickdeck(["cat".as_ref(), quick().as_os_str(), "--json".as_ref()]);
        command.args(["-S", start, "-E", end]);
        let found = finish(command).done().stdout.lines().count();
        assert_eq!(found, ten.len(), "{start} to {end}");
    }
    assert_eq!(cat(&quick(), "-S 9:30"), between(0, 1_000));
    assert_eq!(
        cat(&quick(), "-S 2025-09-12 -E 2025-09-13"),
        between(-1_000, 1_000)
    );
    assert_eq!(
        cat(&quick(), "-S 20250913 --allow-empty"),
        Vec::<u64>::new()
    );
    assert_eq!(cat(&quick(), "-S 09:30:50"), between(50, 1_000));
    assert_eq!(cat(&quick(), "-E 09:30:05"), between(-1_000, 5));
    // An offset counts from the first event.
    let first = events(&quick())[0].recv_ts.0;
    let offset = expected(&quick(), |event| {
        (first + 30 * SECOND..first + 33 * SECOND).contains(&event.recv_ts.0)
    });
    assert_eq!(cat(&quick(), "--start-offset 30s --duration 3s"), offset);
    assert_eq!(cat(&quick(), "-S 15:00 --allow-empty"), Vec::<u64>::new());
}

#[test]
fn offsets_count_from_the_first_event_by_seq() {
    // The clock of this recorder was set back by two hours in its last third.
    let mut shifted = events(&quick());
    for event in shifted.iter_mut().skip(600) {
        event.recv_ts.0 -= 7_200 * SECOND;
    }
    let folder = Folder::new();
    let recording = folder.join("shifted");
    let options = RecordingOptions {
        session: "shifted".into(),
        source: SourceInfo::default(),
        contracts: Arc::new(ContractTable::builtin()),
        calendar: Arc::new(TradingCalendar::builtin()),
        rolling: Rolling::default(),
        overwrite: false,
        keep_partial: false,
    };
    let mut writer = RecordingWriter::create(&recording, options).unwrap();
    writer.write(&shifted).unwrap();
    writer.finish().unwrap();
    let first = shifted[0].recv_ts.0;
    let window = first + 10 * SECOND..first + 13 * SECOND;
    let wanted = expected(&recording, |event| window.contains(&event.recv_ts.0));
    assert!(!wanted.is_empty());
    let words = "--start-offset 10s --duration 3s";
    assert_eq!(cat(&recording, words), wanted);
}

#[test]
fn times_after_18_00_are_the_evening_before() {
    // The quirks session is Monday's: its evening is Friday's, over a weekend.
    let friday = 1_757_682_000_000_000_000; // 2025-09-12T21:00:00+08:00
    let night = expected(&quirks(), |event| {
        (friday..friday + 60 * SECOND).contains(&event.recv_ts.0)
    });
    assert!(!night.is_empty());
    assert_eq!(cat(&quirks(), "-S 21:00 -E 21:01"), night);
}

#[test]
fn a_count_ends_after_that_many_ticks() {
    for count in [0, 1, 100] {
        let text = stream(&quick(), &format!("-n {count}"));
        assert_eq!(text.lines().count(), count);
    }
    let all = stream(&quick(), "");
    let twelve: String = all.split_inclusive('\n').take(12).collect();
    assert_eq!(stream(&quick(), "-n 12"), twelve);
    assert_eq!(stream(&quick(), "-n 1000000"), all);
}

/// `vt_symbol` of everything that is played with these words.
fn symbols(recording: &Path, words: &str) -> BTreeSet<String> {
    let text = stream(recording, words);
    let symbol = |line: &str| payload(line)["vt_symbol"].as_str().unwrap().to_owned();
    text.lines().map(symbol).collect()
}

fn set(words: &[&str]) -> BTreeSet<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn selection_by_id_glob_and_exchange() {
    let all = symbols(&quick(), "");
    assert_eq!(all.len(), 8);
    for (words, expected) in [
        ("--symbols rb2510", &["rb2510.SHFE"][..]),
        ("--symbols rb2510.SHFE,nothing", &["rb2510.SHFE"]),
        ("--symbols rb*,*.CFFEX", &["rb2510.SHFE", "IF2509.CFFEX"]),
        (
            "--symbols rb* --symbols TA60?",
            &["rb2510.SHFE", "TA601.CZCE"],
        ),
        ("--exchange DCE", &["i2601.DCE", "m2601.DCE"]),
        (
            "--exchange dce,GFEX --symbols *26*",
            &["i2601.DCE", "m2601.DCE"],
        ),
        ("--exchange SHFE --symbols TA601 --allow-empty", &[]),
        ("--symbols RB* --allow-empty", &[]),
    ] {
        assert_eq!(symbols(&quick(), words), set(expected), "{words}");
    }
    assert_eq!(symbols(&quick(), "--symbols all"), all);
}

#[test]
fn ctp_symbol_names_the_exchange() {
    let replay = |flag: Option<&str>, variable: Option<&str>| {
        let mut command = tickdeck(["replay".as_ref(), quick().as_os_str()]);
        command.args("--rate max --sink jsonl:- --symbols rb2510,TA601 -n 20".split(' '));
        if let Some(list) = flag {
            command.args(["--ctp-symbol", list]);
        }
        if let Some(list) = variable {
            command.env("CTP_SYMBOL", list);
        }
        finish(command)
    };
    let plain = replay(None, None).done().stdout;
    assert!(plain.contains("\"rb2510.SHFE\""));
    // Empty is unset, and repeating what the tables say changes nothing.
    for list in ["", " ", "rb2510.SHFE,TA601.CZCE"] {
        let same = replay(None, Some(list)).done();
        assert!(same.stdout == plain, "{list}");
        assert!(!same.stderr.contains("exchange_conflict"), "{same:?}");
    }
    for (flag, variable) in [
        (None, Some("rb2510.DCE")),
        (Some("rb2510.DCE"), Some("rb2510.INE")),
    ] {
        let moved = replay(flag, variable).done();
        assert!(moved.stdout.contains("market.tick.DCE.rb2510 "));
        assert!(!moved.stdout.contains("SHFE"));
        assert!(moved.stdout.contains("market.tick.CZCE.TA601 "));
        assert_eq!(moved.stderr.matches("exchange_conflict").count(), 1);
    }
    for bad in ["rb2510", "rb2510.NYSE"] {
        let refused = replay(None, Some(bad));
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(refused.stderr.contains("CTP_SYMBOL"), "{refused:?}");
    }
}

#[test]
fn a_selection_of_no_tick_is_lossy() {
    let folder = Folder::new();
    let output = format!("--force -o {}", folder.join("cut").display());
    let csv = format!("--force -o {}", folder.join("csv").display());
    for (verb, more) in [
        ("cat", ""),
        ("replay", "--rate max --sink null"),
        ("slice", output.as_str()),
        ("export", csv.as_str()),
    ] {
        let ended = |words: &str| {
            let mut command = tickdeck([verb.as_ref(), quick().as_os_str()]);
            command.args(words.split_whitespace().map(OsStr::new));
            command.args(more.split_whitespace().map(OsStr::new));
            finish(command)
        };
        let told = ended("--symbols nosuch,RB* --exchange DCE");
        assert_eq!(told.code, Some(3), "{told:?}");
        let mut lines = told.stderr.lines();
        let line = lines
            .find(|line| line.contains("nothing_selected"))
            .unwrap();
        for part in ["nosuch,RB*", "DCE", "rb2510"] {
            assert!(line.contains(part), "{line}");
        }
        for words in [
            "",
            "--symbols rb*",
            "--symbols nosuch -n 0",
            "--symbols nosuch --allow-empty",
        ] {
            let ended = ended(words).done();
            assert!(!ended.stderr.contains("nothing_selected"), "{verb} {words}");
        }
    }
}

#[test]
fn a_pattern_without_a_match_is_told() {
    let replay = |words: &str| {
        let mut command = tickdeck(["replay".as_ref(), quick().as_os_str()]);
        command.args("--rate max --sink null".split(' '));
        command.args(words.split(' '));
        finish(command)
    };
    let ended = replay("--symbols rb*,RB*").done();
    let mut lines = ended.stderr.lines();
    let line = lines
        .find(|line| line.contains("symbols_unmatched"))
        .unwrap();
    assert!(line.contains("patterns=RB*"), "{line}");
    let refused = replay("--symbols !rb*");
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("is an exclusion"), "{refused:?}");
}

#[test]
fn a_check_of_no_message_is_lossy() {
    let folder = Folder::new();
    let empty = folder.join("empty");
    let mut slice = tickdeck(["slice".as_ref(), quick().as_os_str(), "-o".as_ref()]);
    slice
        .arg(&empty)
        .args(["--symbols", "nosuch", "--allow-empty"]);
    finish(slice).done();
    for (words, code) in [("--update", 3), ("", 3), ("--allow-empty", 0)] {
        let mut command = tickdeck(["check".as_ref(), empty.as_os_str()]);
        command.args(words.split_whitespace());
        let ended = finish(command);
        assert_eq!(ended.code, Some(code), "{words}: {ended:?}");
        assert_eq!(ended.stderr.contains("nothing_checked"), code == 3);
    }
}

#[test]
fn a_loop_over_nothing_ends() {
    let mut command = tickdeck(["replay".as_ref(), quick().as_os_str()]);
    command.args("--rate max --sink null --loop --symbols nosuch".split(' '));
    assert_eq!(finish(command).code, Some(3));
}

/// Every tick is rejected.
#[test]
fn a_loop_without_a_message_ends() {
    let mut command = tickdeck(["replay".as_ref(), quirks().as_os_str()]);
    command.args("--rate max --sink null --loop -q --symbols zz2609".split(' '));
    let ended = finish(command);
    assert_eq!(ended.code, Some(3));
    assert!(ended.stderr.contains("nothing_published"), "{ended:?}");
}

#[test]
fn prime_counts_what_earlier_passes_used() {
    let all = stream(&quick(), "-S 09:30:30 --prime");
    let whole = all.lines().count();
    let words = format!("-S 09:30:30 --prime --loop -n {}", whole - 8);
    let looped = stream(&quick(), &words);
    assert!(looped == all, "a second pass primed something");
}

/// Selecting an instrument shows what the whole replay publishes for it: instruments share no state.
#[test]
fn selection_does_not_change_payloads() {
    let all = stream(&quick(), "");
    let alone = stream(&quick(), "--symbols TA601");
    let expected: Vec<&str> = all
        .lines()
        .filter(|line| split(line).0 == "market.tick.CZCE.TA601")
        .collect();
    assert_eq!(alone.lines().collect::<Vec<_>>(), expected);
}

fn flags(line: &str) -> Vec<String> {
    let flags = payload(line)["flags"].clone();
    if flags.is_null() {
        return Vec::new();
    }
    serde_json::from_value(flags).unwrap()
}

#[test]
fn prime_begins_with_last_known_ticks() {
    let all = stream(&quick(), "");
    let start = OPEN + 30 * SECOND;
    let after: BTreeSet<u64> = expected(&quick(), |event| event.recv_ts.0 >= start)
        .into_iter()
        .collect();
    let seq = |line: &str| payload(line)["seq"].as_u64().unwrap();
    // The last message of each subject before the start, and everything after.
    let mut last: BTreeMap<&str, &str> = BTreeMap::new();
    let mut rest = Vec::new();
    for line in all.lines() {
        if after.contains(&seq(line)) {
            rest.push(line);
        } else {
            last.insert(split(line).0, line);
        }
    }
    let primed = stream(&quick(), "-S 09:30:30 --prime");
    let lines: Vec<&str> = primed.lines().collect();
    let (before, played) = lines.split_at(last.len());
    assert_eq!(before.len(), 8);
    for line in before {
        assert!(flags(line).contains(&"primed".to_owned()), "{line}");
        let (subject, _) = split(line);
        assert_eq!(seq(line), seq(last[subject]), "{subject}");
        assert_eq!(
            payload(line)["last_price"],
            payload(last[subject])["last_price"]
        );
    }
    let subjects: BTreeSet<&str> = before.iter().map(|line| split(line).0).collect();
    assert_eq!(subjects.len(), 8);
    // With the primed state, the rest equals the rest of the whole replay.
    assert!(played == rest, "the ticks after the start point differ");
    let unprimed = stream(&quick(), "-S 09:30:30");
    assert_eq!(unprimed.lines().count(), rest.len());
    assert!(!unprimed.contains("primed"));
}

#[test]
fn max_gap_changes_only_pauses() {
    // This session spans a weekend: unless shortened, the replay does not end in time.
    let words = "--sink digest --rate 1 --max-gap 1ms";
    let played = replay(&quirks(), words).done();
    assert_eq!(played.digest(), replay_digest(&quirks()));
    assert!(played.json()["lateness_ms"].is_object(), "it was paced");
}

#[test]
fn clock_stamps_are_not_counted() {
    let plain = stream(&quick(), "");
    let stamped = stream(&quick(), "--clock 2");
    let clock = "tickdeck.clock.market.tick";
    let (stamps, ticks): (Vec<&str>, Vec<&str>) =
        stamped.lines().partition(|line| split(line).0 == clock);
    assert!(ticks == plain.lines().collect::<Vec<_>>());
    // Two a second over 59.9 seconds.
    assert!((118..=121).contains(&stamps.len()), "{}", stamps.len());
    let times: Vec<String> = stamps
        .iter()
        .map(|line| payload(line)["time"].as_str().unwrap().to_owned())
        .collect();
    assert!(times.is_sorted() && times[0].starts_with("2025-09-12T09:29:58"));
    let folder = Folder::new();
    let path = folder.join("stream");
    let words = format!("--clock 2 --sink jsonl:{}", path.display());
    let summary = replay(&quick(), &words).done();
    assert_eq!(summary.digest(), stream_digest(&plain));
    assert_eq!(summary.json()["published"], 918);
    // Readers of a stream file leave them out.
    let plain_path = folder.join("plain");
    std::fs::write(&plain_path, &plain).unwrap();
    let words = format!("diff {} {}", path.display(), plain_path.display());
    run_words(&words).done();
    // The prefix is that of the ticks.
    let other = stream(&quick(), "--clock 1 --subject-prefix a.b -n 1");
    assert!(
        other.starts_with("tickdeck.clock.a.b {\"run\":\""),
        "{other}"
    );
}

#[test]
fn dry_run_only_describes() {
    let folder = Folder::new();
    let out = folder.join("out");
    let mut command = tickdeck(["replay".as_ref(), quick().as_os_str()]);
    // There is no server: a plan needs none.
    command.args(
        "--dry-run -S 09:30:10 -n 5 --rate 10 --sink nats --nats-url nats://127.0.0.1:1".split(' '),
    );
    command
        .arg("--sink")
        .arg(format!("jsonl:{}", out.display()));
    let plan = finish(command).done().stdout;
    for part in [
        "synthetic-quick-1-20250912",
        "from       2025-09-12T09:30:10",
        "ticks      5 of 5 instruments (at most 5)",
        "by id      ",
        "rate       10",
        "to         nats nats://127.0.0.1:1",
        "subjects   market.tick.EXCHANGE.SYMBOL",
    ] {
        assert!(plan.contains(part), "{part}: {plan}");
    }
    assert!(folder.names().is_empty());
}

#[test]
fn dry_run_ends_like_the_run() {
    let replay = |words: &str| {
        let mut command = tickdeck(["replay".as_ref(), quick().as_os_str()]);
        command.args("--rate max --sink null --log-format json".split(' '));
        command.args(words.split(' '));
        finish(command)
    };
    for (words, told, code) in [
        ("--symbols rb2510,zz*", "symbols_unmatched", 0),
        ("--symbols zz*", "nothing_selected", 3),
        ("-S 15:10", "nothing_selected", 3),
        ("-n 1 --drop snapshot", "nothing_published", 3),
    ] {
        let ran = replay(words);
        let planned = replay(&format!("{words} --dry-run"));
        assert_eq!(
            (ran.code, planned.code),
            (Some(code), Some(code)),
            "{words}"
        );
        for ended in [ran, planned] {
            assert_eq!(logged(&ended.stderr, told).len(), 1, "{ended:?}");
        }
    }
    // Every tick is rejected.
    let rejected = |words: &str| {
        let mut command = tickdeck(["replay".as_ref(), quirks().as_os_str()]);
        command.args("--rate max --sink null --symbols zz2609".split(' '));
        command.args(words.split_whitespace());
        finish(command)
    };
    let (ran, planned) = (rejected(""), rejected("--dry-run"));
    assert_eq!((ran.code, planned.code), (Some(3), Some(3)), "{planned:?}");
    let told = |ended: &Ended| {
        let mut lines = ended.stderr.lines();
        let line = lines.find(|line| line.contains("nothing_published"));
        line.and_then(|line| line.split_once("nothing_published"))
            .map(|(_, said)| said.to_owned())
    };
    assert!(told(&planned).is_some());
    assert_eq!(told(&planned), told(&ran));
    rejected("--dry-run --allow-empty").done();
    let plan = replay("--symbols rb2510 --dry-run").done().stdout;
    let ran = replay("--symbols rb2510 --json").done().json();
    let ticks = format!("ticks      {} of 1 instrument\n", ran["received"]);
    assert!(plan.contains(&ticks), "{ticks}: {plan}");
    let by_id = format!("by id      rb2510 {}\n", ran["received"]);
    assert!(plan.contains(&by_id), "{plan}");
}

#[test]
fn selection_drops_other_acknowledgements() {
    let subscribed = |event: &Event| matches!(&event.kind, EventKind::Session(SessionEvent::Subscribed { instrument, .. }) if instrument.starts_with("rb"));
    let wanted = expected(&quick(), |event| match &event.kind {
        EventKind::Tick(tick) => tick.instrument_id.as_bytes().starts_with(b"rb"),
        EventKind::Session(SessionEvent::Subscribed { .. }) => subscribed(event),
        EventKind::Session(_) => true,
    });
    assert!(events(&quick()).iter().any(subscribed));
    assert_eq!(cat(&quick(), "--symbols rb*"), wanted);
}

#[test]
fn generate_accepts_globs() {
    let folder = Folder::new();
    let ids = |recording: &Path| -> BTreeSet<String> {
        let events = events(recording);
        let ticks = events.iter().filter_map(Event::as_tick);
        ticks.map(|tick| tick.instrument_id.to_string()).collect()
    };
    let all = ids(&quick());
    let shfe = folder.generate("shfe", "--symbols *.SHFE --duration 10s");
    let expected: BTreeSet<String> = all
        .iter()
        .filter(|id| id.starts_with("rb") || id.starts_with("au"))
        .cloned()
        .collect();
    assert_eq!(ids(&shfe), expected);
    let one = folder.generate("one", "--symbols rb*,rb* --duration 10s");
    assert_eq!(ids(&one).len(), 1);
    let words = "generate --symbols zz* -o none".split(' ');
    let refused = crate::support::cli::run(words.map(OsStr::new));
    assert_eq!(refused.code, Some(2));
    assert!(
        refused.stderr.contains("matches none of the 8 instruments"),
        "{refused:?}"
    );
}

#[test]
fn offsets_count_from_the_first_event() {
    // The clock was set back by two hours after 30 s.
    let recording = repository("fixtures/recording/clockstep_back.parquet");
    let played = |words: &str| {
        let stream = stream(&recording, words);
        let times = stream.lines().map(|line| {
            let payload = payload(line);
            payload["local_time"].as_str().unwrap()[11..23].to_owned()
        });
        times.collect::<Vec<_>>()
    };
    let all = played("");
    assert_eq!(all.len(), 918);
    assert!(all.iter().any(|time| time.starts_with("07:30")), "{all:?}");
    let selected = played("--start-offset 30s --duration 10s");
    assert_eq!(selected.len(), 30);
    assert_eq!(selected[0], "09:30:28.017");
    assert!(
        selected.iter().all(|time| time.starts_with("09:30:2")),
        "{selected:?}"
    );
    let first = played("--duration 10s");
    assert!(
        first.iter().all(|time| time.as_str() < "09:30:08.001"),
        "{first:?}"
    );
}

#[test]
fn a_part_that_the_manifest_omits_is_read_and_named() {
    let folder = Folder::new();
    let words = "--profile day --seed 7 --duration 12m --max-rows 3000";
    let recording = folder.generate("rec", words);
    let whole = replay_digest(&recording);
    // The writer was killed between the last segment and its manifest.
    let path = recording.join("manifest.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let mut manifest: Value = serde_json::from_str(&text).unwrap();
    let events = manifest["events"].as_u64().unwrap();
    assert!(events >= 45_000, "{events}");
    let last = manifest["segments"].as_array_mut().unwrap().pop().unwrap();
    let (name, rows) = (
        last["file"].as_str().unwrap(),
        last["rows"].as_u64().unwrap(),
    );
    manifest["status"] = "recording".into();
    manifest["digest"] = "".into();
    manifest["events"] = (events - rows).into();
    std::fs::write(&path, manifest.to_string()).unwrap();
    std::fs::write(recording.join(".manifestCxpymU"), &text[..900]).unwrap();
    assert_eq!(info(&recording)["events"], events);
    let replayed = replay(&recording, "--sink digest");
    assert_eq!(replayed.code, Some(3), "{replayed:?}");
    assert_eq!(replayed.digest(), whole);
    let verified = finish(tickdeck(["verify".as_ref(), recording.as_os_str()]));
    assert_eq!(verified.code, Some(1), "{verified:?}");
    let said = format!("{name}: the manifest does not list it");
    assert!(verified.stdout.contains(&said), "{verified:?}");
}

#[test]
fn a_recording_that_is_given_twice_is_named() {
    let recording = quick().display().to_string();
    let warned = |words: &str| {
        let ended = run_words(&format!("replay {words} --rate max --sink null")).done();
        ended.stderr.contains("recording_given_twice")
    };
    assert!(warned(&format!("{recording} {recording}/.")));
    assert!(!warned(&format!("{recording} {}", quirks().display())));
}
