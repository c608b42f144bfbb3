//! A tick as the struct of a layout, in memory whose padding is zero too: a client that looks at the
//! raw bytes sees the same in every run.

use tickdeck_core::event::{RawTick, Text, TextTooLong};
use tickdeck_ffi::abi::TickLayout;

/// 8-byte words of the largest layout.
const WORDS: usize = 73;
const _: () = assert!(WORDS * 8 == TickLayout::C.size());

/// A `CThostFtdcDepthMarketDataField`; of a smaller layout its beginning counts.
#[derive(Debug, Clone)]
pub struct TickStruct {
    words: [u64; WORDS],
}

fn put(bytes: &mut [u8; WORDS * 8], offset: usize, value: &[u8]) {
    bytes[offset..offset + value.len()].copy_from_slice(value);
}

macro_rules! value_bytes {
    (text, $value:expr) => {
        $value.as_array()
    };
    ($kind:ident, $value:expr) => {
        &$value.to_ne_bytes()
    };
}

macro_rules! define_fill {
    (() $($(#[$doc:meta])* $kind:ident $name:ident $vendor:ident $size:literal @ $offset:literal;)*) => {
        fn fill(bytes: &mut [u8; WORDS * 8], tick: &RawTick) {
            $(put(bytes, $offset, value_bytes!($kind, tick.$name));)*
        }
    };
}

tickdeck_ffi::for_each_tick_field!(define_fill);

impl TickStruct {
    /// The tick in this layout. What the layout has no field for is left out.
    ///
    /// # Errors
    /// When an id does not fit the short fields of layout A.
    pub fn new(layout: TickLayout, tick: &RawTick) -> Result<Self, TextTooLong> {
        let mut bytes = [0; WORDS * 8];
        if layout == TickLayout::A {
            let short = RawTick {
                reserve1: Text::new(tick.instrument_id.as_bytes())?,
                reserve2: Text::new(tick.exchange_inst_id.as_bytes())?,
                ..*tick
            };
            fill(&mut bytes, &short);
        } else {
            fill(&mut bytes, tick);
        }
        bytes[layout.bytes_read()..].fill(0);
        let (chunks, _) = bytes.as_chunks::<8>();
        let mut words = [0; WORDS];
        for (word, chunk) in words.iter_mut().zip(chunks) {
            *word = u64::from_ne_bytes(*chunk);
        }
        Ok(Self { words })
    }

    /// The struct's memory, aligned to 8 bytes and not shorter than any layout.
    pub fn words_mut(&mut self) -> &mut [u64] {
        &mut self.words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(layout: TickLayout, tick: &RawTick) -> Vec<u8> {
        let mut made = TickStruct::new(layout, tick).unwrap();
        made.words_mut()
            .iter()
            .flat_map(|word| word.to_ne_bytes())
            .collect()
    }

    #[test]
    fn fields_are_at_each_layouts_offsets_and_the_rest_zero() {
        let tick = RawTick {
            instrument_id: Text::new(b"rb2510").unwrap(),
            volume: 7,
            banding_lower_price: 1.5,
            ..RawTick::default()
        };
        let a = bytes(TickLayout::A, &tick);
        assert_eq!(&a[9..16], b"rb2510\0");
        assert!(a[401..].iter().all(|&byte| byte == 0));
        let b = bytes(TickLayout::B, &tick);
        assert_eq!(&b[401..408], b"rb2510\0");
        assert!(b[9..40].iter().chain(&b[563..]).all(|&byte| byte == 0));
        let c = bytes(TickLayout::C, &tick);
        assert_eq!(c[576..], 1.5_f64.to_ne_bytes());
        assert_eq!(c[136..144], [7, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn an_id_that_layout_a_has_no_room_for_is_refused() {
        let tick = RawTick {
            instrument_id: Text::new(&[b'x'; 40]).unwrap(),
            ..RawTick::default()
        };
        assert!(TickStruct::new(TickLayout::A, &tick).is_err());
        assert!(TickStruct::new(TickLayout::B, &tick).is_ok());
    }
}
