//! A session whose machine crashes, at every operation and then again while it recovers.
//!
//! The oracle is exact: what is read is a prefix of what was written, with everything that was synced.
//! `TICKDECK_CRASH_LIVES` sets the number of sessions.

use std::path::Path;
use std::sync::Arc;

use tickdeck_core::event::{Event, EventKind, SessionEvent};

use crate::owner::Owner;
use crate::recover::seal_file_by_file;
use crate::removal::{finish_interrupted_in, remove};
use crate::replace::finish_replacement;
use crate::sealer::journal_of;
use crate::storage::{CrashStorage, Draw, Omitted, Storage, target_of_temporary};
use crate::tests::{options, some_ticks};
use crate::*;

const FOLDER: &str = "/rec";

fn events() -> Vec<Event> {
    let mut events = some_ticks(34);
    events[3].kind = EventKind::Session(SessionEvent::HeartbeatLost {});
    events
}

/// How far a session came.
#[derive(Debug, Default)]
struct Reached {
    written: u64,
    synced: u64,
}

/// Records `events` in row groups of 5 and segments of 12, so that blocks, journal files, row groups and
/// segments end at different events.
fn session(storage: &CrashStorage, reached: &mut Reached) -> Result<(), RecordingError> {
    let rolling = Rolling {
        max_rows: 12,
        row_group_rows: 5,
        ..Rolling::default()
    };
    let options = RecordingOptions {
        keep_partial: true,
        ..options(rolling)
    };
    let storage: Arc<dyn Storage> = Arc::new(storage.clone());
    let writer = RecordingWriter::create_in(storage, Path::new(FOLDER), options)?;
    let (mut journal, mut sealer) = journal_of(writer);
    for (index, events) in events().chunks(3).enumerate() {
        for event in events {
            // A full file or block is written at once.
            reached.written += 1;
            journal.append(event)?;
        }
        journal.write()?;
        if index % 2 == 1 {
            journal.sync()?;
            reached.synced = journal.written_seq();
        }
        // The sealer lags.
        if index % 3 == 2 {
            sealer.follow(journal.written_seq())?;
        }
    }
    journal.sync()?;
    reached.synced = journal.written_seq();
    sealer.follow(journal.written_seq())?;
    sealer.into_writer().finish()?;
    Ok(())
}

/// Everything that is readable; `None` where there is no recording yet.
fn read(storage: &CrashStorage) -> Result<Option<Vec<Event>>, String> {
    let folder = Path::new(FOLDER);
    if !storage.exists(&folder.join(MANIFEST_FILE)) {
        return Ok(None);
    }
    let text = |error: RecordingError| format!("{error:?}");
    let recording = Recording::open_in(Arc::new(storage.clone()), folder).map_err(text)?;
    let damaged = recording.damaged_segments();
    if !damaged.is_empty() {
        return Err(format!("{damaged:?}"));
    }
    let mut events = Vec::new();
    let mut reader = recording.reader(EventFilter::default());
    reader.next_events(&mut events, usize::MAX).map_err(text)?;
    Ok(Some(events))
}

fn check(storage: &CrashStorage, reached: &Reached) -> Result<u64, String> {
    let found = read(storage)?.unwrap_or_default();
    let all = events();
    let (count, written) = (found.len() as u64, reached.written);
    if !all.starts_with(&found) || count > written {
        return Err(format!("{count} events are not a prefix of {written}"));
    }
    if count < reached.synced {
        return Err(format!("{count} events, {} were synced", reached.synced));
    }
    Ok(count)
}

/// What a start that was killed left keeps no session from beginning.
fn begin_again(storage: &CrashStorage) -> Result<(), String> {
    let text = |error: RecordingError| format!("{error:?}");
    let shared: Arc<dyn Storage> = Arc::new(storage.clone());
    let options = options(Rolling::default());
    let writer = RecordingWriter::create_in(shared, Path::new(FOLDER), options).map_err(text)?;
    writer.finish().map_err(text)?;
    check_names(storage)
}

/// A recording that was recovered or begun again has no temporary file.
fn check_names(storage: &CrashStorage) -> Result<(), String> {
    let names = storage.list(Path::new(FOLDER));
    let names = names.map_err(|error| format!("{error:?}"))?;
    match names
        .iter()
        .find(|name| target_of_temporary(name).is_some())
    {
        Some(left) => Err(format!("{left} is left")),
        None => Ok(()),
    }
}

