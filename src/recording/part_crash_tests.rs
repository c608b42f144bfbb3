//! Machines that crash while a ring is kept or salvaged, a session is recorded by day, or damage is
//! recovered. Each is repeated over crashes, until one try is not interrupted.
//!
//! `TICKDECK_CRASH_LIVES` sets the number of lives of each kind.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tickdeck_core::event::Event;

use crate::crash_tests::lives_of;
use crate::ring::begin_ring;
use crate::ring_copy::Keep;
use crate::ring_salvage::salvage_ring_in;
use crate::rolling_tests::at_hours;
use crate::sealer::journal_of;
use crate::storage::{CrashStorage, Draw, Omitted, Storage};
use crate::tests::{options, some_ticks};
use crate::*;

type Outcome = Result<bool, String>;

const ROOT: &str = "/root";
const RING: &str = "/root/.ring-box";

fn text(error: RecordingError) -> String {
    format!("{error:?}")
}

fn shared(storage: &CrashStorage) -> Arc<dyn Storage> {
    Arc::new(storage.clone())
}

/// Runs lives until they come to `count`. Each is one crash more, the late ones first: they come furthest.
fn run(what: &str, operations: u64, count: usize, live: impl Fn(u64, u64) -> Outcome) {
    let mut has_ended = false;
    for (crash_at, seed) in lives(operations).take(count) {
        match live(crash_at, seed) {
            Ok(is_ended) => has_ended |= is_ended,
            Err(problem) => panic!("{what}, crash at {crash_at}, seed {seed}: {problem}"),
        }
    }
    assert!(has_ended, "{what}: no life came to its end");
}

/// Lives with every operation as the place of the crash, in an order that spreads them.
fn lives(operations: u64) -> impl Iterator<Item = (u64, u64)> {
    const STRIDE: u64 = 37;
    (0..).map(move |life| (operations - life * STRIDE % (operations + 1), life))
}

/// The syncs without which no life goes wrong.
fn unnoticed(
    operations: u64,
    omitted: &[Omitted],
    live: impl Fn(u64, u64, Option<Omitted>) -> Outcome,
) -> Vec<Omitted> {
    const MOST_LIVES: usize = 600;
    let is_unnoticed = |omitted: &&Omitted| {
        let mut lives = lives(operations).take(MOST_LIVES);
        !lives.any(|(at, seed)| live(at, seed, Some(**omitted)).is_err())
    };
    omitted.iter().filter(is_unnoticed).copied().collect()
}

/// The recordings of the catalogue, by name.
fn sessions(storage: &CrashStorage) -> Vec<PathBuf> {
    let under = |folder: &Path, part: &str| {
        let names = storage.list(folder).unwrap_or_default().into_iter();
        let names = names.filter(|name| name.starts_with(part));
        names.map(|name| folder.join(name)).collect::<Vec<_>>()
    };
    let days = under(Path::new(ROOT), "trading_day=").into_iter();
    days.flat_map(|day| under(&day, "session=")).collect()
}

/// The events of a recording that is whole.
fn whole(storage: &CrashStorage, folder: &Path) -> Result<Vec<Event>, String> {
    let recording = Recording::open_in(shared(storage), folder).map_err(text)?;
    let report = verify(&recording, &mut |_| {});
    if !report.is_intact() {
        return Err(format!("{:?}", report.findings));
    }
    let mut events = Vec::new();
    let mut reader = recording.reader(EventFilter::default());
    reader.next_events(&mut events, usize::MAX).map_err(text)?;
    Ok(events)
}

/// The events of a session that was recorded in parts.
fn numbered(parts: Vec<Vec<Event>>) -> Vec<Event> {
    let mut events = parts.concat();
    Numbering::default().renumber(&mut events);
    events
}

fn in_parts(max_rows: u64) -> RecordingOptions {
    RecordingOptions {
        keep_partial: true,
        ..options(Rolling {
            max_rows,
            row_group_rows: 5,
            ..Rolling::default()
        })
    }
}

