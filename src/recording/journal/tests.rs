//! The journal's promise: what is read is a prefix of what was written, whatever became of the bytes.

use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;
use tickdeck_core::event::{Event, EventKind, RawTick, SessionEvent, Text};
use tickdeck_core::source::SourceInfo;

use super::files::JournalFiles;
use super::*;
use crate::storage::{MemoryStorage, Storage, read_whole};
use crate::tests::{arbitrary_events, some_ticks};

/// No journal of these tests is larger.
const MOST: u64 = 1 << 20;

const SESSION: &str = "test";

fn memory() -> (Arc<dyn Storage>, &'static Path) {
    let folder = Path::new("/rec");
    let storage = MemoryStorage::default();
    storage.create_folder(folder).unwrap();
    (Arc::new(storage), folder)
}

fn writer(storage: &Arc<dyn Storage>, folder: &Path, rows_per_file: u64) -> JournalWriter {
    JournalWriter::new(
        Arc::clone(storage),
        folder.to_owned(),
        SESSION.into(),
        SourceInfo::default(),
        rows_per_file,
    )
}

/// Writes `events` with a block after each of `blocks` events, and returns the folder's storage.
fn written(events: &[Event], rows_per_file: u64, block: usize) -> Arc<dyn Storage> {
    let (storage, folder) = memory();
    let mut journal = writer(&storage, folder, rows_per_file);
    for events in events.chunks(block) {
        events
            .iter()
            .for_each(|event| journal.append(event).unwrap());
        journal.write().unwrap();
    }
    assert_eq!(journal.written_seq(), events.len() as u64);
    storage
}

fn scan(storage: &Arc<dyn Storage>, from_seq: u64) -> (JournalFiles, Vec<Event>) {
    let files = JournalFiles::open(&**storage, Path::new("/rec")).unwrap();
    let mut events = Vec::new();
    let add = &mut |event: &Event| events.push(event.clone());
    let found = JournalFiles::scan(files.unwrap(), SESSION, from_seq, add).unwrap();
    (found, events)
}

/// What a reader yields: the same as the scan.
fn stream(files: JournalFiles) -> Vec<Event> {
    let mut stream = JournalStream::new(files);
    let all = crate::EventFilter::default();
    let next = || stream.next(&all).unwrap();
    std::iter::from_fn(next).flatten().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn prop_the_journal_is_lossless(
        events in arbitrary_events(),
        rows_per_file in 1_u64..30,
        block in 1_usize..20,
        from in 0_u64..70,
    ) {
        let storage = written(&events, rows_per_file, block);
        let (files, found) = scan(&storage, 0);
        prop_assert_eq!(&found, &events);
        prop_assert_eq!(files.damage.clone(), None);
        prop_assert_eq!(stream(files), events.clone());
        let from = from.min(events.len() as u64);
        let (files, found) = scan(&storage, from);
        let rest = &events[usize::try_from(from).unwrap()..];
        prop_assert_eq!(found, rest);
        prop_assert_eq!(files.events(), rest.len() as u64);
        prop_assert_eq!(stream(files), rest);
    }
}

/// Some of everything, in three blocks.
fn small() -> Vec<Event> {
    let mut events = some_ticks(12);
    events[4].kind = EventKind::Session(SessionEvent::Note { text: "x".into() });
    events[7].kind = EventKind::Tick(RawTick {
        instrument_id: Text::new(b"\xff\xfe").unwrap(),
        last_price: -0.0,
        turnover: f64::from_bits(0x7ff8_0000_dead_beef),
        volume: i32::MIN,
        ..RawTick::unset()
    });
    events
}

/// The journal of these events, five to a block.
fn bytes_of(events: &[Event]) -> Vec<u8> {
    let storage = written(events, 100, 5);
    read_whole(&*storage, Path::new("/rec/journal-00000.tdj"), MOST).unwrap()
}