/// One life: a session until the crash, then recoveries until one is not interrupted.
fn live_and_recover(crash_at: u64, seed: u64, omitted: Option<Omitted>) -> Result<(), String> {
    let mut draw = Draw(seed);
    let mut storage = CrashStorage::new(Some(crash_at), omitted);
    let mut reached = Reached::default();
    let is_finished = session(&storage, &mut reached).is_ok();
    storage = storage.restarted(&mut draw, None);
    let count = check(&storage, &reached)?;
    if is_finished && count < events().len() as u64 {
        return Err(format!("finished with {count} events"));
    }
    let folder = Path::new(FOLDER);
    if !storage.exists(&folder.join(MANIFEST_FILE)) {
        return begin_again(&storage);
    }
    loop {
        // What is there now must not become less.
        let before = Reached {
            written: reached.written,
            synced: count,
        };
        let crash = (draw.below(4) > 0).then(|| draw.below(60));
        storage = storage.restarted(&mut draw, crash);
        let recovered = recover_in(Arc::new(storage.clone()), folder);
        storage = storage.restarted(&mut draw, None);
        if check(&storage, &before)? != count {
            return Err("a recovery changed the events".into());
        }
        match (recovered, crash) {
            (Ok(recovery), None) => {
                assert_eq!(recovery.events, count);
                check_names(&storage)?;
                let recording = Recording::open_in(Arc::new(storage.clone()), folder);
                let report = verify(&recording.map_err(|e| e.to_string())?, &mut |_| {});
                return match report.is_intact() {
                    true => Ok(()),
                    false => Err(format!("{:?}", report.findings)),
                };
            }
            (Err(error), None) => return Err(format!("recover: {error:?}")),
            (_, Some(_)) => {}
        }
    }
}

/// Lives with every operation as the place of the crash, in an order that spreads them.
fn lives(operations: u64) -> impl Iterator<Item = (u64, u64)> {
    const STRIDE: u64 = 37;
    (0..).map(move |life| (life * STRIDE % (operations + 1), life))
}

/// How many lives a test has: `share` of them, or as many as the environment asks for.
pub(super) fn lives_of(share: usize) -> usize {
    let count = std::env::var("TICKDECK_CRASH_LIVES");
    count.map_or(share, |count| count.parse().unwrap())
}

fn operations() -> u64 {
    let storage = CrashStorage::new(None, None);
    session(&storage, &mut Reached::default()).unwrap();
    storage.operations()
}

#[test]
fn no_crash_loses_what_was_synced() {
    for (crash_at, seed) in lives(operations()).take(lives_of(25)) {
        if let Err(problem) = live_and_recover(crash_at, seed, None) {
            panic!("crash at {crash_at}, seed {seed}: {problem}");
        }
    }
}

/// As a full disk makes it necessary.
#[test]
fn no_crash_while_files_are_sealed_one_by_one_loses_what_was_synced() {
    let mut sealed = 0;
    for (crash_at, seed) in lives(operations()).take(4 * lives_of(25)) {
        let mut draw = Draw(seed);
        let storage = CrashStorage::new(Some(crash_at), None);
        let mut reached = Reached::default();
        let _ = session(&storage, &mut reached);
        let mut storage = storage.restarted(&mut draw, None);
        let count = check(&storage, &reached).unwrap();
        let folder = Path::new(FOLDER);
        if !storage.exists(&folder.join(MANIFEST_FILE)) {
            continue;
        }
        for crash in [Some(draw.below(30)), Some(draw.below(30)), None] {
            storage = storage.restarted(&mut draw, crash);
            let shared: Arc<dyn Storage> = Arc::new(storage.clone());
            let owner = Owner::of(&storage, folder).map(Arc::new);
            let events = owner.and_then(|owner| seal_file_by_file(&shared, &owner, folder));
            sealed += events.unwrap_or(0);
            storage = storage.restarted(&mut draw, None);
            let before = Reached {
                written: reached.written,
                synced: count,
            };
            let found = check(&storage, &before);
            assert_eq!(found, Ok(count), "crash at {crash_at}, then {crash:?}");
        }
    }
    assert!(sealed > 0, "nothing was sealed");
}

