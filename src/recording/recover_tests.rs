//! What a killed recorder leaves: read as it is, recovered in place, and safe from other writers.

use std::path::Path;
use std::sync::Arc;

use tickdeck_core::event::Event;

use crate::names::{CONTRACTS_FILE, LOCK_FILE, partial_file};
use crate::owner::Owner;
use crate::recover::seal_file_by_file;
use crate::sealer::journal_of;
use crate::storage::local;
use crate::tests::{options, read_all, some_ticks};
use crate::*;

pub(crate) fn session(rows: u64, group: usize) -> RecordingOptions {
    RecordingOptions {
        keep_partial: true,
        ..options(Rolling {
            max_rows: rows,
            row_group_rows: group,
            ..Rolling::default()
        })
    }
}

/// A session whose recorder ended without finishing: segments of 20, journal files of 10, and blocks of 3
/// events.
pub(crate) fn killed(path: &Path, events: &[Event]) {
    killed_in(path, events, 20);
}

pub(crate) fn killed_in(path: &Path, events: &[Event], rows: u64) {
    let writer = RecordingWriter::create(path, session(rows, 10)).unwrap();
    let (mut journal, mut sealer) = journal_of(writer);
    for block in events.chunks(3) {
        block
            .iter()
            .for_each(|event| journal.append(event).unwrap());
        journal.write().unwrap();
        sealer.follow(journal.written_seq()).unwrap();
    }
}

pub(crate) fn events_of(path: &Path) -> Vec<Event> {
    read_all(&Recording::open(path).unwrap(), EventFilter::default(), 7)
}

pub(crate) fn names(path: &Path) -> Vec<String> {
    local().list(path).unwrap()
}

/// The manifest of a recording of `events` that was finished.
fn finished(events: &[Event]) -> Manifest {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rec");
    let mut writer = RecordingWriter::create(&path, session(20, 10)).unwrap();
    writer.write(events).unwrap();
    writer.finish().unwrap()
}

#[test]
fn a_killed_recording_is_read_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rec");
    let events = some_ticks(55);
    killed(&path, &events);
    let recording = Recording::open(&path).unwrap();
    assert_eq!(recording.status(), Status::Recording);
    assert!(recording.is_abandoned() && !recording.is_being_written());
    assert_eq!(
        (recording.segments().len(), recording.journal_events()),
        (2, 15)
    );
    assert_eq!(events_of(&path), events);
    let manifest = recording.manifest().unwrap();
    let whole = finished(&events);
    assert_eq!(manifest.instruments, whole.instruments);
    assert_eq!(manifest.trading_days, whole.trading_days);
    assert_eq!(manifest.ledger, whole.ledger);
    assert_eq!((manifest.start, manifest.end), (whole.start, whole.end));
    assert_eq!(recording.estimate(&EventFilter::default()).unwrap(), 55);
    let findings = verify(&recording, &mut |_| {}).findings;
    let problems: Vec<&str> = findings.iter().map(|it| it.problem.as_str()).collect();
    assert_eq!(
        problems,
        ["unfinished: its writer is gone; recover it (15 events are in the journal)"]
    );
}

#[test]
fn a_filter_selects_in_the_journal_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rec");
    let events = some_ticks(55);
    killed(&path, &events);
    let filter = EventFilter {
        start: Some(events[33].recv_ts),
        end: Some(events[51].recv_ts),
        instruments: Some(Arc::new(|id| id.as_bytes() == b"rb2601")),
    };
    let wanted = |event: &&Event| event.as_tick().unwrap().instrument_id.as_bytes() == b"rb2601";
    let expected: Vec<Event> = events[33..51].iter().filter(wanted).cloned().collect();
    let recording = Recording::open(&path).unwrap();
    assert_eq!(read_all(&recording, filter.clone(), 2), expected);
    let mut ahead = Vec::new();
    let mut reader = recording.reader(filter).read_ahead();
    reader.next_events(&mut ahead, usize::MAX).unwrap();
    assert_eq!(ahead, expected);
}

#[test]
fn a_recovered_recording_is_as_if_it_had_been_finished() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rec");
    let events = some_ticks(55);
    killed(&path, &events);
    std::fs::write(path.join(partial_file("part-00002.parquet")), "PAR1").unwrap();
    let recovery = recover(&path).unwrap();
    assert_eq!((recovery.events, recovery.from_journal), (55, 15));
    assert!(recovery.was_unfinished && recovery.lost.is_empty());
    let recording = Recording::open(&path).unwrap();
    assert!(verify(&recording, &mut |_| {}).is_intact());
    let whole = finished(&events);
    let manifest = recording.manifest().unwrap();
    assert_eq!(manifest.status, Status::Recovered);
    assert_eq!(manifest.digest, whole.digest);
    assert_eq!(manifest.contracts_digest, whole.contracts_digest);
    assert_eq!(manifest.contracts_blake3, whole.contracts_blake3);
    assert_eq!(events_of(&path), events);
    let left = names(&path);
    assert!(
        left.iter()
            .all(|name| !name.ends_with(".tdj") && !name.starts_with('.')),
        "{left:?}"
    );
    let again = recover(&path).unwrap();
    assert_eq!((again.events, again.was_unfinished), (55, false));
    assert_eq!(names(&path), left);
}

