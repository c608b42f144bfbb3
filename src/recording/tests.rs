//! The recording's promises through its public API: lossless, ordered, versioned, all or nothing.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;
use tickdeck_core::block::{EventRef, EventRefKind, TickRef};
use tickdeck_core::calendar::TradingCalendar;
use tickdeck_core::contract::ContractTable;
use tickdeck_core::event::{Event, EventKind, InstrumentId, RawTick, Seq, SessionEvent, Text};
use tickdeck_core::event_window::EventWindow;
use tickdeck_core::source::Source;
use tickdeck_core::time::UnixNanos;
use tickdeck_ffi::for_each_tick_field;

use super::*;

pub(super) fn options(rolling: Rolling) -> RecordingOptions {
    RecordingOptions {
        session: "test".into(),
        source: SourceInfo {
            kind: "synthetic".into(),
            payload_source: "synthetic".into(),
            ..SourceInfo::default()
        },
        contracts: Arc::new(ContractTable::builtin()),
        calendar: Arc::new(TradingCalendar::builtin()),
        rolling,
        overwrite: false,
        keep_partial: false,
    }
}

pub(crate) fn record(folder: &Path, events: &[Event], rolling: Rolling) -> Manifest {
    let mut writer = RecordingWriter::create(folder, options(rolling)).unwrap();
    writer.write(events).unwrap();
    writer.finish().unwrap()
}

/// All selected events, which windows of as many must give too.
pub(super) fn read_all(recording: &Recording, filter: EventFilter, max: usize) -> Vec<Event> {
    let events = read_whole_events(recording, filter.clone(), max);
    assert_eq!(read_windows(recording, filter, max), events);
    events
}

/// All selected events, each change applied to the last tick of its instrument.
fn read_windows(recording: &Recording, filter: EventFilter, max: usize) -> Vec<Event> {
    let mut reader = recording.reader(filter);
    let mut window = EventWindow::default();
    let mut last: BTreeMap<InstrumentId, Option<RawTick>> = BTreeMap::new();
    let mut events = Vec::new();
    loop {
        reader.next_window(&mut window, max).unwrap();
        assert!(window.slice().len() <= max);
        if window.slice().is_empty() {
            return events;
        }
        for EventRef { seq, recv_ts, kind } in window.slice().iter() {
            let kind = match kind {
                EventRefKind::Session(session) => EventKind::Session(session.clone()),
                EventRefKind::Tick(tick) => {
                    let last = last.entry(*tick.instrument_id()).or_default();
                    let before = *last;
                    match tick {
                        TickRef::Whole(tick) => *last = Some(*tick),
                        TickRef::Change(change) => {
                            let is_same = change.apply(last);
                            assert_eq!(is_same, before == *last, "seq {seq}");
                        }
                    }
                    EventKind::Tick(last.unwrap())
                }
            };
            events.push(Event { seq, recv_ts, kind });
        }
    }
}

fn read_whole_events(recording: &Recording, filter: EventFilter, max: usize) -> Vec<Event> {
    let mut reader = recording.reader(filter);
    let mut events = Vec::new();
    loop {
        let before = events.len();
        reader.next_events(&mut events, max).unwrap();
        if events.len() == before {
            return events;
        }
        assert!(events.len() - before <= max);
    }
}

macro_rules! arbitrary_field {
    (text $size:literal) => {
        proptest::collection::vec(any::<u8>(), 0..=$size)
            .prop_map(|bytes| Text::<$size>::new(&bytes).unwrap())
    };
    (f64 $size:literal) => {
        prop_oneof![
            any::<u64>().prop_map(f64::from_bits),
            Just(f64::MAX),
            Just(-0.0),
            Just(f64::NAN),
            (0_i32..1_000_000).prop_map(|n| f64::from(n) / 100.0),
        ]
    };
    (i32 $size:literal) => {
        any::<i32>()
    };
}

