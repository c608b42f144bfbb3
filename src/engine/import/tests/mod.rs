//! The dialects on fixtures, on damaged input, and on the shared folder of real recordings.

mod bad_input;
mod containers;
mod dumps;
mod fixtures;
mod order;
mod parquet_dumps;
mod shared_data;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tickdeck_core::calendar::TradingCalendar;
use tickdeck_core::contract::ContractTable;
use tickdeck_core::event::{Event, RawTick};
use tickdeck_core::source::Source;
use tickdeck_core::time::UnixNanos;

use crate::import::{ImportError, ImportOptions, ImportReport, ImportSource};

/// Opens with the built-in contract table and calendar.
fn open(paths: &[PathBuf], options: ImportOptions) -> Result<ImportSource, ImportError> {
    let contracts = Arc::new(ContractTable::builtin());
    let calendar = Arc::new(TradingCalendar::builtin());
    ImportSource::open(paths, options, contracts, calendar)
}

/// Imports to the end.
fn import_with(
    paths: &[PathBuf],
    options: ImportOptions,
) -> Result<(Vec<Event>, ImportReport), ImportError> {
    let mut source = open(paths, options)?;
    let mut events = Vec::new();
    loop {
        let before = events.len();
        match source.next_batch(&mut events, 4096) {
            Ok(()) if events.len() == before => return Ok((events, source.report().clone())),
            Ok(()) => {}
            Err(error) => return Err(*error.into_cause().downcast().unwrap()),
        }
    }
}

fn import(path: impl AsRef<Path>) -> (Vec<Event>, ImportReport) {
    let paths = [path.as_ref().to_owned()];
    import_with(&paths, ImportOptions::default()).unwrap()
}

fn fixture(name: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
        .join("fixtures/dialects")
        .join(name)
}

/// A file of that content, gone with the returned folder.
fn file(name: &str, content: impl AsRef<[u8]>) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    (folder, path)
}

fn ticks(events: &[Event]) -> Vec<&RawTick> {
    events.iter().filter_map(Event::as_tick).collect()
}

/// `recv_ts` as Shanghai date and time to the millisecond.
fn recv(event: &Event) -> String {
    let local = event.recv_ts.to_shanghai();
    local.format("%Y%m%d %H:%M:%S%.3f").to_string()
}

fn assert_ordered(events: &[Event]) {
    for (index, event) in events.iter().enumerate() {
        assert_eq!(event.seq.0, u64::try_from(index).unwrap());
    }
    assert!(
        events
            .windows(2)
            .all(|pair| pair[0].recv_ts <= pair[1].recv_ts)
    );
}
