//! Slots of a ring whose events a recording of the catalogue has already.
//!
//! A mark says that. Where it is damaged, and slots that it named are gone, the rest must not be merged
//! again: their events would be in two recordings.

use std::collections::{BTreeSet, VecDeque};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tickdeck_core::event::Event;

use super::catalog::{Catalog, CatalogEntry, SessionId};
use super::error::RecordingError;
use super::filter::EventFilter;
use super::manifest::{Manifest, Status};
use super::reader::{Recording, RecordingReader};
use super::ring_copy::verified;
use super::storage::Storage;

type Result<T> = std::result::Result<T, RecordingError>;

/// What a recording of the session has of the slots.
#[derive(Debug)]
pub(super) struct Covering {
    pub(super) folder: PathBuf,
    pub(super) manifest: Manifest,
    /// Places of the slots in the list.
    pub(super) slots: Vec<usize>,
}

/// The recording of the session under `root` that has the most of these slots, and all slots that any of
/// them has. A slot without events is not among them. `None` if none has one.
pub(super) fn covering(
    storage: &Arc<dyn Storage>,
    root: &Path,
    session: &SessionId,
    slots: &[(usize, &Recording)],
) -> Result<Option<Covering>> {
    let entries = match Catalog::open_in(&**storage, root) {
        Err(RecordingError::NotACatalogue { .. }) => Vec::new(),
        catalog => catalog?.entries,
    };
    let mut best: Option<Covering> = None;
    let mut all = BTreeSet::new();
    for CatalogEntry { folder, .. } in entries.into_iter().filter(|it| is_part(it, session)) {
        let Some(manifest) = readable(Manifest::read_in(&**storage, &folder))? else {
            continue;
        };
        if manifest.status == Status::Recording || verified(storage, &folder).is_err() {
            continue;
        }
        let made = Recording::open_in(Arc::clone(storage), &folder)?;
        let mut covered = Vec::new();
        for (place, slot) in slots {
            let has_events = slot.manifest().is_some_and(|slot| slot.events > 0);
            if has_events && has_events_of(&made, slot)? {
                covered.push(*place);
                all.insert(*place);
            }
        }
        let most = best.as_ref().map_or(0, |best| best.slots.len());
        if covered.len() > most {
            best = Some(Covering {
                folder,
                manifest,
                slots: covered,
            });
        }
    }
    if let Some(best) = &mut best {
        best.slots = all.into_iter().collect();
    }
    Ok(best)
}

/// A manifest, or `None` where there is none that can be used. That it cannot be read now says nothing.
pub(super) fn readable(manifest: Result<Manifest>) -> Result<Option<Manifest>> {
    let absent = [ErrorKind::NotFound, ErrorKind::NotADirectory];
    match manifest {
        Ok(manifest) => Ok(Some(manifest)),
        Err(error) => match &error {
            RecordingError::Io { source, .. } if !absent.contains(&source.kind()) => Err(error),
            _ => Ok(None),
        },
    }
}

/// Whether an entry is a recording of the session, of which there may be several.
fn is_part(entry: &CatalogEntry, session: &SessionId) -> bool {
    let Some(rest) = entry.session.strip_prefix(session.as_str()) else {
        return false;
    };
    let number = rest.strip_prefix('-').unwrap_or(rest);
    rest.is_empty() || number.parse::<u64>().is_ok()
}

/// Whether a recording has all events of a slot, in their order, whatever their `seq` is there.
fn has_events_of(made: &Recording, slot: &Recording) -> Result<bool> {
    let mut slot = Events::of(slot.reader(EventFilter::default()).salvage(true));
    let mut made = Events::of(made.reader(EventFilter::default()));
    while let Some(wanted) = slot.next()? {
        loop {
            match made.next()? {
                None => return Ok(false),
                Some(event) if is_same(&event, &wanted) => break,
                Some(_) => {}
            }
        }
    }
    Ok(true)
}

fn is_same(one: &Event, other: &Event) -> bool {
    one.recv_ts == other.recv_ts && one.kind == other.kind
}

/// The events of a reader, one after the other.
struct Events {
    reader: RecordingReader,
    batch: VecDeque<Event>,
}

impl Events {
    const fn of(reader: RecordingReader) -> Self {
        Self {
            reader,
            batch: VecDeque::new(),
        }
    }

    fn next(&mut self) -> Result<Option<Event>> {
        const BATCH_EVENTS: usize = 2048;
        if self.batch.is_empty() {
            let mut batch = Vec::from(std::mem::take(&mut self.batch));
            self.reader.next_events(&mut batch, BATCH_EVENTS)?;
            self.batch = batch.into();
        }
        Ok(self.batch.pop_front())
    }
}
