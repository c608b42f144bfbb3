//! What a tick costs on the library's own thread: the virtual call, the copy out of the struct, and
//! the handler's push into a bounded queue.
//!
//! `cargo bench -p tickdeck-ffi --bench callback`. The table is driven as a library drives it: load
//! the pointer, load the slot, call.

use std::ffi::c_void;
use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use tickdeck_ffi::abi::signature::TakesPointer;
use tickdeck_ffi::abi::{ApiVersion, MdCallback, SpiTable, TickLayout};
use tickdeck_ffi::md::{MdHandler, MdSpi};
use tickdeck_ffi::{RawTick, Text};

/// Reads the tick and drops it: the cost of the delivery.
struct Looks;

impl MdHandler for Looks {
    fn on_tick(&self, tick: &RawTick) {
        black_box(tick);
    }
}

/// Copies the tick into a bounded queue, as a recorder does.
struct Pushes(Sender<RawTick>);

impl MdHandler for Pushes {
    fn on_tick(&self, tick: &RawTick) {
        if let Err(TrySendError::Full(tick)) = self.0.try_send(*tick) {
            black_box(tick);
        }
    }
}

fn tick() -> RawTick {
    let text = |text: &str| Text::new(text.as_bytes()).unwrap_or_default();
    RawTick {
        trading_day: Text::new(b"20260105").unwrap_or_default(),
        update_time: Text::new(b"21:00:00").unwrap_or_default(),
        action_day: Text::new(b"20260102").unwrap_or_default(),
        instrument_id: text("rb2605"),
        last_price: 3500.0,
        volume: 123_456,
        ..RawTick::unset()
    }
}

/// A library's view of the object: the function for ticks, and `this`.
fn entry(version: &ApiVersion, handler: Arc<dyn MdHandler>) -> (TakesPointer, *mut c_void) {
    let table = SpiTable::of(version);
    let this = MdSpi::new(version, table, handler).as_ptr();
    let slot = MdCallback::OnRtnDepthMarketData.slot(table).unwrap_or(0);
    // SAFETY: the object's first word points to its table, which it never outlives.
    let table = unsafe { *this.cast::<*const *const c_void>() };
    // SAFETY: the slot is one of the table's.
    let function = unsafe { table.add(slot) };
    // SAFETY: as above.
    let function = unsafe { *function };
    // SAFETY: the slot of ticks holds a function that takes one pointer.
    let function = unsafe { std::mem::transmute::<*const c_void, TakesPointer>(function) };
    (function, this)
}

fn callbacks(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("callback");
    group.throughput(Throughput::Elements(1));
    let versions = [(6, 3, 15), (6, 5, 1), (6, 7, 11)];
    for (major, minor, patch) in versions {
        let version = ApiVersion::new(major, minor, patch);
        let layout = TickLayout::of(&version);
        let Ok(mut field) = layout.write(&tick()) else {
            return;
        };
        let field: *mut c_void = (&raw mut field).cast();
        let letter = layout.letter();

        let (function, this) = entry(&version, Arc::new(Looks));
        group.bench_function(format!("{letter}, looked at"), |bencher| {
            bencher.iter(|| {
                // SAFETY: the function and object belong together; the field is of this layout.
                unsafe { function(black_box(this), black_box(field)) }
            });
        });

        let (sender, receiver) = bounded(131_072);
        let (function, this) = entry(&version, Arc::new(Pushes(sender)));
        group.bench_function(format!("{letter}, pushed"), |bencher| {
            bencher.iter(|| {
                // SAFETY: as above.
                unsafe { function(black_box(this), black_box(field)) };
                // Taken out at once, so that the queue is never full.
                drain(&receiver);
            });
        });
    }
    group.finish();
}

fn drain(receiver: &Receiver<RawTick>) {
    let _ = black_box(receiver.try_recv());
}

criterion_group!(benches, callbacks);
criterion_main!(benches);
