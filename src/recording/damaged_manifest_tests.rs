//! A manifest that is damaged or says something that its files do not: nothing is read by it, and it is made
//! again from them.

use std::collections::BTreeMap;
use std::path::Path;

use tickdeck_core::event::Event;

use crate::recover_tests::{events_of, killed, killed_with_overlap, names, session, spoil};
use crate::storage::local;
use crate::tests::some_ticks;
use crate::*;

/// A recovery gives all events, states no loss, and leaves nothing to repair.
#[track_caller]
fn assert_recovers(path: &Path, events: &[Event]) -> Recovery {
    let recovery = recover(path).unwrap();
    assert_eq!(
        (recovery.events, &recovery.lost[..]),
        (events.len() as u64, &[][..])
    );
    assert_eq!(events_of(path), events);
    assert!(verify(&Recording::open(path).unwrap(), &mut |_| {}).is_intact());
    recovery
}

#[test]
fn a_manifest_with_impossible_counts_is_refused_and_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rec");
    let events = some_ticks(55);
    let spoils: [fn(&mut Manifest); 3] = [
        |manifest| {
            manifest.events = u64::MAX;
            manifest.segments[1].last_seq = u64::MAX;
        },
        |manifest| manifest.ledger.received = u64::MAX,
        |manifest| *manifest.instruments.values_mut().next().unwrap() = u64::MAX,
    ];
    for spoil in spoils {
        killed(&path, &events);
        let mut manifest = Manifest::read(&path).unwrap();
        spoil(&mut manifest);
        manifest.write(&*local(), &path).unwrap();
        let opened = Recording::open(&path).unwrap_err();
        assert!(opened.is_damage(), "{opened}");
        assert_recovers(&path, &events);
        std::fs::remove_dir_all(&path).unwrap();
    }
}

#[test]
fn a_manifest_that_counts_wrongly_is_counted_again() {
    let folder = tempfile::tempdir().unwrap();
    let spoils: [fn(&mut Manifest); 3] = [
        |manifest| *manifest.instruments.values_mut().next().unwrap() += 1,
        |manifest| manifest.ticks -= 1,
        |manifest| drop(manifest.segments.remove(0)),
    ];
    for (number, spoil) in spoils.into_iter().enumerate() {
        let path = folder.path().join(number.to_string());
        let events = some_ticks(55);
        killed(&path, &events);
        let mut manifest = Manifest::read(&path).unwrap();
        spoil(&mut manifest);
        manifest.write(&*local(), &path).unwrap();
        assert_recovers(&path, &events);
    }
}

/// Every number of the manifest is changed, one at a time.
#[test]
fn no_wrong_number_of_a_manifest_changes_the_events() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rec");
    let events = some_ticks(55);
    killed(&path, &events);
    let good = std::fs::read_to_string(path.join(MANIFEST_FILE)).unwrap();
    let files = names(&path).into_iter();
    let files: Vec<_> = files
        .map(|name| (std::fs::read(path.join(&name)).unwrap(), name))
        .collect();
    // The calendar is a text.
    let end = good.find("\"calendar\"").unwrap();
    let after = end + good[end..].find("\"ledger\"").unwrap();
    // The last digit of each number.
    let digits = good.bytes().zip(good.bytes().skip(1)).enumerate();
    let digits = digits.filter(|(at, (byte, next))| {
        byte.is_ascii_digit() && matches!(next, b',' | b'\n') && !(end..after).contains(at)
    });
    let mut made_again = 0;
    for (at, (digit, _)) in digits {
        std::fs::remove_dir_all(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        for (content, name) in &files {
            std::fs::write(path.join(name), content).unwrap();
        }
        let mut wrong = good.clone().into_bytes();
        wrong[at] = if digit == b'9' { b'8' } else { digit + 1 };
        std::fs::write(path.join(MANIFEST_FILE), wrong).unwrap();
        // Refused, or all of them.
        if let Ok(opened) = Recording::open(&path) {
            let read = std::panic::AssertUnwindSafe(|| events_of(&path));
            if opened.damaged_segments().is_empty() {
                assert_eq!(read(), events, "byte {at}");
            }
        }
        match recover(&path) {
            Ok(recovery) => {
                made_again += usize::from(!recovery.kept.is_empty());
                assert_eq!(events_of(&path), events, "byte {at}");
            }
            // A newer version.
            Err(error) => assert!(!error.is_damage(), "byte {at}: {error}"),
        }
    }
    assert!(made_again > 5, "{made_again}");
}

