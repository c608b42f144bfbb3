//! A slot of a ring on disk, and how it is removed.

use std::cmp::Ordering;
use std::convert::Infallible;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, unbounded};
use tickdeck_core::thread;
use tickdeck_core::time::UnixNanos;

use super::background_writer::Recorded;
use super::error::RecordingError;
use super::finding::Finding;
use super::names::{LOCK_FILE, is_of_recording};
use super::storage::{Storage, local};

type Result<T> = std::result::Result<T, RecordingError>;

/// What the name of a slot begins with.
pub(super) const SLOT: &str = "slot-";

/// The name of the slot with this number.
pub(super) fn slot_name(number: u64) -> String {
    format!("{SLOT}{number:05}")
}

/// The number of a slot; `None` for another name.
pub(super) fn slot_number(name: &str) -> Option<u64> {
    let number = name.strip_prefix(SLOT)?.parse().ok()?;
    (slot_name(number) == name).then_some(number)
}

/// The same of a slot that is being removed.
pub(super) const GONE: &str = "gone-";

/// A slot on disk, which the last owner [releases](release).
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) folder: PathBuf,
    /// Receive times of its events.
    pub(super) first: UnixNanos,
    pub(super) last: UnixNanos,
    pub(super) sealing: Mutex<Option<JoinHandle<Recorded>>>,
    /// Its ticks that are on disk, once it is sealed.
    pub(super) ticks: AtomicU64,
    /// The copies that are being made of it. Each closes its channel at its end.
    pub(super) copies: Mutex<Vec<Receiver<Infallible>>>,
    /// Stays on disk: its events could not be copied.
    pub(super) stays: AtomicBool,
    /// A recording has some of its events.
    pub(super) is_copied: AtomicBool,
}

impl Slot {
    /// Waits until it is sealed.
    pub(super) fn sealed(&self) -> Result<()> {
        let mut sealing = self.sealing.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(sealing) = sealing.take() else {
            return Ok(());
        };
        // The panic was reported with its place.
        let failed = |_| RecordingError::WriterFailed {
            path: self.folder.clone(),
        };
        let Recorded { ticks, error, .. } = sealing.join().map_err(failed)?;
        self.ticks.store(ticks, Relaxed);
        error.map_or(Ok(()), Err)
    }

    /// Waits until no copy is being made of it.
    fn copied(&self) {
        let mut copies = self.copies.lock().unwrap_or_else(PoisonError::into_inner);
        for copy in copies.drain(..) {
            // Nothing is sent: the end of the copy closes it.
            let _ = copy.recv();
        }
    }

    /// Takes note of a copy that is being made of it until this channel is closed.
    pub(super) fn note_copy(&self, copy: Receiver<Infallible>) {
        let mut copies = self.copies.lock().unwrap_or_else(PoisonError::into_inner);
        copies.push(copy);
    }
}

/// Removes slots on a separate thread, one after the other. A kill then leaves no hole in their numbers.
#[derive(Debug)]
pub(super) struct Remover {
    slots: Sender<Arc<Slot>>,
    thread: JoinHandle<Result<()>>,
}

impl Remover {
    /// Starts the thread.
    pub(super) fn start() -> io::Result<Self> {
        let (slots, to_remove) = unbounded();
        let remove = move || {
            let mut all = Ok(());
            for slot in to_remove {
                all = all.and(release(slot));
            }
            all
        };
        let thread = thread::spawn("ring-release", remove)?;
        Ok(Self { slots, thread })
    }

    /// [Releases](release) a slot after those before it.
    pub(super) fn remove(&self, slot: Arc<Slot>) {
        // After a panic, which was reported with its place, the slot stays on disk.
        let _ = self.slots.send(slot);
    }

    /// Waits until all are removed. Returns the first error.
    pub(super) fn finish(self) -> Result<()> {
        drop(self.slots);
        // A panic was reported with its place.
        self.thread.join().unwrap_or(Ok(()))
    }
}