#[test]
fn an_unlisted_segment_is_read_and_taken_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rec");
    let events = some_ticks(55);
    let mut writer = RecordingWriter::create(&path, session(20, 10)).unwrap();
    writer.write(&events[..21]).unwrap();
    let early = std::fs::read(path.join(MANIFEST_FILE)).unwrap();
    writer.write(&events[21..]).unwrap();
    drop(writer);
    std::fs::write(path.join(MANIFEST_FILE), &early).unwrap();
    let recording = Recording::open(&path).unwrap();
    assert_eq!(recording.unlisted_segments(), ["part-00001.parquet"]);
    assert_eq!(events_of(&path), events[..40]);
    let report = verify(&recording, &mut |_| {});
    let named = |finding: &&Finding| finding.file.ends_with("part-00001.parquet");
    let named: Vec<&Finding> = report.findings.iter().filter(named).collect();
    assert_eq!(named[0].problem, "the manifest does not list it");
    assert_eq!((report.findings.len(), report.events), (2, 40));
    let recovery = recover(&path).unwrap();
    assert_eq!((recovery.events, recovery.unlisted_segments), (40, 1));
    let manifest = Manifest::read(&path).unwrap();
    assert_eq!(manifest.digest, finished(&events[..40]).digest);

    // A damaged one is left out.
    let second = path.join("part-00001.parquet");
    let mut bytes = std::fs::read(&second).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&second, bytes).unwrap();
    std::fs::write(path.join(MANIFEST_FILE), early).unwrap();
    assert_eq!(events_of(&path), events[..20]);
    let recovery = recover(&path).unwrap();
    assert_eq!((recovery.events, recovery.lost.len()), (20, 1));
    assert!(path.join("part-00001.parquet.damaged").exists());
    assert!(verify(&Recording::open(&path).unwrap(), &mut |_| {}).is_intact());
}

/// With a manifest as without one: only the events of the damaged segment are lost.
#[test]
fn unlisted_segments_behind_a_damaged_one_are_taken_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rec");
    let events = some_ticks(41);
    let mut writer = RecordingWriter::create(&path, session(10, 10)).unwrap();
    writer.write(&events[..11]).unwrap();
    let early = std::fs::read(path.join(MANIFEST_FILE)).unwrap();
    writer.write(&events[11..]).unwrap();
    drop(writer);
    std::fs::write(path.join(MANIFEST_FILE), &early).unwrap();
    let third = path.join("part-00002.parquet");
    let mut bytes = std::fs::read(&third).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&third, bytes).unwrap();
    for _ in 0..2 {
        let recovery = recover(&path).unwrap();
        assert_eq!((recovery.events, recovery.lost.len()), (40, 1));
        let lost = &recovery.lost[0];
        assert!(lost.file.ends_with("part-00002.parquet"), "{lost:?}");
        assert!(
            lost.problem.ends_with("events 20 to 29 are lost"),
            "{lost:?}"
        );
    }
    let all = Recording::open_salvage(&path).unwrap();
    let mut found = Vec::new();
    let mut reader = all.reader(EventFilter::default()).salvage(true);
    reader.next_events(&mut found, 100).unwrap();
    assert_eq!(found, [&events[..20], &events[30..40]].concat());
}

#[test]
fn a_torn_end_is_stated_and_the_rest_recovered() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rec");
    let events = some_ticks(25);
    killed(&path, &events);
    let last = path.join("journal-00002.tdj");
    let bytes = std::fs::read(&last).unwrap();
    std::fs::write(&last, &bytes[..bytes.len() - 1]).unwrap();
    let recording = Recording::open(&path).unwrap();
    let damage = recording.journal_damage().unwrap();
    assert!(
        damage.problem.ends_with(": events from 24 on are lost"),
        "{damage:?}"
    );
    let recovery = recover(&path).unwrap();
    assert_eq!((recovery.events, recovery.lost.len()), (24, 1));
    assert_eq!(recovery.lost[0], damage);
    assert_eq!(events_of(&path), events[..24]);
    assert!(!last.exists());
    assert_eq!(recovery.kept, [path.join("journal-00002.tdj.damaged")]);
    assert_eq!(verify(&recording, &mut |_| {}).lost, []);
}

