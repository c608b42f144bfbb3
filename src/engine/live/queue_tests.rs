//! The queue between callbacks and source.

use super::*;
use tickdeck_core::clock::VirtualClock;
use tickdeck_core::event::Text;

fn inlet(slots: usize) -> (Inlet, Arc<Queue>) {
    let queue = Arc::new(Queue::new(slots, Arc::new(VirtualClock::new())));
    let (notices, _) = crossbeam_channel::bounded(8);
    (Inlet::new(Arc::clone(&queue), 1, notices), queue)
}

fn tick(volume: i32) -> RawTick {
    RawTick {
        volume,
        instrument_id: Text::new(b"rb2601").unwrap(),
        ..RawTick::unset()
    }
}

/// Content of the queue: volumes of ticks, `-n` for an overflow of n, 0 for the rest.
fn shown(queue: &Queue) -> Vec<i64> {
    std::iter::from_fn(|| queue.pop())
        .map(|stamped| match stamped.arrival {
            Arrival::Tick(tick) => i64::from(tick.volume),
            Arrival::Session(SessionEvent::Overflow { dropped }) => {
                -i64::try_from(dropped).unwrap()
            }
            _ => 0,
        })
        .collect()
}

#[test]
fn an_overflow_row_precedes_the_next_tick() {
    let (inlet, queue) = inlet(16);
    for volume in 1..=20 {
        inlet.tick(&tick(volume));
    }
    assert_eq!((queue.len(), queue.dropped()), (14, 6));
    for _ in 0..2 {
        queue.pop();
    }
    inlet.tick(&tick(21));
    assert_eq!(
        shown(&queue),
        [3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, -6, 21]
    );
    assert_eq!(queue.take_loss(), None);
    assert_eq!(queue.high_water(), 14);
}

#[test]
fn ticks_leave_room_for_session_events() {
    let (inlet, queue) = inlet(16);
    for volume in 1..=20 {
        inlet.tick(&tick(volume));
    }
    inlet.front_disconnected(4097);
    let rows = shown(&queue);
    assert_eq!(rows[14..], [-6, 0], "the overflow precedes the disconnect");
}

#[test]
fn lost_session_events_are_counted() {
    let (inlet, queue) = inlet(8);
    for _ in 0..11 {
        inlet.front_connected();
    }
    assert_eq!(shown(&queue).len(), 8);
    let loss = queue.take_loss().unwrap();
    assert_eq!(loss, Loss::Events(3));
    let text = "3 session events did not fit the queue".to_owned();
    assert_eq!(loss.row(), SessionEvent::Note { text });
    // An event whose row does not fit either stays counted.
    for _ in 0..9 {
        inlet.front_connected();
    }
    inlet.front_connected();
    assert_eq!(shown(&queue).len(), 8);
    assert_eq!(queue.take_loss(), Some(Loss::Events(2)));
}

#[test]
fn a_shut_inlet_ignores_callbacks() {
    let (inlet, queue) = inlet(16);
    inlet.shut();
    inlet.tick(&tick(1));
    inlet.front_connected();
    inlet.subscribed(b"rb2601", 0);
    assert_eq!(shown(&queue), [0_i64; 0]);
    assert_eq!(queue.dropped(), 0);
}

#[test]
fn a_push_wakes_the_reader() {
    let (inlet, queue) = inlet(16);
    let reading = Arc::clone(&queue);
    let reader = tickdeck_core::thread::spawn("reader", move || {
        while reading.len() == 0 {
            reading.wait(Duration::from_secs(3600));
        }
        reading.len()
    })
    .unwrap();
    while queue.reader.get().is_none() {
        std::thread::yield_now();
    }
    inlet.tick(&tick(1));
    assert_eq!(reader.join().unwrap(), 1);
}

#[test]
fn a_silent_front_is_two_rows() {
    let (inlet, queue) = inlet(16);
    inlet.front_disconnected(0x2001);
    let rows: Vec<Arrival> = std::iter::from_fn(|| queue.pop())
        .map(|stamped| stamped.arrival)
        .collect();
    assert_eq!(
        rows,
        [
            Arrival::Session(SessionEvent::HeartbeatLost {}),
            Arrival::Session(SessionEvent::FrontDisconnected { reason: 0x2001 }),
        ]
    );
}

/// The queue with a burst in it: more than the ring holds.
#[test]
fn a_burst_keeps_its_order_and_its_bound() {
    let slots = 2 * RING_SLOTS;
    let (inlet, queue) = inlet(slots);
    let accepted = slots - slots / 8;
    let beyond = 5;
    let last = i32::try_from(accepted + beyond).unwrap();
    (1..=last).for_each(|volume| inlet.tick(&tick(volume)));
    assert_eq!(queue.dropped(), beyond as u64);
    assert_eq!(queue.len(), accepted);
    // The ring has room again before the burst is read: what comes must wait behind it.
    let read = 10;
    let mut seen: Vec<i64> = (0..read)
        .map(|_| match queue.pop().unwrap().arrival {
            Arrival::Tick(tick) => tick.volume.into(),
            other => panic!("{other:?}"),
        })
        .collect();
    inlet.tick(&tick(last + 1));
    seen.extend(shown(&queue));
    let mut expected: Vec<i64> = (1..=i64::try_from(accepted).unwrap()).collect();
    expected.extend([-5, i64::from(last) + 1]);
    assert_eq!(seen, expected);
    inlet.tick(&tick(7));
    assert_eq!(queue.slots.ring.len(), 1, "the ring is used again");
}

#[test]
fn a_reader_beside_a_writer_sees_every_burst_in_order() {
    let (inlet, queue) = inlet(4 * RING_SLOTS);
    let reading = Arc::clone(&queue);
    let ticks = 200_000;
    let reader = tickdeck_core::thread::spawn("reader", move || {
        let mut next = 1;
        while next <= ticks {
            let Some(stamped) = reading.pop() else {
                std::thread::yield_now();
                continue;
            };
            match stamped.arrival {
                Arrival::Tick(tick) if tick.volume == next => next += 1,
                other => panic!("{other:?} where {next} is next"),
            }
        }
    })
    .unwrap();
    for volume in 1..=ticks {
        // Never so many that one is dropped.
        while queue.len() > 3 * RING_SLOTS {
            std::thread::yield_now();
        }
        inlet.tick(&tick(volume));
    }
    reader.join().unwrap();
    assert_eq!((queue.dropped(), queue.len()), (0, 0));
}
