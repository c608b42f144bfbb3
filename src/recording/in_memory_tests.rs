//! A recording in memory. `tests/tidy/` proves that every access goes through the storage.

use std::path::Path;
use std::sync::Arc;

use tickdeck_core::contract::ContractTable;
use tickdeck_core::event::Event;

use crate::storage::{MemoryStorage, Storage};
use crate::tests::{options, read_all, some_ticks};
use crate::*;

/// A folder that exists on no disk.
const FOLDER: &str = "/tickdeck-no-such-folder/rec";

fn write(storage: &Arc<dyn Storage>, events: &[Event], options: RecordingOptions) -> Manifest {
    let folder = Path::new(FOLDER);
    let mut writer = RecordingWriter::create_in(Arc::clone(storage), folder, options).unwrap();
    writer.write(events).unwrap();
    writer.finish().unwrap()
}

#[test]
fn a_recording_lives_in_memory_alone() {
    let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::default());
    let folder = Path::new(FOLDER);
    let events = some_ticks(1000);
    let rolling = Rolling {
        max_rows: 300,
        row_group_rows: 100,
        ..Rolling::default()
    };
    let live = RecordingOptions {
        keep_partial: true,
        ..options(rolling)
    };
    let manifest = write(&storage, &events, live);
    assert_eq!(manifest.segments.len(), 4);
    let open = || Recording::open_in(Arc::clone(&storage), folder).unwrap();
    for ahead in [false, true] {
        let reader = open().reader(EventFilter::default());
        let mut reader = if ahead { reader.read_ahead() } else { reader };
        let mut read = Vec::new();
        reader.next_events(&mut read, usize::MAX).unwrap();
        assert!(read == events);
    }
    let mut contracts = ContractTable::builtin();
    open().contracts(&mut contracts).unwrap();
    assert!(contracts.explicit().count() > 0);
    assert!(verify(&open(), &mut |_| {}).is_intact());

    let overwrite = RecordingOptions {
        overwrite: true,
        ..options(rolling)
    };
    write(&storage, &events[..10], overwrite);
    assert_eq!(read_all(&open(), EventFilter::default(), 7), events[..10]);
    storage.remove(&folder.join(MANIFEST_FILE)).unwrap();
    let salvaged = Recording::open_salvage_in(Arc::clone(&storage), folder).unwrap();
    assert_eq!(read_all(&salvaged, EventFilter::default(), 7), events[..10]);
    assert!(!folder.exists(), "nothing reached the disk");
}

#[test]
fn an_abandoned_recording_is_removed_from_memory() {
    let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::default());
    let folder = Path::new(FOLDER);
    let rolling = Rolling {
        max_rows: 10,
        ..Rolling::default()
    };
    let mut writer =
        RecordingWriter::create_in(Arc::clone(&storage), folder, options(rolling)).unwrap();
    writer.write(&some_ticks(25)).unwrap();
    drop(writer);
    assert!(!storage.exists(folder));
}
