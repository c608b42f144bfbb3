//! The queue between a connection and its reader, bounded by count and by bytes: payloads may have
//! 64 MB, so that a count alone bounds no memory.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, unbounded};
use tickdeck_core::wait::{Received, receive};

/// How much may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) items: usize,
    /// One item of more bytes than this may wait alone.
    pub(super) bytes: usize,
}

/// How much waits.
#[derive(Debug, Default)]
struct Level {
    items: usize,
    bytes: usize,
    /// The reader has stopped.
    is_closed: bool,
}

impl Level {
    const fn has_room(&self, bytes: usize, bounds: Bounds) -> bool {
        self.items == 0
            || (self.items < bounds.items && self.bytes.saturating_add(bytes) <= bounds.bytes)
    }

    /// Whether there is enough room to wake a waiting sender: not for every single place.
    const fn is_below_mark(&self, bounds: Bounds) -> bool {
        self.items <= bounds.items / 8 * 7 && self.bytes <= bounds.bytes / 8 * 7
    }
}

#[derive(Debug)]
struct Shared {
    bounds: Bounds,
    level: Mutex<Level>,
    room: Condvar,
}

impl Shared {
    /// The level is consistent after every step, and so after a panic too.
    fn level(&self) -> MutexGuard<'_, Level> {
        self.level.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An empty queue.
pub(super) fn queue<T>(bounds: Bounds) -> (QueueSender<T>, QueueReceiver<T>) {
    let (sender, receiver) = unbounded();
    let shared = Arc::new(Shared {
        bounds,
        level: Mutex::default(),
        room: Condvar::new(),
    });
    let sender = QueueSender {
        items: sender,
        shared: Arc::clone(&shared),
    };
    let receiver = QueueReceiver {
        items: receiver,
        shared,
    };
    (sender, receiver)
}

/// The sending end; there is one.
#[derive(Debug)]
pub(super) struct QueueSender<T> {
    items: Sender<(T, usize)>,
    shared: Arc<Shared>,
}

impl<T> QueueSender<T> {
    /// Waits for room and appends `item`. False when the reader has stopped.
    pub(super) fn send(&self, item: T, bytes: usize) -> bool {
        let mut level = self.shared.level();
        while !level.is_closed && !level.has_room(bytes, self.shared.bounds) {
            level = self
                .shared
                .room
                .wait(level)
                .unwrap_or_else(PoisonError::into_inner);
        }
        if level.is_closed {
            return false;
        }
        level.items += 1;
        level.bytes += bytes;
        drop(level);
        self.items.send((item, bytes)).is_ok()
    }
}

/// The receiving end.
#[derive(Debug)]
pub(super) struct QueueReceiver<T> {
    items: Receiver<(T, usize)>,
    shared: Arc<Shared>,
}

impl<T> QueueReceiver<T> {
    /// The next item.
    pub(super) fn receive(&self, at_most: Duration) -> Received<T> {
        let (item, bytes) = match receive(&self.items, at_most) {
            Received::Message(item) => item,
            Received::Timeout => return Received::Timeout,
            Received::Closed => return Received::Closed,
        };
        let mut level = self.shared.level();
        level.items -= 1;
        level.bytes -= bytes;
        if level.is_below_mark(self.shared.bounds) {
            self.shared.room.notify_one();
        }
        Received::Message(item)
    }

    /// Items that wait.
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// Stops receiving. A sender that waits for room returns.
    pub(super) fn close(&self) {
        self.shared.level().is_closed = true;
        self.shared.room.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tickdeck_core::thread;

    use super::*;

    const SOON: Duration = Duration::from_secs(60);

    /// Sends `sizes` from a thread, receives all, and returns the largest number that ever waited.
    fn most_waiting(bounds: Bounds, sizes: &[usize]) -> (usize, usize) {
        let (sender, receiver) = queue(bounds);
        let sent = sizes.to_vec();
        let sending = thread::spawn("sending", move || {
            for (position, bytes) in sent.into_iter().enumerate() {
                assert!(sender.send(position, bytes));
            }
        });
        let sending = sending.unwrap();
        let (mut items, mut bytes) = (0, 0);
        for expected in 0..sizes.len() {
            let level = receiver.shared.level();
            items = items.max(level.items);
            bytes = bytes.max(level.bytes);
            drop(level);
            assert_eq!(receiver.receive(SOON), Received::Message(expected));
        }
        sending.join().unwrap();
        assert_eq!(receiver.receive(Duration::ZERO), Received::Closed);
        let level = receiver.shared.level();
        assert_eq!((level.items, level.bytes), (0, 0));
        (items, bytes)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn prop_order_is_kept_within_the_bounds(
            items in 1_usize..20,
            bytes in 1_usize..200,
            sizes in proptest::collection::vec(0_usize..60, 0..200),
        ) {
            let largest = sizes.iter().copied().max().unwrap_or(0);
            let most = most_waiting(Bounds { items, bytes }, &sizes);
            prop_assert!(most.0 <= items, "{most:?}");
            // An item larger than the bound waits alone.
            prop_assert!(most.1 <= bytes.max(largest), "{most:?}");
        }
    }

    #[test]
    fn the_queue_is_bounded_by_count_and_bytes() {
        let bounds = Bounds {
            items: 4,
            bytes: 100,
        };
        let level = |items, bytes| Level {
            items,
            bytes,
            is_closed: false,
        };
        for (waiting, more, has_room) in [
            (level(0, 0), 100, true),
            (level(0, 0), 1_000, true),
            (level(1, 60), 40, true),
            (level(1, 60), 41, false),
            (level(1, 1_000), 0, false),
            (level(3, 3), 1, true),
            (level(4, 4), 1, false),
        ] {
            assert_eq!(waiting.has_room(more, bounds), has_room, "{waiting:?}");
        }
    }

    #[test]
    fn a_waiting_sender_returns_when_the_reader_stops() {
        for bounds in [
            Bounds {
                items: 1,
                bytes: 1_000,
            },
            Bounds {
                items: 1_000,
                bytes: 1,
            },
        ] {
            let (sender, receiver) = queue(bounds);
            assert!(sender.send((), 1));
            // It never gets in, whether it waits before or after the end.
            let sending = thread::spawn("sending", move || sender.send((), 1));
            receiver.close();
            assert!(!sending.unwrap().join().unwrap());
            assert_eq!(receiver.len(), 1);
        }
    }
}