fn replaced(content: &[u8]) -> Arc<dyn Storage> {
    let (storage, folder) = memory();
    let path = folder.join("journal-00000.tdj");
    storage.put(&path, content).unwrap();
    storage
}

#[test]
fn a_journal_cut_at_any_byte_is_a_prefix() {
    let events = small();
    let whole = bytes_of(&events);
    let mut whole_parts = Vec::new();
    for length in 0..=whole.len() {
        let storage = replaced(&whole[..length]);
        let (files, found) = scan(&storage, 0);
        assert!(events.starts_with(&found), "{length} bytes");
        if files.damage.is_none() {
            whole_parts.push(found.len());
        }
        assert_eq!(stream(files), found);
    }
    // Nothing, the header, and each block.
    assert_eq!(whole_parts, [0, 0, 5, 10, 12]);
}

#[test]
fn no_flipped_bit_becomes_an_event() {
    let events = small();
    let whole = bytes_of(&events);
    for position in 0..whole.len() {
        for bit in 0..8 {
            let mut bad = whole.clone();
            bad[position] ^= 1 << bit;
            let storage = replaced(&bad);
            let (files, found) = scan(&storage, 0);
            assert!(events.starts_with(&found) && found.len() < events.len());
            assert!(files.damage.is_some(), "byte {position}, bit {bit}");
        }
    }
}

#[test]
fn a_block_is_valid_only_at_its_place() {
    let storage = written(&some_ticks(10), 100, 5);
    let path = Path::new("/rec/journal-00000.tdj");
    let ten = read_whole(&*storage, path, MOST).unwrap();
    let five = read_whole(&*written(&some_ticks(5), 100, 5), path, MOST).unwrap();
    // The second block, appended once more.
    let again = [&ten[..], &ten[five.len()..]].concat();
    assert_eq!(scan(&replaced(&again), 0).1, some_ticks(10));
    // Another journal's block with the right numbers.
    let mut other = some_ticks(10);
    other[0].recv_ts.0 += 1;
    let other = read_whole(&*written(&other, 100, 5), path, MOST).unwrap();
    let mixed = [&five[..], &other[five.len()..]].concat();
    assert_eq!(scan(&replaced(&mixed), 0).1, some_ticks(5));
}

#[test]
fn a_lost_or_foreign_file_ends_the_prefix() {
    let storage = written(&some_ticks(30), 10, 10);
    let middle = Path::new("/rec/journal-00001.tdj");
    let content = read_whole(&*storage, middle, MOST).unwrap();
    storage.remove(middle).unwrap();
    let (files, found) = scan(&storage, 0);
    assert_eq!(found, some_ticks(10));
    let damage = files.damage.unwrap();
    assert_eq!(damage.problem, "it begins with event 20, expected 10");
    storage.put(middle, &content[..content.len() - 1]).unwrap();
    let (files, found) = scan(&storage, 0);
    assert_eq!(found, some_ticks(10));
    assert!(!files.damage.unwrap().is_tail, "a crash does not do that");
    let files = JournalFiles::open(&*storage, Path::new("/rec")).unwrap();
    let foreign = JournalFiles::scan(files.unwrap(), "other", 0, &mut |_| {}).unwrap();
    assert_eq!((foreign.events(), foreign.damage.is_some()), (0, true));
}

#[test]
fn a_file_that_grows_is_followed() {
    let (storage, folder) = memory();
    let events = some_ticks(20);
    let mut journal = writer(&storage, folder, 100);
    journal.append(&events[0]).unwrap();
    journal.write().unwrap();
    let mut reader = JournalReader::open(&*storage, &folder.join("journal-00000.tdj"))
        .unwrap()
        .unwrap();
    let mut found = Vec::new();
    assert_eq!(reader.next(&mut found).unwrap(), Next::Block);
    assert_eq!(reader.next(&mut found).unwrap(), Next::End);
    for event in &events[1..] {
        journal.append(event).unwrap();
    }
    assert_eq!(reader.next(&mut found).unwrap(), Next::End, "not written");
    journal.sync().unwrap();
    assert_eq!(reader.next(&mut found).unwrap(), Next::Block);
    assert_eq!((found, reader.rows()), (events, 20));
}