/// Everything in a folder of the local file system.
fn contents(path: &Path) -> Vec<(String, Vec<u8>)> {
    let read = |name: String| {
        let bytes = std::fs::read(path.join(&name)).unwrap();
        (name, bytes)
    };
    names(path).into_iter().map(read).collect()
}

#[test]
fn an_empty_file_that_is_not_the_last_is_damage() {
    for (empty, kept, lost) in [
        (0, 0, "it is empty: events 0 to 34 are lost"),
        (1, 10, "it is empty: events 10 to 34 are lost"),
        (2, 20, "it is empty: events 20 to 34 are lost"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rec");
        let events = some_ticks(35);
        killed_in(&path, &events, 1_000);
        let file = |index: usize| format!("journal-{index:05}.tdj");
        std::fs::write(path.join(file(empty)), "").unwrap();
        let before = contents(&path);
        let recovery = recover(&path).unwrap();
        assert_eq!(recovery.events, kept);
        assert_eq!(recovery.lost.len(), 1);
        assert_eq!(recovery.lost[0].file, path.join(file(empty)));
        assert_eq!(recovery.lost[0].problem, lost);
        let after = contents(&path);
        for (name, bytes) in before.iter().filter(|(name, _)| name.ends_with(".tdj")) {
            let is_kept = after.contains(&(format!("{name}.damaged"), bytes.clone()));
            assert_eq!(is_kept, *name >= file(empty), "{name}");
        }
        assert_eq!(recovery.kept.len(), 4 - empty);
        // It is not forgotten.
        let report = verify(&Recording::open(&path).unwrap(), &mut |_| {});
        assert!(report.is_intact());
        assert_eq!(report.lost, recovery.lost);
        let again = recover(&path).unwrap();
        assert_eq!((again.was_unfinished, again.lost), (false, recovery.lost));
        assert_eq!(contents(&path), after);
    }
}

/// A recording ends at the damage, because its `seq` has no gap. What is behind it is read file by file.
#[test]
fn intact_files_behind_damage_are_read_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rec");
    let events = some_ticks(35);
    killed_in(&path, &events, 1_000);
    let second = path.join("journal-00001.tdj");
    let mut bytes = std::fs::read(&second).unwrap();
    let middle = bytes.len() - 20;
    bytes[middle] ^= 1;
    std::fs::write(&second, bytes).unwrap();
    let recovery = recover(&path).unwrap();
    let expected = "events 18 to 34 are lost";
    assert!(recovery.lost[0].problem.ends_with(expected), "{recovery:?}");
    let mut found = events_of(&path);
    assert_eq!(found, events[..18]);
    assert_eq!(recovery.kept.len(), 3);
    for (file, is_whole) in recovery.kept.iter().zip([false, true, true]) {
        let lone = Recording::open(file).unwrap();
        assert_eq!((lone.session(), lone.is_complete()), ("test", true));
        assert_eq!(lone.source().payload_source, "synthetic");
        let report = verify(&lone, &mut |_| {});
        assert_eq!(report.is_intact(), is_whole, "{report:?}");
        assert_eq!(report.events, lone.journal_events());
        let read = events_of(file);
        let range = read.first().zip(read.last());
        let range = range.map(|(first, last)| (first.recv_ts, last.recv_ts));
        assert_eq!(lone.time_range().unwrap(), range);
        if is_whole {
            found.extend(read);
        } else {
            assert_eq!(read, events[10..18]);
            let end = "events from 18 on are lost";
            assert!(report.findings[0].problem.ends_with(end), "{report:?}");
        }
    }
    // All but the last block of the damaged file.
    assert_eq!(found, [&events[..18], &events[20..]].concat());
}

#[test]
fn a_lone_file_that_is_no_journal_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rec");
    killed(&path, &some_ticks(5));
    let bytes = std::fs::read(path.join("journal-00000.tdj")).unwrap();
    let file = folder.path().join("part.tdj");
    for length in 0..bytes.len() {
        std::fs::write(&file, &bytes[..length]).unwrap();
        match Recording::open(&file) {
            Ok(lone) => assert!(lone.journal_events() <= 5),
            Err(RecordingError::Damaged { problem, .. }) => {
                assert_eq!(problem, "its header is not whole");
            }
            Err(RecordingError::NotARecording { .. }) => assert!(length < 8),
            Err(other) => panic!("{length} bytes: {other}"),
        }
    }
}