/// Events 0 to 30 of a session: slots of 12, of which the last one is unfinished unless `is_finished`.
fn ring(is_finished: bool) -> (CrashStorage, Vec<Event>) {
    let storage = CrashStorage::new(None, None);
    let all = some_ticks(31);
    for (index, events) in all.chunks(12).enumerate() {
        let is_last = index == 2;
        record_slot(&storage, index, events, is_finished || !is_last);
    }
    (storage, all)
}

/// Records a slot of the ring, whose last events are in its journal alone unless `is_finished`.
fn record_slot(storage: &CrashStorage, index: usize, events: &[Event], is_finished: bool) {
    let slot = Path::new(RING).join(format!("slot-{index:05}"));
    let writer = RecordingWriter::create_in(shared(storage), &slot, in_parts(7)).unwrap();
    let (mut journal, mut sealer) = journal_of(writer);
    let events = numbered(vec![events.to_vec()]);
    events.iter().for_each(|it| journal.append(it).unwrap());
    journal.sync().unwrap();
    if is_finished {
        sealer.follow(journal.written_seq()).unwrap();
        sealer.into_writer().finish().unwrap();
    }
}

#[test]
fn what_a_new_ring_has_synced_survives_a_crash() {
    let survives = |omitted| {
        let mut draws = (0..20).map(Draw);
        draws.all(|mut draw| {
            let storage = CrashStorage::new(None, omitted);
            let session = "box".parse().unwrap();
            let begun = begin_ring(&storage, Path::new(ROOT), &session).unwrap();
            storage.omit(None);
            let events = some_ticks(5);
            record_slot(&storage, 0, &events, false);
            let storage = storage.restarted(&mut draw, None);
            drop(begun);
            let salvaged = salvage_ring_in(&shared(&storage), Path::new(RING));
            let made = salvaged.ok().and_then(|salvaged| salvaged.made);
            made.is_some_and(|(folder, _)| whole(&storage, &folder) == Ok(events))
        })
    };
    assert!(survives(None));
    assert!(!survives(Some(Omitted::Names("/.ring-box"))));
}

/// Operations of `run` on a storage.
fn operations_of(storage: &CrashStorage, run: impl FnOnce(&CrashStorage)) -> u64 {
    let before = storage.operations();
    run(storage);
    storage.operations() - before
}

/// Damages the mark of the ring on disk, if there is one.
fn tear_mark(storage: &CrashStorage) -> Result<(), String> {
    let mark = Path::new(RING).join("merged.json");
    if storage.exists(&mark) {
        let torn = storage.put(&mark, b"{");
        let torn = torn.and_then(|()| storage.sync_dir(Path::new(RING)));
        torn.map_err(|error| text(error.into()))?;
    }
    Ok(())
}

/// Salvages the ring until that is not interrupted, with a mark that is damaged now and then. Nothing may
/// be lost.
fn salvage(mut storage: CrashStorage, draw: &mut Draw) -> Result<CrashStorage, String> {
    loop {
        for session in sessions(&storage) {
            whole(&storage, &session)?;
        }
        if draw.below(3) == 0 {
            tear_mark(&storage)?;
        }
        let crash = (draw.below(4) > 0).then(|| draw.below(70));
        storage = storage.restarted(draw, crash);
        let made = match storage.is_folder(Path::new(RING)) {
            true => salvage_ring_in(&shared(&storage), Path::new(RING)).map(Some),
            false => Ok(None),
        };
        storage = storage.restarted(draw, None);
        match (made, crash) {
            (_, Some(_)) => {}
            (Err(error), None) => return Err(text(error)),
            (Ok(made), None) => {
                let lost = made.map_or_else(Vec::new, |made| made.lost);
                return match lost.is_empty() {
                    true => Ok(storage),
                    false => Err(format!("{lost:?}")),
                };
            }
        }
    }
}

