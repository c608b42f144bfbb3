//! A tick's way from the library's thread to the handler allocates no memory, whose lock another
//! thread may hold.

use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tickdeck_ffi::abi::signature::TakesPointer;
use tickdeck_ffi::abi::{ApiVersion, MdCallback, SpiTable, TickLayout};
use tickdeck_ffi::md::{MdHandler, MdSpi};
use tickdeck_ffi::{RawTick, Text};

struct Counts(AtomicU64);

impl MdHandler for Counts {
    fn on_tick(&self, tick: &RawTick) {
        assert_eq!(tick.instrument_id.as_bytes(), b"rb2605");
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn the_callback_of_a_tick_allocates_nothing_in_any_layout() {
    for (major, minor, patch) in [(6, 3, 15), (6, 5, 1), (6, 7, 11)] {
        let version = ApiVersion::new(major, minor, patch);
        let tick = RawTick {
            instrument_id: Text::new(b"rb2605").unwrap(),
            ..RawTick::unset()
        };
        let mut field = TickLayout::of(&version).write(&tick).unwrap();
        let field: *mut c_void = (&raw mut field).cast();
        let table = SpiTable::of(&version);
        let handler = Arc::new(Counts(AtomicU64::new(0)));
        let this = MdSpi::new(&version, table, Arc::clone(&handler) as _).as_ptr();
        let slot = MdCallback::OnRtnDepthMarketData.slot(table).unwrap();
        // SAFETY: the object's first word points to its table, which it never outlives.
        let table = unsafe { *this.cast::<*const *const c_void>() };
        // SAFETY: the slot is one of the table's.
        let function = unsafe { table.add(slot) };
        // SAFETY: as above.
        let function = unsafe { *function };
        // SAFETY: the slot of ticks holds a function that takes one pointer.
        let function = unsafe { std::mem::transmute::<*const c_void, TakesPointer>(function) };
        let call = || {
            // SAFETY: function and object belong together; the field is of this layout.
            unsafe { function(this, field) }
        };
        // The first call of a thread may set something up.
        call();
        let measured = allocation_counter::measure(|| {
            for _ in 0..1_000 {
                call();
            }
        });
        assert_eq!(measured.count_total, 0, "{version:?}");
        assert_eq!(handler.0.load(Ordering::Relaxed), 1_001);
    }
}

#[test]
fn an_allocation_would_be_seen() {
    let measured = allocation_counter::measure(|| drop(std::hint::black_box(vec![0_u8; 100])));
    assert_eq!(measured.count_total, 1);
}