#[test]
fn an_empty_last_file_is_the_end_of_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rec");
    let events = some_ticks(10);
    killed(&path, &events);
    std::fs::write(path.join("journal-00001.tdj"), "").unwrap();
    let recovery = recover(&path).unwrap();
    assert_eq!((recovery.events, recovery.lost.len()), (10, 0));
    assert!(recovery.kept.is_empty());
    assert!(!path.join("journal-00001.tdj").exists());
}

#[test]
fn an_unreadable_file_whose_events_are_sealed_costs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rec");
    let events = some_ticks(35);
    killed(&path, &events);
    std::fs::write(path.join("journal-00001.tdj"), "").unwrap();
    let recovery = recover(&path).unwrap();
    assert_eq!((recovery.events, recovery.lost.len()), (35, 0));
    assert_eq!(events_of(&path), events);
}

/// The last file of a journal, of four blocks, with each of its bytes damaged.
#[test]
fn no_flipped_bit_costs_the_bytes_of_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let events = some_ticks(19);
    let whole = folder.path().join("whole");
    killed(&whole, &events);
    let file = "journal-00001.tdj";
    let bytes = std::fs::read(whole.join(file)).unwrap();
    let path = folder.path().join("rec");
    std::fs::create_dir(&path).unwrap();
    let mut stated = 0;
    for position in (0..bytes.len()).step_by(13) {
        for (name, content) in contents(&whole) {
            std::fs::write(path.join(name), content).unwrap();
        }
        let mut bad = bytes.clone();
        bad[position] ^= 1 << (position % 8);
        std::fs::write(path.join(file), &bad).unwrap();
        let recovery = recover(&path).unwrap();
        assert_eq!(recovery.lost.len(), 1, "byte {position}");
        let kept = path.join("journal-00001.tdj.damaged");
        assert_eq!(recovery.kept, [kept.as_path()], "byte {position}");
        assert_eq!(std::fs::read(kept).unwrap(), bad, "byte {position}");
        let found = events_of(&path);
        assert_eq!(found.len() as u64, recovery.events);
        assert!(events.starts_with(&found), "byte {position}");
        stated += usize::from(recovery.lost[0].problem.ends_with(" to 18 are lost"));
        std::fs::remove_dir_all(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
    }
    // All but the last block, which nothing follows.
    assert!(stated * 13 > bytes.len() / 2, "{stated}");
}

#[test]
fn what_an_earlier_recovery_kept_is_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rec");
    killed(&path, &some_ticks(5));
    let file = path.join("journal-00000.tdj");
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() - 1]).unwrap();
    let earlier = path.join("journal-00000.tdj.damaged");
    std::fs::write(&earlier, "earlier").unwrap();
    let recovery = recover(&path).unwrap();
    assert_eq!(recovery.kept, [path.join("journal-00000.tdj.damaged-2")]);
    assert_eq!(std::fs::read(earlier).unwrap(), b"earlier");
}

#[test]
fn damage_in_the_middle_keeps_what_is_behind_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rec");
    let events = some_ticks(19);
    killed(&path, &events);
    let first = path.join("journal-00000.tdj");
    let mut bytes = std::fs::read(&first).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&first, bytes).unwrap();
    let recovery = recover(&path).unwrap();
    assert_eq!((recovery.events, recovery.lost.len()), (9, 1));
    assert!(
        recovery.lost[0]
            .problem
            .ends_with(": events 9 to 18 are lost")
    );
    assert_eq!(events_of(&path), events[..9]);
    for kept in ["journal-00000.tdj.damaged", "journal-00001.tdj.damaged"] {
        assert!(path.join(kept).exists(), "{kept}");
    }
    assert!(verify(&Recording::open(&path).unwrap(), &mut |_| {}).is_intact());
}

#[test]
fn a_damaged_segment_does_not_keep_the_journal_from_being_sealed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rec");
    let events = some_ticks(25);
    killed(&path, &events);
    let segment = path.join("part-00000.parquet");
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[1000] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let recovery = recover(&path).unwrap();
    assert_eq!((recovery.events, recovery.lost.len()), (25, 1));
    assert!(recovery.lost[0].problem.starts_with("BLAKE3 is "));
    let mut played = Vec::new();
    let recording = Recording::open(&path).unwrap();
    let mut reader = recording.reader(EventFilter::default()).salvage(true);
    reader.next_events(&mut played, usize::MAX).unwrap();
    assert_eq!(played.last(), events.last());
}