#[test]
fn an_unreadable_manifest_is_kept_and_made_again() {
    for damage in [
        "",
        "{",
        "\u{0}\u{0}\u{0}",
        "{\"format\": \"something\", \"format_version\": \"1.1\"}",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rec");
        let events = some_ticks(55);
        killed(&path, &events);
        std::fs::write(path.join(MANIFEST_FILE), damage).unwrap();
        assert!(Recording::open(&path).is_err());
        let recovery = recover(&path).unwrap();
        assert_eq!(
            (recovery.events, recovery.lost.len()),
            (55, 1),
            "{damage:?}"
        );
        let kept = path.join("manifest.json.damaged");
        assert_eq!(recovery.lost[0].file, kept);
        assert_eq!(recovery.kept, std::slice::from_ref(&kept));
        assert_eq!(std::fs::read_to_string(&kept).unwrap(), damage);
        assert_eq!(events_of(&path), events);
        assert!(verify(&Recording::open(&path).unwrap(), &mut |_| {}).is_intact());
        let again = recover(&path).unwrap();
        assert_eq!(again.lost, recovery.lost, "what it had is still gone");
        assert_eq!(again.kept, Vec::<std::path::PathBuf>::new());
        // It goes with its recording.
        let mut writer = RecordingWriter::create(
            &path,
            RecordingOptions {
                overwrite: true,
                ..session(20, 10)
            },
        )
        .unwrap();
        writer.write(&events[..3]).unwrap();
        writer.finish().unwrap();
        assert!(!kept.exists());
    }
}

/// A damaged segment costs no more of the journal than the files that may have its events.
#[test]
fn journal_files_without_events_of_damaged_segments_go() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rec");
    let events = some_ticks(95);
    killed(&path, &events);
    let segment = path.join("part-00001.parquet");
    let bytes = std::fs::read(&segment).unwrap();
    std::fs::write(&segment, &bytes[..bytes.len() / 2]).unwrap();
    let recovery = recover(&path).unwrap();
    assert_eq!((recovery.events, recovery.lost.len()), (95, 1));
    assert_eq!(recovery.kept, Vec::<std::path::PathBuf>::new());
    assert!(
        !names(&path).iter().any(|name| name.contains(".tdj")),
        "{:?}",
        names(&path)
    );
}

#[test]
fn a_journal_whose_header_is_damaged_is_not_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rec");
    killed_with_overlap(&path);
    for name in names(&path).iter().filter(|name| !name.ends_with(".tdj")) {
        std::fs::remove_file(path.join(name)).unwrap();
    }
    for name in names(&path) {
        let file = path.join(name);
        let mut bytes = std::fs::read(&file).unwrap();
        bytes[3] ^= 1;
        std::fs::write(&file, bytes).unwrap();
    }
    let error = recover(&path).unwrap_err();
    assert!(error.is_damage(), "{error}");
    assert_eq!(local().list(&path).unwrap(), names(&path));
}

#[test]
fn a_missing_manifest_is_made_again_and_stated() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rec");
    let events = some_ticks(55);
    killed(&path, &events);
    std::fs::remove_file(path.join(MANIFEST_FILE)).unwrap();
    assert!(matches!(
        Recording::open(&path),
        Err(RecordingError::NoManifest { .. })
    ));
    assert_eq!(leftovers(&path).unwrap(), std::slice::from_ref(&path));
    let recovery = recover(&path).unwrap();
    assert_eq!(recovery.lost.len(), 1, "{recovery:?}");
    assert_eq!(recovery.lost[0].file, path.join(MANIFEST_FILE));
    assert_eq!(events_of(&path), events);
}

/// A finished recording of five segments without its manifest.
fn without_manifest(path: &Path) -> Vec<Event> {
    let events = some_ticks(95);
    let mut writer = RecordingWriter::create(path, session(20, 10)).unwrap();
    writer.write(&events).unwrap();
    writer.finish().unwrap();
    std::fs::remove_file(path.join(MANIFEST_FILE)).unwrap();
    events
}

/// A finished recording of another session, in segments of `rows`.
fn record_another(path: &Path, rows: u64, events: &[Event]) {
    let options = RecordingOptions {
        session: "another".into(),
        ..session(rows, 10)
    };
    let mut writer = RecordingWriter::create(path, options).unwrap();
    writer.write(events).unwrap();
    writer.finish().unwrap();
}