#[test]
fn a_file_that_cannot_be_begun_is_not_left() {
    let folder = Path::new("/rec");
    let memory = MemoryStorage::default();
    memory.create_folder(folder).unwrap();
    let storage: Arc<dyn Storage> = Arc::new(memory.clone());
    let mut journal = writer(&storage, folder, 3);
    let events = some_ticks(4);
    for event in &events[..3] {
        journal.append(event).unwrap();
    }
    memory.refuse_folder_syncs();
    journal.append(&events[3]).unwrap_err();
    assert_eq!(storage.list(folder).unwrap(), ["journal-00000.tdj"]);
    assert_eq!(scan(&storage, 0).1, events[..3]);
}

#[test]
fn a_newer_journal_is_refused() {
    let storage = written(&some_ticks(5), 100, 5);
    let path = Path::new("/rec/journal-00000.tdj");
    let description = block::Description {
        format_version: crate::FormatVersion { major: 2, minor: 0 },
        session: SESSION.into(),
        source: SourceInfo::default(),
        first_seq: 0,
    };
    let (header, _) = block::file_header(&description).unwrap();
    storage.put(path, &header).unwrap();
    let refused = JournalReader::open(&*storage, path).unwrap_err();
    assert!(matches!(refused, crate::RecordingError::NewerFormat { .. }));
}

#[test]
fn a_gap_in_seq_is_refused() {
    let (storage, folder) = memory();
    let mut journal = writer(&storage, folder, 100);
    let events = some_ticks(3);
    journal.append(&events[0]).unwrap();
    let gap = journal.append(&events[2]).unwrap_err();
    assert!(matches!(
        gap,
        crate::RecordingError::SeqGap { expected: 1, .. }
    ));
}

/// Synthetic markets are in another crate: here a walk in the manner of a busy contract.
#[test]
fn an_ordinary_tick_takes_less_than_forty_bytes() {
    let mut tick = RawTick {
        trading_day: Text::new(b"20260105").unwrap(),
        action_day: Text::new(b"20260105").unwrap(),
        update_time: Text::new(b"09:00:00").unwrap(),
        ..RawTick::unset()
    };
    let mut events = Vec::new();
    let mut state = 1_u64;
    let mut random = |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695);
        (state >> 33) % below
    };
    for (seq, template) in (0_i32..).zip(some_ticks(20_000)) {
        let id = format!("rb{:04}", seq % 100);
        let second = seq / 200;
        let time = format!("09:{:02}:{:02}", second / 60, second % 60);
        let lots = i32::try_from(random(50)).unwrap();
        let price = 3_000.0 + f64::from(i32::try_from(random(5)).unwrap());
        tick = RawTick {
            instrument_id: Text::new(id.as_bytes()).unwrap(),
            update_time: Text::new(time.as_bytes()).unwrap(),
            update_millisec: seq / 100 % 2 * 500,
            last_price: price,
            bid_price1: price - 1.0,
            ask_price1: price,
            bid_volume1: lots + 3,
            ask_volume1: lots * 2,
            volume: tick.volume + lots,
            turnover: tick.turnover + f64::from(lots) * price * 10.0,
            average_price: 30_000.0 + f64::from(seq) / 7.0,
            ..tick
        };
        events.push(Event {
            kind: EventKind::Tick(tick),
            ..template
        });
    }
    let storage = written(&events, 65_536, 200);
    let file = storage.open(Path::new("/rec/journal-00000.tdj")).unwrap();
    let bytes = file.bytes().unwrap() / events.len() as u64;
    assert!(bytes < 40, "{bytes} bytes a tick");
    assert_eq!(scan(&storage, 0).1, events);
}