/// At the first manifest it is alone in the folder.
#[test]
fn what_a_crash_was_putting_in_place_blocks_nothing() {
    let (mut alone, mut beside) = (0, 0);
    for (crash_at, seed) in lives(operations()).take(200) {
        let storage = CrashStorage::new(Some(crash_at), None);
        let _ = session(&storage, &mut Reached::default());
        let storage = storage.restarted(&mut Draw(seed), None);
        let is_left = storage.exists(Path::new(FOLDER)) && check_names(&storage).is_err();
        let has_manifest = storage.exists(&Path::new(FOLDER).join(MANIFEST_FILE));
        match (is_left, has_manifest) {
            (true, false) => {
                alone += 1;
                begin_again(&storage).unwrap();
            }
            (true, true) => {
                beside += 1;
                recover_in(Arc::new(storage.clone()), Path::new(FOLDER)).unwrap();
                check_names(&storage).unwrap();
            }
            (false, _) => {}
        }
    }
    assert!(
        alone > 0 && beside > 0,
        "{alone} alone, {beside} beside a manifest"
    );
}

/// A recording that is closed because space is low, on a machine that crashes meanwhile.
#[test]
fn low_space_and_a_crash_lose_nothing_that_was_closed() {
    let limit = RecorderOptions {
        min_free_space: 1,
        ..RecorderOptions::default()
    };
    let mut closed = 0;
    for life in 0..100 {
        let storage = CrashStorage::new(Some(3 * life), None);
        storage.set_free_space(0);
        let shared: Arc<dyn Storage> = Arc::new(storage.clone());
        let options = options(Rolling::default());
        let Ok(writer) = RecordingWriter::create_in(shared, Path::new(FOLDER), options) else {
            continue;
        };
        let mut background = BackgroundWriter::start_with(writer, limit).unwrap();
        let events = events();
        let accepted = events.chunks(3).take_while(|part| background.offer(part));
        let written = accepted.map(|part| part.len() as u64).sum();
        let recorded = background.finish(0);
        let is_closed = recorded.manifest.is_some();
        closed += u64::from(is_closed);
        assert!(recorded.error.is_some(), "there was no space");
        let reached = Reached {
            written,
            synced: if is_closed { written } else { 0 },
        };
        let storage = storage.restarted(&mut Draw(life), None);
        if let Err(problem) = check(&storage, &reached) {
            panic!("crash at {life}: {problem}");
        }
    }
    assert!(closed > 0, "every life crashed before the end");
}

/// What a whole recording in the folder says; `None` where there is none.
fn whole(storage: &CrashStorage) -> Result<Option<Manifest>, String> {
    let folder = Path::new(FOLDER);
    if !storage.exists(&folder.join(MANIFEST_FILE)) {
        return Ok(None);
    }
    let recording = Recording::open_in(Arc::new(storage.clone()), folder);
    let recording = recording.map_err(|error| format!("{error:?}"))?;
    let report = verify(&recording, &mut |_| {});
    match report.is_intact() {
        true => Ok(recording.manifest().cloned()),
        false => Err(format!("{:?}", report.findings)),
    }
}

/// A recording of these events, in segments of 12.
fn conversion(
    storage: &CrashStorage,
    events: &[Event],
    keep_partial: bool,
) -> Result<Manifest, RecordingError> {
    let rolling = Rolling {
        max_rows: 12,
        ..Rolling::default()
    };
    let options = RecordingOptions {
        overwrite: true,
        keep_partial,
        ..options(rolling)
    };
    let storage: Arc<dyn Storage> = Arc::new(storage.clone());
    let mut writer = RecordingWriter::create_in(storage, Path::new(FOLDER), options)?;
    writer.write(events)?;
    writer.count_dropped("overflow", events.len() as u64);
    writer.finish()
}

/// The recording that is replaced, and the one that replaces it. One of them has more segments.
fn to_replace(seed: u64) -> [Vec<Event>; 2] {
    let (small, large) = (events()[..7].to_vec(), events());
    match seed % 2 {
        0 => [small, large],
        _ => [large, small],
    }
}