#[test]
fn an_unfinished_segment_without_journal_is_lost_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rec");
    let mut writer = RecordingWriter::create(&path, session(20, 10)).unwrap();
    writer.write(&some_ticks(25)).unwrap();
    drop(writer);
    let partial = path.join(partial_file("part-00001.parquet"));
    std::fs::write(&partial, "PAR1").unwrap();
    let recovery = recover(&path).unwrap();
    assert_eq!(recovery.events, 20);
    assert_eq!(
        recovery.lost[0].problem,
        "4 bytes of an unfinished segment: events from 20 on are lost"
    );
    assert!(!partial.exists() && recovery.kept[0].exists());
    let report = verify(&Recording::open(&path).unwrap(), &mut |_| {});
    assert_eq!(report.lost, recovery.lost, "it is stated from now on");
    assert_eq!(recover(&path).unwrap().lost, recovery.lost);
}

#[test]
fn a_lost_manifest_is_rebuilt() {
    let folder = tempfile::tempdir().unwrap();
    for (name, count) in [("with segments", 45), ("journal alone", 15)] {
        let path = folder.path().join(name);
        let events = some_ticks(count);
        killed(&path, &events);
        std::fs::remove_file(path.join(MANIFEST_FILE)).unwrap();
        let recovery = recover(&path).unwrap();
        assert_eq!(
            (recovery.session.as_str(), recovery.events),
            ("test", count)
        );
        assert_eq!(events_of(&path), events);
        let recording = Recording::open(&path).unwrap();
        assert!(verify(&recording, &mut |_| {}).is_intact());
        assert_eq!(recording.source().payload_source, "synthetic");
    }
}

#[test]
fn a_folder_without_a_recording_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("thesis.txt"), "").unwrap();
    let refused = recover(folder.path()).unwrap_err();
    assert!(matches!(refused, RecordingError::NothingToRecover { .. }));
    let refused = recover(&folder.path().join("none")).unwrap_err();
    assert!(matches!(refused, RecordingError::NotARecording { .. }));
    assert_eq!(names(folder.path()), ["thesis.txt"]);
}

#[test]
fn a_recording_has_one_writer_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rec");
    let mut writer = RecordingWriter::create(&path, session(20, 10)).unwrap();
    writer.write(&some_ticks(25)).unwrap();
    let before = names(&path);
    let forced = RecordingOptions {
        overwrite: true,
        ..session(20, 10)
    };
    for refused in [
        RecordingWriter::create(&path, session(20, 10)).map(drop),
        RecordingWriter::create(&path, forced.clone()).map(drop),
        RecordingWriter::check_target(&path, true),
        recover(&path).map(drop),
    ] {
        let refused = refused.unwrap_err();
        assert!(matches!(refused, RecordingError::InUse { .. }), "{refused}");
        assert!(refused.to_string().contains("process "), "{refused}");
        assert!(refused.is_bad_input());
    }
    assert_eq!(names(&path), before);
    assert_eq!(names(folder.path()), ["rec"]);
    writer.finish().unwrap();
    // While it is replaced, it is locked too.
    let mut second = RecordingWriter::create(&path, forced.clone()).unwrap();
    let refused = RecordingWriter::create(&path, forced).unwrap_err();
    assert!(matches!(refused, RecordingError::InUse { .. }), "{refused}");
    second.write(&some_ticks(3)).unwrap();
    second.finish().unwrap();
    assert_eq!(names(folder.path()), ["rec"]);
    assert_eq!(
        names(&path),
        ["contracts.parquet", "manifest.json", "part-00000.parquet"]
    );
}

#[test]
fn a_recording_that_is_being_written_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rec");
    let writer = RecordingWriter::create(&path, session(20, 10)).unwrap();
    let (mut journal, mut sealer) = journal_of(writer);
    let events = some_ticks(50);
    for event in &events[..25] {
        journal.append(event).unwrap();
    }
    journal.write().unwrap();
    let open = || Recording::open(&path).unwrap();
    let early = open();
    assert!(early.is_being_written() && !early.is_abandoned());
    // What was opened stays readable while the journal is sealed and removed.
    for event in &events[25..] {
        journal.append(event).unwrap();
    }
    journal.write().unwrap();
    sealer.follow(journal.written_seq()).unwrap();
    assert!(!path.join("journal-00001.tdj").exists());
    assert_eq!(read_all(&early, EventFilter::default(), 4), events[..25]);
    assert_eq!(read_all(&open(), EventFilter::default(), 4), events);
    let report = verify(&open(), &mut |_| {});
    assert_eq!(
        report.findings[0].problem,
        "unfinished: it is being written (10 events are in the journal)"
    );
    sealer.into_writer().finish().unwrap();
    assert_eq!(open().status(), Status::Complete);
}