/// One life of a salvage. Afterwards there is one recording, which has everything.
fn live_salvage(crash_at: u64, seed: u64, omitted: Option<Omitted>) -> Outcome {
    let mut draw = Draw(seed);
    let (storage, all) = ring(seed.is_multiple_of(2));
    let storage = storage.restarted(&mut draw, Some(crash_at));
    storage.omit(omitted);
    let is_made = salvage_ring_in(&shared(&storage), Path::new(RING)).is_ok();
    let storage = salvage(storage.restarted(&mut draw, None), &mut draw)?;
    let sessions = sessions(&storage);
    let [session] = &sessions[..] else {
        return Err(format!("{sessions:?}"));
    };
    match whole(&storage, session)? == all {
        true => Ok(is_made),
        false => Err("the recording has other events".into()),
    }
}

#[test]
fn no_crash_of_a_salvage_loses_or_doubles_an_event() {
    let operations = [false, true].map(|is_finished| {
        operations_of(&ring(is_finished).0, |storage| {
            salvage_ring_in(&shared(storage), Path::new(RING)).unwrap();
        })
    });
    let most = operations[0].max(operations[1]);
    run("salvage", most, lives_of(25), |at, seed| {
        live_salvage(at, seed, None)
    });
    let omitted = [
        Omitted::Content(".partial"),
        Omitted::Content("_manifest.json"),
        Omitted::Names("/.session=box/"),
        Omitted::Names("/session=box"),
        Omitted::Names("/merged.json"),
        Omitted::Names("/slot-"),
        // The content of the mark may come late: where it is torn, the events show what it named. The
        // first file of a slot that goes can be made again, and a mark without a recording removes
        // nothing. What comes after must wait.
        Omitted::LateNames("/merged.json", 3),
        Omitted::LateNames("/session=box", 6),
    ];
    assert_eq!(unnoticed(most, &omitted, live_salvage), []);
}

/// What the trigger of [`live_keep`] keeps.
fn keep(storage: &CrashStorage) -> Result<(PathBuf, Manifest), RecordingError> {
    let keep = Keep {
        storage: shared(storage),
        root: ROOT.into(),
        ring: RING.into(),
        session: "box".parse().unwrap(),
        parts: Arc::default(),
        date: "2026-01-05".parse().unwrap(),
        options: in_parts(10),
        filter: EventFilter::default(),
    };
    let slots = [0, 1].map(|index| Path::new(RING).join(format!("slot-{index:05}")));
    let target = keep.target();
    keep.run(&slots, target)
}

/// One life of a range that is kept, and of the salvages after it. Nothing is lost, and no recording has a
/// part of the range.
fn live_keep(crash_at: u64, seed: u64, omitted: Option<Omitted>) -> Outcome {
    let mut draw = Draw(seed);
    let (storage, all) = ring(seed.is_multiple_of(2));
    let storage = storage.restarted(&mut draw, Some(crash_at));
    storage.omit(omitted);
    let is_kept = keep(&storage).is_ok();
    let storage = salvage(storage.restarted(&mut draw, None), &mut draw)?;
    let mut found = Vec::new();
    for session in sessions(&storage) {
        found.push(whole(&storage, &session)?);
    }
    let is_right = match &found[..] {
        [salvaged] => !is_kept && *salvaged == all,
        [kept, salvaged] => kept[..] == all[..24] && *salvaged == all,
        _ => false,
    };
    let counts = found.iter().map(Vec::len);
    match is_right {
        true => Ok(is_kept),
        false => Err(format!("{:?} events", counts.collect::<Vec<_>>())),
    }
}