macro_rules! define_arbitrary_tick {
    (() $($(#[$doc:meta])* $kind:ident $name:ident $vendor:ident $size:literal @ $offset:literal;)*) => {
        /// Any bit pattern in any field.
        fn arbitrary_tick() -> BoxedStrategy<RawTick> {
            let tick = Just(RawTick::default()).boxed();
            $(let tick = (tick, arbitrary_field!($kind $size))
                .prop_map(|(tick, $name)| RawTick { $name, ..tick })
                .boxed();)*
            tick
        }
    };
}

for_each_tick_field!(define_arbitrary_tick);

fn arbitrary_event() -> impl Strategy<Value = (i64, EventKind)> {
    let few_ids = prop_oneof![Just("rb2601"), Just("IF2601"), Just("SPD RM601&RM605")];
    let tick = (arbitrary_tick(), proptest::option::of(few_ids)).prop_map(|(tick, id)| {
        EventKind::Tick(match id {
            Some(id) => RawTick {
                instrument_id: Text::new(id.as_bytes()).unwrap(),
                ..tick
            },
            None => tick,
        })
    });
    let session = prop_oneof![
        any::<i32>().prop_map(|reason| SessionEvent::FrontDisconnected { reason }),
        any::<String>().prop_map(|text| SessionEvent::Note { text }),
        Just(SessionEvent::HeartbeatLost {}),
    ]
    .prop_map(EventKind::Session);
    (any::<i64>(), prop_oneof![9 => tick, 1 => session])
}

pub(super) fn arbitrary_events() -> impl Strategy<Value = Vec<Event>> {
    proptest::collection::vec(arbitrary_event(), 0..60).prop_map(number)
}

fn number(kinds: Vec<(i64, EventKind)>) -> Vec<Event> {
    (0..)
        .zip(kinds)
        .map(|(seq, (recv_ts, kind))| Event {
            seq: Seq(seq),
            recv_ts: UnixNanos(recv_ts),
            kind,
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn prop_what_is_read_is_what_was_written_bit_for_bit(
        events in arbitrary_events(),
        max_rows in 1_u64..40,
        row_group_rows in 1_usize..20,
        batch in 1_usize..30,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rec");
        let rolling = Rolling { max_rows, row_group_rows, ..Rolling::default() };
        let manifest = record(&path, &events, rolling);
        let recording = Recording::open(&path).unwrap();
        prop_assert_eq!(&read_all(&recording, EventFilter::default(), batch), &events);
        let report = verify(&recording, &mut |_| {});
        prop_assert_eq!(report.findings, vec![]);
        prop_assert_eq!(report.digest, manifest.digest);
    }

    #[test]
    fn prop_a_filter_keeps_exactly_what_it_says(
        events in arbitrary_events(),
        start in proptest::option::of(any::<i64>()),
        end in proptest::option::of(any::<i64>()),
        row_group_rows in 1_usize..20,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rec");
        record(&path, &events, Rolling { row_group_rows, ..Rolling::default() });
        let rb = |id: &InstrumentId| id.as_bytes().starts_with(b"rb");
        let filter = EventFilter {
            start: start.map(UnixNanos),
            end: end.map(UnixNanos),
            instruments: Some(Arc::new(rb)),
        };
        let expected: Vec<Event> = events
            .into_iter()
            .filter(|event| start.is_none_or(|start| event.recv_ts.0 >= start))
            .filter(|event| end.is_none_or(|end| event.recv_ts.0 < end))
            .filter(|event| event.as_tick().is_none_or(|tick| rb(&tick.instrument_id)))
            .collect();
        prop_assert_eq!(read_all(&Recording::open(&path).unwrap(), filter, 7), expected);
    }
}

pub(super) fn some_ticks(count: u64) -> Vec<Event> {
    (0..count)
        .map(|seq| Event {
            seq: Seq(seq),
            recv_ts: UnixNanos(1_767_574_800_000_000_000 + i64::try_from(seq).unwrap() * 1_000),
            kind: EventKind::Tick(RawTick {
                instrument_id: Text::new(if seq % 3 == 0 { b"rb2601" } else { b"au2602" }).unwrap(),
                last_price: 3000.0,
                ..RawTick::unset()
            }),
        })
        .collect()
}

#[test]
fn segmentation_does_not_reach_the_digest() {
    let folder = tempfile::tempdir().unwrap();
    let events = some_ticks(1000);
    let digests: Vec<String> = [1000, 100, 1]
        .into_iter()
        .map(|max_rows| {
            let path = folder.path().join(max_rows.to_string());
            let rolling = Rolling {
                max_rows,
                ..Rolling::default()
            };
            let manifest = record(&path, &events, rolling);
            assert_eq!(manifest.segments.len() as u64, 1000 / max_rows);
            manifest.digest
        })
        .collect();
    assert_eq!(digests[0], digests[1]);
    assert_eq!(digests[0], digests[2]);
}

#[test]
fn a_segment_is_sealed_before_its_time_span_ends() {
    let folder = tempfile::tempdir().unwrap();
    let rolling = Rolling {
        max_span: Some(250_000),
        ..Rolling::default()
    };
    let manifest = record(&folder.path().join("rec"), &some_ticks(1000), rolling);
    let rows: Vec<u64> = manifest.segments.iter().map(|s| s.rows).collect();
    assert_eq!(rows, [250, 250, 250, 250]);
}

#[test]
fn a_lone_segment_is_a_recording() {
    let folder = tempfile::tempdir().unwrap();
    let events = some_ticks(10);
    record(&folder.path().join("rec"), &events, Rolling::default());
    let lone = folder.path().join("elsewhere.parquet");
    std::fs::copy(folder.path().join("rec/part-00000.parquet"), &lone).unwrap();
    let recording = Recording::open(&lone).unwrap();
    assert_eq!(recording.session(), "test");
    assert_eq!(recording.source().payload_source, "synthetic");
    assert_eq!(read_all(&recording, EventFilter::default(), 3), events);
}

#[test]
fn an_abandoned_recording_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rec");
    let rolling = Rolling {
        max_rows: 10,
        ..Rolling::default()
    };
    let mut writer = RecordingWriter::create(&path, options(rolling)).unwrap();
    writer.write(&some_ticks(25)).unwrap();
    drop(writer);
    assert!(!path.exists());
}

#[test]
fn an_abandoned_live_recording_keeps_its_sealed_segments() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rec");
    let rolling = Rolling {
        max_rows: 10,
        ..Rolling::default()
    };
    let options = RecordingOptions {
        keep_partial: true,
        ..options(rolling)
    };
    let events = some_ticks(25);
    let mut writer = RecordingWriter::create(&path, options).unwrap();
    writer.write(&events).unwrap();
    drop(writer);
    let recording = Recording::open(&path).unwrap();
    assert_eq!(recording.status(), Status::Recording);
    assert_eq!(
        read_all(&recording, EventFilter::default(), 100),
        events[..20]
    );
}

#[test]
fn a_gap_in_seq_is_refused_and_so_is_everything_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer =
        RecordingWriter::create(&folder.path().join("rec"), options(Rolling::default())).unwrap();
    let events = some_ticks(3);
    writer.write(&events[..1]).unwrap();
    let gap = writer.write(&events[2..]).unwrap_err();
    assert!(matches!(
        gap,
        RecordingError::SeqGap {
            expected: 1,
            found: 2,
            ..
        }
    ));
    let after = writer.write(&events[1..2]).unwrap_err();
    assert!(matches!(after, RecordingError::WriterFailed { .. }));
}

#[test]
fn a_folder_with_something_in_it_is_not_written_to() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("thesis.txt"), "").unwrap();
    for overwrite in [false, true] {
        let options = RecordingOptions {
            overwrite,
            ..options(Rolling::default())
        };
        let refused = RecordingWriter::create(folder.path(), options).unwrap_err();
        let expected = match overwrite {
            false => matches!(refused, RecordingError::OutputExists { .. }),
            true => matches!(refused, RecordingError::NotReplaceable { .. }),
        };
        assert!(expected, "{refused}");
    }
}