/// One life of a recording that replaces another. Afterwards one of them is there, with all that its
/// manifest says.
fn replace_and_recover(crash_at: u64, seed: u64, omitted: Option<Omitted>) -> Result<bool, String> {
    let mut draw = Draw(seed);
    let [first, second] = to_replace(seed);
    let storage = CrashStorage::new(None, None);
    let old = conversion(&storage, &first, false).map_err(|error| format!("{error:?}"))?;
    let storage = storage.restarted(&mut draw, Some(crash_at));
    storage.omit(omitted);
    let new = conversion(&storage, &second, draw.below(2) == 0);
    let mut storage = storage.restarted(&mut draw, None);
    loop {
        let crash = (draw.below(4) > 0).then(|| draw.below(12));
        storage = storage.restarted(&mut draw, crash);
        let completed = finish_replacement(&storage, Path::new(FOLDER));
        storage = storage.restarted(&mut draw, None);
        if crash.is_none() {
            completed.map_err(|error| format!("{error:?}"))?;
            break;
        }
    }
    let found = whole(&storage)?.ok_or("neither recording is there")?;
    match new {
        Ok(new) if found == new => Ok(true),
        Ok(_) => Err("the replacement is not the new one".into()),
        Err(_) if found == old => Ok(false),
        Err(_) if found.events == second.len() as u64 && found.status == Status::Complete => {
            Ok(false)
        }
        Err(_) => Err(format!("{} events", found.events)),
    }
}

/// Lives that crash at every operation of a replacement, the last ones first: they replace.
fn lives_of_replacements() -> impl Iterator<Item = (u64, u64)> {
    let operations = |seed| {
        let storage = CrashStorage::new(None, None);
        let [first, second] = to_replace(seed);
        conversion(&storage, &first, false).unwrap();
        let before = storage.operations();
        conversion(&storage, &second, true).unwrap();
        storage.operations() - before
    };
    let operations = [operations(0), operations(1)];
    (0..).zip((0..2).cycle()).map(move |(life, direction)| {
        let operations = operations[direction];
        (operations - life / 2 % (operations + 1), life)
    })
}

#[test]
fn no_crash_of_a_replacement_leaves_neither_recording() {
    let mut is_replaced = false;
    for (crash_at, seed) in lives_of_replacements().take(lives_of(60)) {
        match replace_and_recover(crash_at, seed, None) {
            Ok(found) => is_replaced |= found,
            Err(problem) => panic!("crash at {crash_at}, seed {seed}: {problem}"),
        }
    }
    assert!(is_replaced, "no life came to its end");
}

/// The same of those of a replacement, where it is left out and where it comes too late.
#[test]
fn every_sync_of_a_replacement_is_needed() {
    const MOST_LIVES: usize = 1000;
    let unnoticed = [
        Omitted::Names("/.rec.new"),
        Omitted::Names("/.replaces"),
        Omitted::Names("/rec/part-"),
        Omitted::Names("/rec/manifest"),
        Omitted::LateNames("/rec/part-", 1),
        Omitted::LateNames("/rec/manifest", 1),
        Omitted::Content(".partial"),
        Omitted::Content(MANIFEST_FILE),
        Omitted::Content(CONTRACTS_FILE),
        Omitted::Content("/.replaces"),
    ]
    .into_iter()
    .filter(|omitted| {
        let mut lives = lives_of_replacements().take(MOST_LIVES);
        !lives.any(|(at, seed)| replace_and_recover(at, seed, Some(*omitted)).is_err())
    });
    assert_eq!(unnoticed.collect::<Vec<_>>(), []);
}