#[test]
fn no_crash_while_a_range_is_kept_loses_an_event() {
    let operations = operations_of(&ring(true).0, |storage| drop(keep(storage).unwrap()));
    run("keep", operations, lives_of(25), |at, seed| {
        live_keep(at, seed, None)
    });
    let omitted = [
        Omitted::Content(".partial"),
        Omitted::Content("_manifest.json"),
        Omitted::Content("_contracts.parquet"),
        Omitted::Names("/.session=box/"),
        Omitted::Names("/session=box"),
        Omitted::LateNames("/session=box", 1),
        // A copy is made again until it has its place.
        Omitted::LateContent("_manifest.json", 6),
    ];
    assert_eq!(unnoticed(operations, &omitted, live_keep), []);
}

/// Thirty events of three trading days.
fn days() -> Vec<Event> {
    at_hours(&[[3; 10], [9; 10], [33; 10]].concat())
}

/// One life of a session that is recorded by day. What is left is a prefix of the session, with all days
/// that were finished.
fn live_days(crash_at: u64, seed: u64, omitted: Option<Omitted>) -> Outcome {
    let mut draw = Draw(seed);
    let mut storage = CrashStorage::new(Some(crash_at), omitted);
    let session = "run".parse().unwrap();
    let root = Path::new(ROOT);
    let recorder = RecorderOptions::default();
    let mut recorder = DayRecorder::new_in(shared(&storage), root, session, in_parts(4), recorder);
    let all = days();
    for events in all.chunks(4) {
        if !recorder.offer(events) {
            break;
        }
    }
    let recorded = recorder.finish(0);
    let finished: u64 = recorded.days.iter().map(|(_, made)| made.events).sum();
    storage = storage.restarted(&mut draw, None);
    let mut parts = Vec::new();
    for folder in sessions(&storage) {
        if let Some(events) = recover_over_crashes(&mut storage, &folder, &mut draw)? {
            parts.push(events);
        }
    }
    let found = numbered(parts);
    let count = found.len() as u64;
    if !all.starts_with(&found) {
        return Err(format!("{count} events are not a prefix"));
    }
    let is_whole = recorded.error.is_none();
    if count < finished || (is_whole && found != all) {
        return Err(format!("{count} events, {finished} were finished"));
    }
    Ok(is_whole)
}

/// Recovers a recording until that is not interrupted. Returns its events; `None` if there was nothing.
fn recover_over_crashes(
    storage: &mut CrashStorage,
    folder: &Path,
    draw: &mut Draw,
) -> Result<Option<Vec<Event>>, String> {
    loop {
        let crash = (draw.below(3) > 0).then(|| draw.below(60));
        *storage = storage.restarted(draw, crash);
        let recovered = recover_in(shared(storage), folder);
        *storage = storage.restarted(draw, None);
        match (recovered, crash) {
            (_, Some(_)) => {}
            (Err(RecordingError::NothingToRecover { .. }), None) => return Ok(None),
            (Err(error), None) => return Err(text(error)),
            (Ok(_), None) => return whole(storage, folder).map(Some),
        }
    }
}

#[test]
fn no_crash_of_a_session_by_day_leaves_more_than_a_prefix() {
    let storage = CrashStorage::new(None, None);
    let operations = operations_of(&storage, |storage| {
        let (session, recorder) = ("run".parse().unwrap(), RecorderOptions::default());
        let root = Path::new(ROOT);
        let mut days_recorder =
            DayRecorder::new_in(shared(storage), root, session, in_parts(4), recorder);
        assert!(days_recorder.offer(&days()));
        assert!(days_recorder.finish(0).error.is_none());
    });
    run("days", operations, lives_of(25), |at, seed| {
        live_days(at, seed, None)
    });
    let omitted = [
        Omitted::Content(".tdj"),
        Omitted::Content(".partial"),
        Omitted::Content("_manifest.json"),
        Omitted::Content("_contracts.parquet"),
        Omitted::Names(".tdj"),
        Omitted::Names("_manifest.json"),
        Omitted::Names("/session=run"),
        Omitted::LateContent("_manifest.json", 1),
        // A segment that no manifest lists is taken up, so this may come after the journal went.
        Omitted::LateNames("_manifest.json", 4),
        Omitted::LateNames("/session=run", 2),
    ];
    assert_eq!(unnoticed(operations, &omitted, live_days), []);
}