#[test]
fn clean_up_spares_the_folder_of_another_writer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rec");
    let mut first = RecordingWriter::create(&path, options(Rolling::default())).unwrap();
    first.write(&some_ticks(25)).unwrap();
    std::fs::remove_dir_all(&path).unwrap();
    let mut second = RecordingWriter::create(&path, options(Rolling::default())).unwrap();
    second.write(&some_ticks(5)).unwrap();
    second.finish().unwrap();
    let refused = first.finish().unwrap_err();
    assert!(
        matches!(refused, RecordingError::FolderReplaced { .. }),
        "{refused}"
    );
    assert_eq!(events_of(&path), some_ticks(5));
    assert!(verify(&Recording::open(&path).unwrap(), &mut |_| {}).is_intact());
}

#[test]
fn a_stale_lock_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rec");
    killed(&path, &some_ticks(5));
    std::fs::write(path.join(LOCK_FILE), "process 1 on host gone\n").unwrap();
    assert!(Recording::open(&path).unwrap().is_abandoned());
    assert_eq!(recover(&path).unwrap().events, 5);
    assert!(!path.join(LOCK_FILE).exists());
}

#[test]
fn a_recovery_removes_what_was_being_put_in_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rec");
    killed(&path, &some_ticks(5));
    for _ in ["unfinished", "finished"] {
        for name in [".manifest.json.Ab12cd.tmp", ".contracts.parquet.000000.tmp"] {
            std::fs::write(path.join(name), "PAR1").unwrap();
        }
        let recovery = recover(&path).unwrap();
        assert_eq!((recovery.events, recovery.lost), (5, vec![]));
        let names = names(&path);
        assert_eq!(names, [CONTRACTS_FILE, MANIFEST_FILE, "part-00000.parquet"]);
    }
}

#[test]
fn what_was_being_put_in_place_goes_with_its_recording() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rec");
    killed(&path, &some_ticks(5));
    recover(&path).unwrap();
    std::fs::write(path.join(".manifest.json.Ab12cd.tmp"), "{").unwrap();
    let forced = RecordingOptions {
        overwrite: true,
        ..session(20, 10)
    };
    let mut writer = RecordingWriter::create(&path, forced).unwrap();
    writer.write(&some_ticks(7)).unwrap();
    writer.finish().unwrap();
    let expected = [CONTRACTS_FILE, MANIFEST_FILE, "part-00000.parquet"];
    assert_eq!(names(&path), expected);
    // Of a replacement that was killed at its start.
    let beside = folder.path().join(".rec.Ab12cd");
    let other = folder.path().join(".rec.backup");
    for (hidden, name) in [
        (&beside, ".manifest.json.Ab12cd.tmp"),
        (&other, "notes.txt"),
    ] {
        std::fs::create_dir(hidden).unwrap();
        std::fs::write(hidden.join(LOCK_FILE), "").unwrap();
        std::fs::write(hidden.join(name), "{").unwrap();
    }
    assert_eq!(leftovers(&path).unwrap().len(), 0);
    assert!(!beside.exists() && other.join("notes.txt").exists());
}

#[test]
fn leftovers_are_found_in_place_and_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rec");
    assert_eq!(
        leftovers(&path).unwrap(),
        [""; 0].map(std::path::PathBuf::from)
    );
    killed(&path, &some_ticks(5));
    assert_eq!(leftovers(&path).unwrap(), std::slice::from_ref(&path));
    recover(&path).unwrap();
    assert_eq!(leftovers(&path).unwrap().len(), 0);
    let forced = RecordingOptions {
        overwrite: true,
        ..session(20, 10)
    };
    let writer = RecordingWriter::create(&path, forced).unwrap();
    let (mut journal, sealer) = journal_of(writer);
    for event in &some_ticks(7) {
        journal.append(event).unwrap();
    }
    journal.write().unwrap();
    assert_eq!(leftovers(&path).unwrap().len(), 0, "it is being written");
    drop(sealer);
    let left = leftovers(&path).unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!(recover(&left[0]).unwrap().events, 7);
    assert_eq!(events_of(&path), some_ticks(5), "not replaced");
}

/// A recovery that was killed after it wrote the manifest has not read back what it sealed.
#[test]
fn a_journal_beside_damaged_segments_is_not_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rec");
    killed(&path, &some_ticks(15));
    let file = path.join("journal-00000.tdj");
    let journal = std::fs::read(&file).unwrap();
    recover(&path).unwrap();
    for is_damaged in [false, true] {
        std::fs::write(&file, &journal).unwrap();
        let segment = path.join("part-00000.parquet");
        let mut bytes = std::fs::read(&segment).unwrap();
        bytes[1000] ^= u8::from(is_damaged);
        std::fs::write(&segment, bytes).unwrap();
        let recovery = recover(&path).unwrap();
        assert_eq!(recovery.lost.is_empty(), !is_damaged);
        let kept = std::fs::read(path.join("journal-00000.tdj.damaged"));
        assert_eq!(kept.ok(), is_damaged.then(|| journal.clone()));
        assert!(!file.exists());
    }
}