#[test]
fn overwriting_replaces_a_recording_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rec");
    record(&path, &some_ticks(5), Rolling::default());
    std::fs::write(path.join("notes.txt"), "mine").unwrap();
    let options = RecordingOptions {
        overwrite: true,
        ..options(Rolling::default())
    };
    let mut writer = RecordingWriter::create(&path, options).unwrap();
    writer.write(&some_ticks(2)).unwrap();
    assert_eq!(writer.finish().unwrap().events, 2);
    assert!(path.join("notes.txt").exists());
}

#[test]
fn newer_minor_versions_are_read_and_major_ones_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rec");
    record(&path, &some_ticks(5), Rolling::default());
    let file = path.join(MANIFEST_FILE);
    let text = std::fs::read_to_string(&file).unwrap();
    let with_version = |version: &str| {
        let text = text.replace(
            "\"format_version\": \"1.0\"",
            &format!("\"format_version\": \"{version}\""),
        );
        std::fs::write(&file, text).unwrap();
    };
    with_version("2.0");
    let refused = Recording::open(&path).unwrap_err().to_string();
    assert!(
        refused.contains("format version 2.0") && refused.contains("newer tickdeck"),
        "{refused}"
    );
    with_version("1.9");
    assert!(Recording::open(&path).is_ok());
}