/// A killed session of 34 events with a bit turned over somewhere in its journal.
struct Spoilt {
    storage: CrashStorage,
    /// Its events up to there.
    readable: Vec<Event>,
    /// The journal files from there on.
    files: Vec<Vec<u8>>,
    /// What the manifest of a recovery without a crash says.
    lost: Vec<LostEvents>,
}

const FOLDER: &str = "/rec";

fn spoilt(draw: &mut Draw) -> Spoilt {
    let storage = CrashStorage::new(None, None);
    let folder = Path::new(FOLDER);
    let writer = RecordingWriter::create_in(shared(&storage), folder, in_parts(12)).unwrap();
    let (mut journal, mut sealer) = journal_of(writer);
    for events in some_ticks(34).chunks(3) {
        events.iter().for_each(|it| journal.append(it).unwrap());
        journal.sync().unwrap();
        sealer.follow(journal.written_seq()).unwrap();
    }
    drop((journal, sealer));
    let mut names = storage.list(folder).unwrap();
    names.retain(|name| name.ends_with(".tdj"));
    let index = draw.below(names.len() as u64);
    let index = usize::try_from(index).unwrap();
    let path = folder.join(&names[index]);
    let mut bytes = content(&storage, &path);
    let position = draw.below(bytes.len() as u64);
    bytes[usize::try_from(position).unwrap()] ^= 4;
    storage.put(&path, &bytes).unwrap();
    storage.sync_dir(folder).unwrap();
    let files = names[index..].iter();
    let files = files.map(|name| content(&storage, &folder.join(name)));
    let copy = storage.restarted(draw, None);
    recover_in(shared(&copy), folder).unwrap();
    Spoilt {
        readable: readable(&storage).unwrap(),
        files: files.collect(),
        lost: Manifest::read_in(&copy, folder).unwrap().lost,
        storage,
    }
}

fn content(storage: &CrashStorage, path: &Path) -> Vec<u8> {
    let file = storage.open(path).unwrap();
    let mut bytes = vec![0; usize::try_from(file.bytes().unwrap()).unwrap()];
    file.read_at(&mut bytes, 0).unwrap();
    bytes
}

fn readable(storage: &CrashStorage) -> Result<Vec<Event>, String> {
    let recording = Recording::open_in(shared(storage), Path::new(FOLDER)).map_err(text)?;
    let mut events = Vec::new();
    let mut reader = recording.reader(EventFilter::default());
    reader.next_events(&mut events, usize::MAX).map_err(text)?;
    Ok(events)
}

/// One life of a recovery of damage. What can be read stays so, and no byte of the rest is lost.
fn live_spoilt(crash_at: u64, seed: u64, omitted: Option<Omitted>) -> Outcome {
    let mut draw = Draw(seed);
    let Spoilt {
        storage,
        readable: expected,
        files,
        lost,
    } = spoilt(&mut draw);
    let check = |storage: &CrashStorage| {
        let folder = Path::new(FOLDER);
        let names = storage.list(folder).map_err(|error| format!("{error:?}"))?;
        let names = names.iter().filter(|name| name.contains(".tdj"));
        let kept: Vec<_> = names.map(|it| content(storage, &folder.join(it))).collect();
        match files.iter().all(|file| kept.contains(file)) {
            true if readable(storage)? == expected => Ok(()),
            true => Err("other events can be read".to_owned()),
            false => Err("a file is lost".to_owned()),
        }
    };
    let storage = storage.restarted(&mut draw, Some(crash_at));
    storage.omit(omitted);
    let is_recovered = recover_in(shared(&storage), Path::new(FOLDER)).is_ok();
    let mut storage = storage.restarted(&mut draw, None);
    loop {
        check(&storage)?;
        let crash = (draw.below(4) > 0).then(|| draw.below(40));
        storage = storage.restarted(&mut draw, crash);
        let recovered = recover_in(shared(&storage), Path::new(FOLDER));
        storage = storage.restarted(&mut draw, None);
        match (recovered, crash) {
            (_, Some(_)) => {}
            (Err(error), None) => return Err(text(error)),
            (Ok(recovery), None) => {
                check(&storage)?;
                let found = whole(&storage, Path::new(FOLDER))?;
                let manifest = Manifest::read_in(&storage, Path::new(FOLDER)).map_err(text)?;
                let is_right = found == expected && manifest.lost == lost;
                return is_right
                    .then_some(is_recovered)
                    .ok_or_else(|| format!("{recovery:?}"));
            }
        }
    }
}

