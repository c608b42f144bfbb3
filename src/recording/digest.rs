//! The digest of the logical events: independent of segmentation, sorting and compression.

use tickdeck_core::event::{Event, EventKind, RawTick};
use tickdeck_ffi::for_each_tick_field;

/// Hashes only in large pieces: BLAKE3 is five times faster that way.
const BUFFER_BYTES: usize = 64 * 1024;

/// Running BLAKE3 over events in `seq` order.
///
/// Per event, little endian: `seq` u64, `recv_ts` i64. Then for a tick the byte 1 and each field in
/// struct order: text as u8 length + bytes, numbers as their bits. For a session event the byte 0,
/// u8 length + kind and u32 length + detail.
#[derive(Debug)]
pub struct EventDigest {
    hasher: blake3::Hasher,
    buffer: Vec<u8>,
}

impl Default for EventDigest {
    fn default() -> Self {
        Self::new()
    }
}

macro_rules! put_field {
    (text, $out:expr, $value:expr) => {
        put_short($out, $value.as_bytes())
    };
    (f64, $out:expr, $value:expr) => {
        $out.extend_from_slice(&$value.to_bits().to_le_bytes())
    };
    (i32, $out:expr, $value:expr) => {
        $out.extend_from_slice(&$value.to_le_bytes())
    };
}

macro_rules! define_put_tick {
    (() $($(#[$doc:meta])* $kind:ident $name:ident $vendor:ident $size:literal @ $offset:literal;)*) => {
        fn put_tick(out: &mut Vec<u8>, tick: &RawTick) {
            $(put_field!($kind, out, tick.$name);)*
        }
    };
}

for_each_tick_field!(define_put_tick);

/// Texts and kinds are shorter than 256 bytes by their types.
fn put_short(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(u8::try_from(bytes.len()).unwrap_or(u8::MAX));
    out.extend_from_slice(bytes);
}

impl EventDigest {
    /// A digest of no events.
    #[must_use]
    pub fn new() -> Self {
        Self {
            hasher: blake3::Hasher::new(),
            buffer: Vec::with_capacity(BUFFER_BYTES + 4096),
        }
    }

    /// Adds the next event.
    pub fn update(&mut self, event: &Event) {
        let out = &mut self.buffer;
        out.extend_from_slice(&event.seq.0.to_le_bytes());
        out.extend_from_slice(&event.recv_ts.0.to_le_bytes());
        match &event.kind {
            EventKind::Tick(tick) => {
                out.push(1);
                put_tick(out, tick);
            }
            EventKind::Session(session) => {
                out.push(0);
                put_short(out, session.kind().as_bytes());
                let detail = session.detail();
                out.extend_from_slice(&(detail.len() as u64).to_le_bytes()[..4]);
                out.extend_from_slice(detail.as_bytes());
            }
        }
        if out.len() >= BUFFER_BYTES {
            self.hasher.update(out);
            out.clear();
        }
    }

    /// The digest of all events so far, hex.
    #[must_use]
    pub fn finish(mut self) -> String {
        self.hasher.update(&self.buffer);
        self.hasher.finalize().to_hex().to_string()
    }
}