#[test]
fn every_flipped_byte_of_a_segment_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rec");
    record(&path, &some_ticks(50), Rolling::default());
    let segment = path.join("part-00000.parquet");
    let good = std::fs::read(&segment).unwrap();
    for position in (0..good.len()).step_by(97) {
        let mut bad = good.clone();
        bad[position] ^= 0x20;
        std::fs::write(&segment, &bad).unwrap();
        let recording = Recording::open(&path).unwrap();
        assert_eq!(recording.damaged_segments().len(), 1, "byte {position}");
    }
}

#[test]
fn a_salvage_plays_the_other_segments_whatever_byte_of_one_is_flipped() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rec");
    let events = some_ticks(30);
    let rolling = Rolling {
        max_rows: 10,
        ..Rolling::default()
    };
    record(&path, &events, rolling);
    let segment = path.join("part-00001.parquet");
    let good = std::fs::read(&segment).unwrap();
    for position in (0..good.len()).step_by(23) {
        let mut bad = good.clone();
        bad[position] ^= 1;
        std::fs::write(&segment, &bad).unwrap();
        for has_manifest in [true, false] {
            let manifest = path.join(MANIFEST_FILE);
            let aside = folder.path().join(MANIFEST_FILE);
            if !has_manifest {
                std::fs::rename(&manifest, &aside).unwrap();
                std::fs::write(&manifest, "").unwrap();
            }
            let recording = Recording::open_salvage(&path).unwrap();
            let mut reader = recording.reader(EventFilter::default()).salvage(true);
            let mut read = Vec::new();
            let ended = reader.next_events(&mut read, usize::MAX);
            assert!(ended.is_ok(), "byte {position}: {ended:?}");
            let others = [&events[..10], &events[20..]].concat();
            assert!(read == events || read == others, "byte {position}");
            let unused = recording.unused().iter();
            let told = reader.missing().len() + unused.filter(|it| it.file == segment).count();
            assert_eq!(read == others, told > 0, "byte {position}");
            if !has_manifest {
                std::fs::rename(&aside, &manifest).unwrap();
            }
        }
    }
}

#[test]
fn a_truncated_segment_says_so_and_salvage_plays_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rec");
    let events = some_ticks(30);
    let rolling = Rolling {
        max_rows: 10,
        ..Rolling::default()
    };
    record(&path, &events, rolling);
    let segment = path.join("part-00001.parquet");
    let bytes = std::fs::read(&segment).unwrap();
    std::fs::write(&segment, &bytes[..bytes.len() / 2]).unwrap();
    let recording = Recording::open(&path).unwrap();
    let mut all = Vec::new();
    let mut reader = recording.reader(EventFilter::default());
    let refused = loop {
        match reader.next_events(&mut all, 7) {
            Ok(()) => {}
            Err(error) => break error,
        }
    };
    assert!(
        refused.to_string().contains("part-00001.parquet"),
        "{refused}"
    );
    let mut reader = recording.reader(EventFilter::default()).salvage(true);
    let mut played = Vec::new();
    reader.next_events(&mut played, 100).unwrap();
    let seqs: Vec<u64> = played.iter().map(|event| event.seq.0).collect();
    assert_eq!(seqs, (0..10).chain(20..30).collect::<Vec<_>>());
    assert_eq!(reader.missing().len(), 1);
}

#[test]
fn a_foreign_parquet_file_is_not_a_recording() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rec");
    record(&path, &some_ticks(5), Rolling::default());
    let refused = Recording::open(&path.join(CONTRACTS_FILE)).unwrap_err();
    assert!(
        matches!(refused, RecordingError::NotARecording { .. }),
        "{refused}"
    );
    std::fs::remove_file(path.join(MANIFEST_FILE)).unwrap();
    let refused = Recording::open(&path).unwrap_err();
    assert!(
        refused.to_string().contains("manifest.json is missing"),
        "{refused}"
    );
}