#[test]
fn no_crash_while_damage_is_recovered_loses_a_byte() {
    let operations = operations_of(&spoilt(&mut Draw(0)).storage, |storage| {
        recover_in(shared(storage), Path::new(FOLDER)).unwrap();
    });
    run("damage", operations, lives_of(25), |at, seed| {
        live_spoilt(at, seed, None)
    });
    let omitted = [
        Omitted::Content(".partial"),
        Omitted::Content("/manifest.json"),
        Omitted::Names("/part-"),
        Omitted::Names("/manifest.json"),
        Omitted::LateContent("/manifest.json", 1),
    ];
    assert_eq!(unnoticed(operations, &omitted, live_spoilt), []);
}

/// A killed recording without journal, whose manifest does not list the last segment, which is damaged.
fn unlisted() -> (CrashStorage, Vec<Event>) {
    let storage = CrashStorage::new(None, None);
    let folder = Path::new(FOLDER);
    let all = some_ticks(30);
    let mut writer = RecordingWriter::create_in(shared(&storage), folder, in_parts(7)).unwrap();
    writer.write(&all[..22]).unwrap();
    let manifest = content(&storage, &folder.join("manifest.json"));
    writer.write(&all[22..]).unwrap();
    drop(writer);
    let last = folder.join("part-00003.parquet");
    let mut bytes = content(&storage, &last);
    bytes[100] ^= 4;
    storage.put(&last, &bytes).unwrap();
    storage
        .put(&folder.join("manifest.json"), &manifest)
        .unwrap();
    storage.sync_dir(folder).unwrap();
    (storage, all[..21].to_vec())
}

/// One life of a recovery of such a recording. What it costs is stated each time.
fn live_unlisted(crash_at: u64, seed: u64, omitted: Option<Omitted>) -> Outcome {
    let mut draw = Draw(seed);
    let (storage, expected) = unlisted();
    let storage = storage.restarted(&mut draw, Some(crash_at));
    storage.omit(omitted);
    let is_recovered = recover_in(shared(&storage), Path::new(FOLDER)).is_ok();
    let storage = storage.restarted(&mut draw, None);
    for _ in 0..2 {
        let recovered = recover_in(shared(&storage), Path::new(FOLDER)).map_err(text)?;
        if recovered.lost.is_empty() {
            return Err("the loss is not stated".into());
        }
    }
    let manifest = Manifest::read_in(&storage, Path::new(FOLDER)).map_err(text)?;
    match whole(&storage, Path::new(FOLDER))? == expected && manifest.lost.len() == 1 {
        true => Ok(is_recovered),
        false => Err(format!("{:?}", manifest.lost)),
    }
}

#[test]
fn no_crash_of_a_recovery_hides_what_it_set_aside() {
    let operations = operations_of(&unlisted().0, |storage| {
        recover_in(shared(storage), Path::new(FOLDER)).unwrap();
    });
    run("unlisted", operations, lives_of(25), |at, seed| {
        live_unlisted(at, seed, None)
    });
    let omitted = [Omitted::LateContent("/manifest.json", 1)];
    assert_eq!(unnoticed(operations, &omitted, live_unlisted), []);
}