/// What someone did to the files of a folder.
#[derive(Debug, Clone, Copy)]
enum Deed {
    Rename(usize, usize),
    Swap(usize, usize),
    Copy(usize, usize),
}

fn segment(path: &Path, index: usize) -> std::path::PathBuf {
    path.join(format!("part-{index:05}.parquet"))
}

impl Deed {
    fn all(segments: usize) -> Vec<Self> {
        let mut all = Vec::new();
        for one in 0..segments {
            for other in (0..segments + 2).filter(|other| *other != one) {
                all.extend([Self::Rename(one, other), Self::Copy(one, other)]);
                if one < other && other < segments {
                    all.push(Self::Swap(one, other));
                }
            }
        }
        all
    }

    /// Does it to the files and to what is known of them: which events each has.
    fn apply(self, path: &Path, known: &mut BTreeMap<usize, (usize, usize)>) {
        match self {
            Self::Rename(from, to) => {
                std::fs::rename(segment(path, from), segment(path, to)).unwrap();
                let events = known.remove(&from).unwrap();
                known.insert(to, events);
            }
            Self::Copy(from, to) => {
                std::fs::copy(segment(path, from), segment(path, to)).unwrap();
                known.insert(to, known[&from]);
            }
            Self::Swap(one, other) => {
                Self::Rename(one, 99).apply(path, known);
                Self::Rename(other, one).apply(path, known);
                Self::Rename(99, other).apply(path, known);
            }
        }
    }
}

fn salvaged(path: &Path) -> Vec<Event> {
    let recording = Recording::open_salvage(path).unwrap();
    let mut reader = recording.reader(EventFilter::default()).salvage(true);
    let mut read = Vec::new();
    reader.next_events(&mut read, usize::MAX).unwrap();
    read
}

/// Every event that is intact somewhere is played and recovered once, in order, whatever the files are
/// named.
fn assert_names_do_not_matter(make: impl Fn(&Path) -> Vec<Event>, rows: usize, journal: usize) {
    let folder = tempfile::tempdir().unwrap();
    let intact = folder.path().join("intact");
    let events = make(&intact);
    let segments = names(&intact)
        .into_iter()
        .filter(|it| it.starts_with("part-"));
    let segments = segments.count();
    for deed in Deed::all(segments) {
        for damaged in [None, Some(segments / 2)] {
            let path = folder.path().join("rec");
            std::fs::create_dir(&path).unwrap();
            for name in names(&intact).iter().filter(|it| **it != MANIFEST_FILE) {
                std::fs::copy(intact.join(name), path.join(name)).unwrap();
            }
            let ends = (0..segments).map(|it| (it * rows, ((it + 1) * rows).min(events.len())));
            let mut known = ends.enumerate().collect();
            deed.apply(&path, &mut known);
            if let Some(index) = damaged
                && known.remove(&index).is_some()
            {
                std::fs::write(segment(&path, index), "PAR1").unwrap();
            }
            let mut has = vec![false; events.len()];
            for (first, end) in known.values() {
                has[*first..*end].fill(true);
            }
            // It continues the segments, or has nothing.
            let end = known.values().map(|it| it.1).max().unwrap_or(0);
            if end >= journal {
                has[journal..].fill(true);
            }
            let expected = events
                .iter()
                .zip(has)
                .filter_map(|(event, has)| has.then_some(event));
            let expected: Vec<Event> = expected.cloned().collect();
            let what = format!("{deed:?}, {damaged:?} damaged");
            if known.is_empty() {
                continue;
            }
            assert!(salvaged(&path) == expected, "{what}: not played");
            let recovery = recover(&path).unwrap();
            assert!(salvaged(&path) == expected, "{what}: {recovery:?}");
            // Nothing shows that there was more behind the last one.
            let has_hole = !events.starts_with(&expected);
            assert!(
                recovery.lost.len() > usize::from(has_hole),
                "{what}: {recovery:?}"
            );
            let again = recover(&path).unwrap();
            assert_eq!(
                (again.events, again.was_unfinished),
                (recovery.events, false)
            );
            assert!(salvaged(&path) == expected, "{what}, again: {again:?}");
            std::fs::remove_dir_all(&path).unwrap();
        }
    }
}

#[test]
fn the_names_of_segments_without_manifest_do_not_matter() {
    assert_names_do_not_matter(without_manifest, 20, usize::MAX);
}

/// The journal has the events of the last segment, too.
#[test]
fn the_names_of_segments_beside_a_journal_do_not_matter() {
    assert_names_do_not_matter(killed_with_overlap, 5, 10);
}