/// A killed session of 18 events: segments of 5, of which the last one is in the journal, too.
pub(crate) fn killed_with_overlap(path: &Path) -> Vec<Event> {
    let events = some_ticks(18);
    killed_in(path, &events, 5);
    assert_eq!(
        names(path)
            .iter()
            .filter(|name| name.ends_with(".tdj"))
            .count(),
        1,
        "it has events 10 to 17"
    );
    events
}

pub(crate) fn spoil(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_damaged_segment_is_written_again_where_the_journal_has_its_events() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rec");
    let events = killed_with_overlap(&path);
    spoil(&path.join("part-00002.parquet"));
    let recovery = recover(&path).unwrap();
    assert_eq!((recovery.events, &recovery.lost[..]), (18, &[][..]));
    assert_eq!(events_of(&path), events);
    assert!(verify(&Recording::open(&path).unwrap(), &mut |_| {}).is_intact());
    assert!(recovery.kept[0].ends_with("part-00002.parquet.damaged"));
    let again = recover(&path).unwrap();
    assert!(!again.was_unfinished && again.lost.is_empty());
}

#[test]
fn a_damaged_segment_without_journal_is_lost_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rec");
    killed_with_overlap(&path);
    spoil(&path.join("part-00001.parquet"));
    let recovery = recover(&path).unwrap();
    let [lost] = &recovery.lost[..] else {
        panic!("{recovery:?}");
    };
    assert!(lost.problem.ends_with("events 5 to 9 are lost"), "{lost:?}");
    // The journal has only events of the segments behind it.
    assert!(recovery.kept.is_empty(), "{recovery:?}");
    let again = recover(&path).unwrap();
    assert_eq!(again.lost, recovery.lost, "it is stated from now on");
}

#[test]
fn a_journal_that_goes_on_after_a_finished_manifest_is_sealed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rec");
    let events = some_ticks(55);
    killed(&path, &events);
    let mut manifest = Manifest::read(&path).unwrap();
    assert_eq!(manifest.events, 40);
    manifest.status = Status::Recovered;
    manifest.write(&*local(), &path).unwrap();
    let found = verify(&Recording::open(&path).unwrap(), &mut |_| {}).findings;
    let is_named = |it: &Finding| it.problem.starts_with("15 events are in the journal");
    assert!(found.iter().any(is_named), "{found:?}");
    let recovery = recover(&path).unwrap();
    assert_eq!((recovery.events, recovery.from_journal), (55, 15));
    assert!(recovery.lost.is_empty() && recovery.kept.is_empty());
    assert_eq!(events_of(&path), events);
    assert!(verify(&Recording::open(&path).unwrap(), &mut |_| {}).is_intact());
}

#[test]
fn a_damaged_contract_table_is_neither_replaced_nor_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rec");
    killed(&path, &some_ticks(55));
    let contracts = path.join(CONTRACTS_FILE);
    let good = std::fs::read(&contracts).unwrap();
    let damaged = [&good[..300], b"?", &good[301..]].concat();
    std::fs::write(&contracts, &damaged).unwrap();
    for _ in 0..2 {
        let recovery = recover(&path).unwrap();
        assert_eq!((recovery.events, recovery.lost.len()), (55, 1));
        assert_eq!(recovery.lost[0].file, contracts);
        assert_eq!(std::fs::read(&contracts).unwrap(), damaged);
        assert!(!verify(&Recording::open(&path).unwrap(), &mut |_| {}).is_intact());
    }
    std::fs::write(&contracts, &good).unwrap();
    assert!(verify(&Recording::open(&path).unwrap(), &mut |_| {}).is_intact());
    assert!(recover(&path).unwrap().lost.is_empty());
}

#[test]
fn a_journal_that_a_kill_left_repairs_a_finished_recording() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rec");
    let events = killed_with_overlap(&path);
    let journal = std::fs::read(path.join("journal-00001.tdj")).unwrap();
    recover(&path).unwrap();
    std::fs::write(path.join("journal-00001.tdj"), journal).unwrap();
    spoil(&path.join("part-00002.parquet"));
    let recovery = recover(&path).unwrap();
    assert_eq!((recovery.events, &recovery.lost[..]), (18, &[][..]));
    assert_eq!(events_of(&path), events);
    assert!(verify(&Recording::open(&path).unwrap(), &mut |_| {}).is_intact());
}