/// Removes a slot after its copies, unless it has another owner or stays. What is removed has another name
/// first: a kill leaves no part of a slot.
pub(super) fn release(slot: Arc<Slot>) -> Result<()> {
    slot.copied();
    let Some(slot) = Arc::into_inner(slot) else {
        return Ok(());
    };
    // Its events are not needed, so it does not matter whether they are all there.
    let sealed = slot.sealed();
    if slot.stays.load(Relaxed) {
        return Ok(());
    }
    let storage = local();
    let name = slot.folder.file_name().unwrap_or_default();
    let name = format!("{GONE}{}", name.to_string_lossy());
    let gone = slot.folder.with_file_name(name);
    if let Err(error) = storage.rename(&slot.folder, &gone) {
        return Err(sealed.err().unwrap_or_else(|| error.into()));
    }
    clear(&*storage, &gone)
}

/// Slots that a ring has made and that are not there. A ring removes its slots in the order of their
/// numbers, except those that it could not copy.
pub(super) fn missing_slots(storage: &dyn Storage, ring: &Path) -> Result<Vec<Finding>> {
    let names = storage.list(ring)?.into_iter();
    let own = names.filter(|name| {
        let path = ring.join(name);
        storage.is_folder(&path) && storage.link_target(&path).is_none()
    });
    let mut numbers: Vec<u64> = own.filter_map(|name| slot_number(&name)).collect();
    numbers.sort_unstable();
    let pairs = numbers.windows(2);
    Ok(pairs
        .filter_map(|pair| missing_between(ring, pair))
        .collect())
}

/// What is missing between two slots.
fn missing_between(ring: &Path, pair: &[u64]) -> Option<Finding> {
    let &[before, after] = pair else {
        return None;
    };
    let (first, last) = (before + 1, after - 1);
    let missing = match first.cmp(&last) {
        Ordering::Greater => return None,
        Ordering::Equal => "it is missing".to_owned(),
        Ordering::Less => format!("the slots from it to {} are missing", slot_name(last)),
    };
    let (before, after) = (slot_name(before), slot_name(after));
    Some(Finding {
        file: ring.join(slot_name(first)),
        problem: format!(
            "{missing}: the recording has no event between those of {before} and {after}"
        ),
    })
}

/// Keeps the slot on disk.
pub(super) fn stay(slot: &Arc<Slot>) {
    slot.stays.store(true, Relaxed);
}

/// Removes the folder of a recording. Other files stay, and the folder with them, which is an error.
pub(super) fn clear(storage: &dyn Storage, folder: &Path) -> Result<()> {
    let mut names = storage.list(folder)?;
    names.retain(|name| is_of_recording(name) || name == LOCK_FILE);
    for name in names {
        storage.remove(&folder.join(name))?;
    }
    Ok(storage.remove_folder(folder)?)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crossbeam_channel::bounded;
    use tickdeck_core::wait::nap;

    use super::*;

    fn slot(ring: &Path, number: u64) -> Arc<Slot> {
        let folder = ring.join(slot_name(number));
        std::fs::create_dir(&folder).unwrap();
        Arc::new(Slot {
            folder,
            first: UnixNanos(0),
            last: UnixNanos(0),
            sealing: Mutex::default(),
            ticks: AtomicU64::new(0),
            copies: Mutex::default(),
            stays: AtomicBool::new(false),
            is_copied: AtomicBool::new(false),
        })
    }

    #[test]
    fn slots_go_in_order_also_while_one_is_being_copied() {
        let ring = tempfile::tempdir().unwrap();
        let names = || local().list(ring.path()).unwrap();
        let remover = Remover::start().unwrap();
        let (copying, copied) = bounded(0);
        let being_copied = slot(ring.path(), 1);
        being_copied.note_copy(copied);
        for slot in [slot(ring.path(), 0), being_copied, slot(ring.path(), 2)] {
            remover.remove(slot);
        }
        // More than it takes to remove them.
        nap(Duration::from_millis(200));
        assert_eq!(names(), ["slot-00001", "slot-00002"]);
        drop(copying);
        remover.finish().unwrap();
        assert_eq!(names(), [""; 0]);
    }

    #[test]
    fn only_a_name_that_a_ring_gives_has_a_number() {
        for number in [0, 7, 99_999, 100_000] {
            assert_eq!(slot_number(&slot_name(number)), Some(number));
        }
        for other in [
            "slot-7",
            "slot-",
            "slot-000007",
            "slot-00007-2",
            "gone-slot-00007",
        ] {
            assert_eq!(slot_number(other), None, "{other}");
        }
    }
}