/// A segment of the same session with the events from `first` on, under the number `index`.
fn add_segment(path: &Path, index: usize, first: usize) {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole");
    let mut writer = RecordingWriter::create(&whole, session(5, 10)).unwrap();
    writer.write(&some_ticks(50)).unwrap();
    writer.finish().unwrap();
    std::fs::copy(segment(&whole, first / 5), segment(path, index)).unwrap();
}

/// The journal continues the segments, and one that is behind it does not come before it.
#[test]
fn the_journal_comes_before_a_segment_that_does_not_follow() {
    for has_manifest in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rec");
        let events = killed_with_overlap(&path);
        add_segment(&path, 3, 25);
        if !has_manifest {
            std::fs::remove_file(path.join(MANIFEST_FILE)).unwrap();
            assert_eq!(salvaged(&path), events);
        }
        let recovery = recover(&path).unwrap();
        assert_eq!(events_of(&path), events);
        let lost = recovery.lost.last().unwrap();
        assert_eq!(lost.file, segment(&path, 3));
        assert!(
            lost.problem.ends_with(": events 25 to 29 are lost"),
            "{lost:?}"
        );
        let again = recover(&path).unwrap();
        assert_eq!(again.lost.last(), Some(lost), "it is not forgotten");
    }
}

/// Events that are nowhere are named.
#[test]
fn a_salvage_without_a_manifest_names_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rec");
    let events = without_manifest(&path);
    std::fs::remove_file(segment(&path, 2)).unwrap();
    assert_eq!(salvaged(&path), [&events[..40], &events[60..]].concat());
    let recording = Recording::open_salvage(&path).unwrap();
    let problem = &recording.unused()[0].problem;
    assert_eq!(problem, "events 40 to 59, which are in no file");
}

/// The manifest cannot be used, and says which session it is of.
#[test]
fn the_session_is_that_of_the_manifest_else_that_of_the_journal() {
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other");
    record_another(&other, 5, &some_ticks(50));
    for has_journal in [false, true] {
        let path = folder.path().join(format!("rec-{has_journal}"));
        let events = match has_journal {
            true => killed_with_overlap(&path),
            false => {
                let events = without_manifest(&path);
                let mut manifest = Manifest::read(&other).unwrap();
                manifest.session = "test".into();
                manifest.events += 7;
                manifest.write(&*local(), &path).unwrap();
                events
            }
        };
        if has_journal {
            std::fs::remove_file(path.join(MANIFEST_FILE)).unwrap();
        }
        for index in 10..20 {
            std::fs::copy(segment(&other, index - 10), segment(&path, index)).unwrap();
        }
        assert_eq!(salvaged(&path), events);
        assert_eq!(recover(&path).unwrap().session, "test");
        assert_eq!(events_of(&path), events);
    }
}

/// What a recovery could not know does not keep a file out that comes back.
#[test]
fn a_salvage_plays_segments_that_a_recovery_missed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rec");
    let events = without_manifest(&path);
    let aside = [1, 2].map(|index| {
        let aside = folder.path().join(index.to_string());
        std::fs::rename(segment(&path, index), &aside).unwrap();
        (index, aside)
    });
    recover(&path).unwrap();
    assert_eq!(salvaged(&path), [&events[..20], &events[60..]].concat());
    for (index, aside) in aside {
        std::fs::rename(aside, segment(&path, index)).unwrap();
    }
    assert_eq!(salvaged(&path), events);
}

#[test]
fn a_number_that_no_writer_reaches_blocks_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rec");
    let events = killed_with_overlap(&path);
    std::fs::remove_file(path.join(MANIFEST_FILE)).unwrap();
    let far = path.join(format!("part-{}.parquet", u64::MAX));
    std::fs::rename(segment(&path, 2), far).unwrap();
    recover(&path).unwrap();
    assert_eq!(events_of(&path), events);
}

#[test]
fn a_segment_of_another_session_does_not_decide_which_one_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rec");
    let events = without_manifest(&path);
    let other = folder.path().join("other");
    record_another(&other, 20, &events[..15]);
    let first = "part-00000.parquet";
    std::fs::copy(other.join(first), path.join(first)).unwrap();
    assert_eq!(salvaged(&path), events[20..], "without the other's");
    let recovery = recover(&path).unwrap();
    assert_ne!(recovery.session, "another");
    assert_eq!((recovery.events, recovery.lost.len()), (95, 2));
    assert_eq!(recovery.lost[1].file, path.join(first));
    assert_eq!(salvaged(&path), events[20..]);
}