#[test]
fn a_replaced_recording_stays_until_the_new_one_is_complete() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rec");
    record(&path, &some_ticks(5), Rolling::default());
    let overwrite = || RecordingOptions {
        overwrite: true,
        ..options(Rolling::default())
    };
    let mut abandoned = RecordingWriter::create(&path, overwrite()).unwrap();
    abandoned.write(&some_ticks(2)).unwrap();
    drop(abandoned);
    assert_eq!(
        Recording::open(&path).unwrap().manifest().unwrap().events,
        5
    );
    // It may even be what the new one is made of.
    let old = Recording::open(&path).unwrap();
    let mut writer = RecordingWriter::create(&path, overwrite()).unwrap();
    writer
        .write(&read_all(&old, EventFilter::default(), 2)[..3])
        .unwrap();
    writer.finish().unwrap();
    let new = Recording::open(&path).unwrap();
    assert!(verify(&new, &mut |_| {}).is_intact());
    assert_eq!(new.manifest().unwrap().events, 3);
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 1, "no temporary folder is left");
}

#[test]
fn what_a_failed_writer_left_can_be_replaced() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(".part-00000.parquet.partial"), "").unwrap();
    let options = RecordingOptions {
        overwrite: true,
        ..options(Rolling::default())
    };
    let writer = RecordingWriter::create(folder.path(), options).unwrap();
    writer.finish().unwrap();
    assert!(Recording::open(folder.path()).is_ok());
}

#[test]
fn a_contract_table_of_another_recording_is_damage() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rec");
    record(&path, &some_ticks(5), Rolling::default());
    let other = folder.path().join("other");
    record(&other, &[], Rolling::default());
    std::fs::copy(other.join(CONTRACTS_FILE), path.join(CONTRACTS_FILE)).unwrap();
    let findings = Recording::open(&path).unwrap().damaged_segments();
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(findings[0].file.ends_with(CONTRACTS_FILE));
    std::fs::remove_file(path.join(CONTRACTS_FILE)).unwrap();
    assert_eq!(Recording::open(&path).unwrap().damaged_segments().len(), 1);
}

#[test]
fn an_unfinished_recording_does_not_verify_as_intact() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rec");
    let options = RecordingOptions {
        keep_partial: true,
        ..options(Rolling {
            max_rows: 10,
            ..Rolling::default()
        })
    };
    let mut writer = RecordingWriter::create(&path, options).unwrap();
    writer.write(&some_ticks(25)).unwrap();
    drop(writer);
    let report = verify(&Recording::open(&path).unwrap(), &mut |_| {});
    let problems: Vec<&str> = report.findings.iter().map(|f| f.problem.as_str()).collect();
    assert!(
        problems.iter().any(|p| p.starts_with("unfinished")),
        "{problems:?}"
    );
}

#[test]
fn damage_costs_one_row_group() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rec");
    let events = some_ticks(1000);
    let rolling = Rolling {
        row_group_rows: 100,
        ..Rolling::default()
    };
    record(&path, &events, rolling);
    let segment = folder.path().join("alone.parquet");
    let intact = std::fs::read(path.join("part-00000.parquet")).unwrap();
    let file = parquet::file::reader::SerializedFileReader::new(bytes::Bytes::from(intact.clone()));
    let groups = parquet::file::reader::FileReader::metadata(&file.unwrap()).clone();
    let (start, length) = groups.row_group(3).column(5).byte_range();
    let mut damaged = intact;
    damaged[usize::try_from(start + length / 2).unwrap()] ^= 0x10;
    std::fs::write(&segment, damaged).unwrap();

    let alone = Recording::open(&segment).unwrap();
    for ahead in [false, true] {
        let reader = || {
            let reader = alone.reader(EventFilter::default());
            if ahead { reader.read_ahead() } else { reader }
        };
        let mut read = Vec::new();
        let mut strict = reader();
        let error = loop {
            if let Err(error) = strict.next_events(&mut read, 100) {
                break error;
            }
        };
        assert!(
            error.to_string().contains("row group 3: BLAKE3 is "),
            "{error}"
        );
        assert_eq!(read, events[..300]);

        let mut salvage = reader().salvage(true);
        let mut read = Vec::new();
        salvage.next_events(&mut read, usize::MAX).unwrap();
        assert_eq!(read, [&events[..300], &events[400..]].concat());
        assert_eq!(salvage.missing().len(), 1);
        assert_eq!(salvage.missing()[0].rows, 100);
    }
}