/// One life of a removal, and of those that complete it. Returns whether it came to its end.
fn remove_and_complete(crash_at: u64, seed: u64, omitted: Option<Omitted>) -> Result<bool, String> {
    let text = |error: RecordingError| format!("{error:?}");
    let mut draw = Draw(seed);
    let root = Path::new("/root");
    let day = "2026-01-05".parse().unwrap();
    let [gone, kept] = ["a", "b"].map(|id| Catalog::folder(root, day, id));
    let storage = CrashStorage::new(None, None);
    for folder in [&gone, &kept] {
        let shared: Arc<dyn Storage> = Arc::new(storage.clone());
        let options = options(Rolling::default());
        let mut writer = RecordingWriter::create_in(shared, folder, options).map_err(text)?;
        writer.write(&events()).map_err(text)?;
        writer.finish().map_err(text)?;
    }
    let whole = |storage: &CrashStorage, folder: &Path| {
        let shared = Arc::new(storage.clone());
        let recording = Recording::open_in(shared, folder).map_err(text)?;
        match &recording.damaged_segments()[..] {
            [] => Ok(()),
            damaged => Err(format!("{damaged:?}")),
        }
    };
    let storage = storage.restarted(&mut draw, Some(crash_at));
    storage.omit(omitted);
    let shared: Arc<dyn Storage> = Arc::new(storage.clone());
    let is_removed = remove(&shared, &gone).is_ok();
    let mut storage = storage.restarted(&mut draw, None);
    for crash in [Some(draw.below(6)), None] {
        whole(&storage, &kept)?;
        if storage.exists(&gone) {
            whole(&storage, &gone)?;
        }
        storage = storage.restarted(&mut draw, crash);
        let completed = finish_interrupted_in(&storage, root);
        storage = storage.restarted(&mut draw, None);
        if crash.is_none() {
            completed.map_err(text)?;
        }
    }
    let names = storage.list(gone.parent().unwrap());
    let names = names.map_err(|error| format!("{error:?}"))?;
    let is_there = names.contains(&"session=a".to_owned());
    match names.len() == usize::from(is_there) + 1 && !(is_removed && is_there) {
        true => Ok(is_removed),
        false => Err(format!("{names:?} are left")),
    }
}

#[test]
fn no_crash_of_a_removal_leaves_a_part_of_a_recording() {
    const OPERATIONS: u64 = 14;
    let mut lives = (0..120).map(|life| (life % OPERATIONS, life));
    let mut ends = lives.clone().map(|(at, seed)| {
        let ended = remove_and_complete(at, seed, None);
        ended.unwrap_or_else(|problem| panic!("crash at {at}, seed {seed}: {problem}"))
    });
    assert!(ends.any(|is_removed| is_removed), "no life came to its end");
    let omitted = Some(Omitted::Names(".session=a.removed"));
    assert!(lives.any(|(at, seed)| remove_and_complete(at, seed, omitted).is_err()));
}

/// Each sync is needed: without it, or where it comes late, some crash loses events or leaves damage.
#[test]
fn every_sync_that_is_left_out_is_noticed() {
    const MOST_LIVES: usize = 400;
    /// Those that crash before the first event.
    const EARLY_LIVES: usize = 320;
    let operations = operations();
    let mut unnoticed = Vec::new();
    // The first life to try only saves time.
    for (omitted, first) in [
        (Omitted::Content(".tdj"), EARLY_LIVES + 1),
        (Omitted::Content(".partial"), EARLY_LIVES + 1),
        (Omitted::Content(MANIFEST_FILE), EARLY_LIVES + 1),
        (Omitted::Content(CONTRACTS_FILE), EARLY_LIVES + 1),
        (Omitted::Names(".tdj"), EARLY_LIVES + 1),
        (Omitted::Names("/part-"), EARLY_LIVES + 106),
        (Omitted::Names(MANIFEST_FILE), EARLY_LIVES + 28),
        (Omitted::Names(CONTRACTS_FILE), 0),
        (Omitted::LateContent(MANIFEST_FILE, 1), 0),
        (Omitted::LateNames(CONTRACTS_FILE, 1), EARLY_LIVES / 2),
        (Omitted::Names("/rec"), 0),
        // What comes right after some of them does no harm yet.
        (Omitted::LateContent(".tdj", 1), EARLY_LIVES),
        (Omitted::LateContent(".partial", 3), EARLY_LIVES),
        (Omitted::LateContent(CONTRACTS_FILE, 4), EARLY_LIVES),
        (Omitted::LateNames(".tdj", 3), EARLY_LIVES),
        (Omitted::LateNames("/part-", 1), EARLY_LIVES),
        (Omitted::LateNames(MANIFEST_FILE, 2), EARLY_LIVES),
        (Omitted::LateNames("/rec", 1), 0),
    ] {
        let early = (0..EARLY_LIVES as u64).map(|life| (life % 16, life));
        let mut lives = early.chain(lives(operations)).skip(first).take(MOST_LIVES);
        if !lives.any(|(at, seed)| live_and_recover(at, seed, Some(omitted)).is_err()) {
            unnoticed.push(omitted);
        }
    }
    assert_eq!(unnoticed, []);
}