#[test]
fn a_manifest_of_another_session_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rec");
    let events = some_ticks(55);
    killed(&path, &events);
    let mut manifest = Manifest::read(&path).unwrap();
    let session = std::mem::replace(&mut manifest.session, "another".into());
    manifest.write(&*local(), &path).unwrap();
    let recovery = recover(&path).unwrap();
    assert_eq!(recovery.session, session);
    assert_eq!(recovery.kept, [path.join("manifest.json.damaged")]);
    let [lost] = &recovery.lost[..] else {
        panic!("the rest of it may be another's: {recovery:?}");
    };
    assert_eq!(lost.file, recovery.kept[0]);
    assert!(lost.problem.contains("it is of session \"another\""));
    assert_eq!(events_of(&path), events);
    assert_eq!(recover(&path).unwrap().lost, recovery.lost);
}

#[test]
fn drops_and_losses_that_no_recording_has_are_stated() {
    const LARGE: u64 = 1 << 62;
    let folder = tempfile::tempdir().unwrap();
    let events = some_ticks(55);
    let far = |first_seq, last_seq| LostEvents {
        first_seq,
        last_seq: Some(last_seq),
        file: "part-00000.parquet".into(),
        problem: "gone".into(),
    };
    type Put = fn(&mut Manifest);
    let puts: [(&str, Put); 3] = [
        ("one", |it| {
            it.ledger.dropped.insert("a".into(), u64::MAX);
        }),
        ("sum", |it| {
            let reasons = ["a", "b", "c", "d"].map(|reason| (reason.to_owned(), LARGE));
            it.ledger.dropped.extend(reasons);
        }),
        ("lost", |it| it.lost.clear()),
    ];
    for (name, put) in puts {
        let path = folder.path().join(name);
        killed(&path, &events);
        let mut manifest = Manifest::read(&path).unwrap();
        manifest.ledger.dropped.insert("full".into(), 7);
        manifest.lost.push(far(3, u64::MAX));
        put(&mut manifest);
        if name == "lost" {
            manifest.lost.push(far(3, LARGE + 1));
        }
        manifest.write(&*local(), &path).unwrap();
        let recovery = recover(&path).unwrap();
        let kept = path.join("manifest.json.damaged");
        assert_eq!(recovery.kept, [kept.as_path()], "{name}");
        let stated = recovery.lost.iter().find(|lost| lost.file == kept);
        let stated = &stated.unwrap().problem;
        assert!(stated.contains("cannot be true"), "{name}: {stated}");
        let made = Manifest::read(&path).unwrap();
        assert_eq!(made.ledger.dropped.get("full"), Some(&7), "{name}");
        assert_eq!(made.lost, []);
        assert_eq!(events_of(&path), events, "{name}");
    }
}