#[test]
fn files_whose_events_are_in_segments_make_room_first() {
    let folder = tempfile::tempdir().unwrap();
    let (path, made) = (folder.path().join("rec"), folder.path().join("made"));
    let events = some_ticks(55);
    killed(&path, &events);
    killed(&made, &events);
    recover(&made).unwrap();
    // As a recovery leaves it that had no space for its manifest.
    let last = "part-00002.parquet";
    std::fs::copy(made.join(last), path.join(last)).unwrap();
    let owner = Arc::new(Owner::of(&*local(), &path).unwrap());
    seal_file_by_file(&local(), &owner, &path).unwrap();
    drop(owner);
    assert!(!names(&path).iter().any(|name| name.ends_with(".tdj")));
    assert_eq!(recover(&path).unwrap().events, 55);
    assert_eq!(events_of(&path), events);
}

/// What makes something of this name that no writer can lock.
type Put = fn(&Path);

#[test]
fn what_is_no_lock_is_named_to_writers_and_not_needed_by_readers() {
    let puts: [(&str, Put); 3] = [
        ("a folder", |lock| std::fs::create_dir(lock).unwrap()),
        ("a link", |lock| {
            std::os::unix::fs::symlink("nowhere", lock).unwrap();
        }),
        ("a pipe or a device", |lock| {
            nix::unistd::mkfifo(lock, nix::sys::stat::Mode::S_IRWXU).unwrap();
        }),
    ];
    let events = some_ticks(25);
    for (what, put) in puts {
        let folder = tempfile::tempdir().unwrap();
        let (path, new) = (folder.path().join("rec"), folder.path().join("new"));
        killed(&path, &events);
        std::fs::create_dir(&new).unwrap();
        put(&path.join(LOCK_FILE));
        put(&new.join(LOCK_FILE));
        let begun = RecordingWriter::create(&new, session(20, 10)).map(|_| ());
        for (refused, place) in [(recover(&path).map(|_| ()), &path), (begun, &new)] {
            let error = refused.unwrap_err();
            let lock = place.join(LOCK_FILE);
            let expected = format!(
                "{} is {what}, so that no writer can lock the recording: remove it",
                lock.display()
            );
            assert!(error.is_bad_input(), "{error:?}");
            assert_eq!(error.to_string(), expected);
        }
        let recording = Recording::open(&path).unwrap();
        assert!(recording.is_abandoned() && !recording.is_writer_unknown());
        assert_eq!(events_of(&path), events);
    }
}

#[test]
fn a_manifest_that_cannot_be_read_and_no_events_are_nothing_to_recover() {
    for text in ["", "{", "{\"format\": 1}"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rec");
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join(MANIFEST_FILE), text).unwrap();
        let refused = recover(&path).unwrap_err();
        assert!(
            matches!(refused, RecordingError::OnlyManifest { .. }),
            "{refused:?}"
        );
        assert_eq!(names(&path), [MANIFEST_FILE], "it stays");
    }
}

#[test]
fn segments_in_the_place_of_others_are_stated_and_not_counted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rec");
    let events = some_ticks(55);
    killed(&path, &events);
    let swap = || {
        let [first, second, other] =
            ["part-00000.parquet", "part-00001.parquet", "x"].map(|name| path.join(name));
        std::fs::rename(&first, &other).unwrap();
        std::fs::rename(&second, &first).unwrap();
        std::fs::rename(&other, &second).unwrap();
    };
    swap();
    let recovery = recover(&path).unwrap();
    let files: Vec<_> = recovery.lost.iter().map(|lost| lost.file.clone()).collect();
    let segments = ["part-00000.parquet", "part-00001.parquet"];
    assert_eq!(files, segments.map(|name| path.join(name)));
    // Back in their places they have everything.
    swap();
    let recording = Recording::open(&path).unwrap();
    assert_eq!(verify(&recording, &mut |_| {}).findings, []);
    assert_eq!(events_of(&path), events);
}

#[test]
fn a_segment_of_another_recording_is_not_counted() {
    let folder = tempfile::tempdir().unwrap();
    let [path, other] = ["rec", "other"].map(|name| folder.path().join(name));
    let events = some_ticks(55);
    killed(&path, &events);
    let mut theirs = events.clone();
    theirs.iter_mut().for_each(|event| event.recv_ts.0 += 1);
    killed(&other, &theirs);
    let [ours, theirs] = [&path, &other].map(|path| path.join("part-00001.parquet"));
    let own = std::fs::read(&ours).unwrap();
    std::fs::copy(&theirs, &ours).unwrap();
    let recovery = recover(&path).unwrap();
    assert_eq!(recovery.lost.len(), 1, "{recovery:?}");
    std::fs::write(&ours, own).unwrap();
    let recording = Recording::open(&path).unwrap();
    assert_eq!(verify(&recording, &mut |_| {}).findings, []);
    assert_eq!(events_of(&path), events);
}