/// A session whose recorder was killed leaves both, and the next one recovers them.
#[test]
fn what_a_damaged_manifest_hides_is_left_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rec");
    killed(&path, &some_ticks(55));
    std::fs::write(path.join(MANIFEST_FILE), "{").unwrap();
    assert_eq!(leftovers(&path).unwrap(), std::slice::from_ref(&path));
    recover(&path).unwrap();
    assert_eq!(leftovers(&path).unwrap(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn a_damaged_contract_table_without_a_hash_stays_and_is_stated() {
    let folder = tempfile::tempdir().unwrap();
    for manifest in ["missing", "unreadable", "without a hash"] {
        let path = folder.path().join(manifest);
        let events = some_ticks(55);
        killed(&path, &events);
        let table = path.join(CONTRACTS_FILE);
        let bytes = std::fs::read(&table).unwrap();
        std::fs::write(&table, &bytes[..300]).unwrap();
        let file = path.join(MANIFEST_FILE);
        match manifest {
            "missing" => std::fs::remove_file(&file).unwrap(),
            "unreadable" => std::fs::write(&file, "").unwrap(),
            _ => {
                let mut manifest = Manifest::read(&path).unwrap();
                manifest.contracts_blake3.clear();
                manifest.write(&*local(), &path).unwrap();
            }
        }
        for _ in 0..2 {
            let recovery = recover(&path).unwrap();
            assert_eq!(recovery.events, 55);
            let is_stated = recovery.lost.iter().any(|lost| lost.file == table);
            assert!(is_stated, "{manifest}: {:?}", recovery.lost);
            assert_eq!(std::fs::read(&table).unwrap(), &bytes[..300], "{manifest}");
        }
        let made = Recording::open(&path).unwrap();
        assert!(!verify(&made, &mut |_| {}).is_intact(), "{manifest}");
    }
}

#[test]
fn a_finished_recording_with_a_damaged_segment_is_not_whole() {
    let folder = tempfile::tempdir().unwrap();
    let spoils: [fn(&Path); 3] = [
        |segment| std::fs::remove_file(segment).unwrap(),
        |segment| std::fs::write(segment, "").unwrap(),
        spoil,
    ];
    for (number, spoil) in spoils.into_iter().enumerate() {
        let path = folder.path().join(number.to_string());
        killed(&path, &some_ticks(55));
        assert_recovers(&path, &some_ticks(55));
        let manifest = std::fs::read(path.join(MANIFEST_FILE)).unwrap();
        let segment = path.join("part-00001.parquet");
        spoil(&segment);
        let recovery = recover(&path).unwrap();
        assert_eq!(recovery.lost.len(), 1, "{recovery:?}");
        assert_eq!(recovery.lost[0].file, segment);
        let problem = &recovery.lost[0].problem;
        assert!(problem.contains("20 to 39"), "{problem}");
        assert!(!recovery.was_unfinished);
        assert_eq!(std::fs::read(path.join(MANIFEST_FILE)).unwrap(), manifest);
    }
}

#[test]
fn journal_files_are_read_in_the_order_of_their_events() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rec");
    let events = some_ticks(57);
    killed(&path, &events);
    let journal = |name: &String| name.ends_with(".tdj");
    let files: Vec<String> = names(&path).into_iter().filter(journal).collect();
    let [first, second] = &files[..] else {
        panic!("{files:?}");
    };
    let (first, second, aside) = (path.join(first), path.join(second), path.join("aside"));
    std::fs::rename(&first, &aside).unwrap();
    std::fs::rename(&second, &first).unwrap();
    std::fs::rename(&aside, &second).unwrap();
    assert_eq!(events_of(&path), events);
    assert_recovers(&path, &events);
}

/// One damaged segment costs its own events, and none of the segments behind it.
#[test]
fn a_damaged_segment_without_a_manifest_costs_itself_alone() {
    let folder = tempfile::tempdir().unwrap();
    let events = some_ticks(135);
    let spoils: [fn(&Path); 3] = [
        |segment| std::fs::remove_file(segment).unwrap(),
        |segment| std::fs::write(segment, "").unwrap(),
        |segment| {
            let bytes = std::fs::read(segment).unwrap();
            std::fs::write(segment, &bytes[..bytes.len() / 2]).unwrap();
        },
    ];
    for (number, spoil) in spoils.into_iter().enumerate() {
        for (lost, manifest) in [(&[0][..], true), (&[2, 3], false), (&[1, 4], true)] {
            let path = folder.path().join(format!("{number}-{}", lost[0]));
            killed(&path, &events);
            for segment in lost {
                spoil(&path.join(format!("part-0000{segment}.parquet")));
            }
            match manifest {
                true => std::fs::write(path.join(MANIFEST_FILE), "").unwrap(),
                false => std::fs::remove_file(path.join(MANIFEST_FILE)).unwrap(),
            }
            let is_left = |event: &&Event| !lost.contains(&(event.seq.0 / 20));
            let left: Vec<Event> = events.iter().filter(is_left).cloned().collect();
            let recovery = recover(&path).unwrap();
            assert_eq!(recovery.events, 135, "{recovery:?}");
            // The manifest, and the segments.
            assert_eq!(recovery.lost.len(), 1 + lost.len(), "{recovery:?}");
            let salvage = Recording::open_salvage(&path).unwrap();
            let mut reader = salvage.reader(EventFilter::default()).salvage(true);
            let mut found = Vec::new();
            let mut batch = Vec::new();
            loop {
                reader.next_events(&mut batch, 7).unwrap();
                if batch.is_empty() {
                    break;
                }
                found.append(&mut batch);
            }
            assert_eq!(found, left);
            let manifest = Manifest::read(&path).unwrap();
            assert_eq!(manifest.ticks, left.len() as u64);
            assert_eq!(manifest.lost.len(), lost.len(), "{:?}", manifest.lost);
            let again = recover(&path).unwrap();
            assert_eq!((again.events, again.was_unfinished), (135, false));
        }
    }
}
