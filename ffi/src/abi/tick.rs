//! The three layouts of the tick struct, checked at compile time against field guide 4.
//!
//! Layout C (584 bytes, API 6.6.1 to 6.7.13) is the one that [`RawTick`] is made of. Layouts A and
//! B are its beginning: B ends before the price bands, A before the long ids, and keeps the ids in
//! the places that C calls reserved. One struct serves all three.

// The names are the vendor's, so that a header and this file can be laid side by side.
#![expect(non_snake_case, reason = "the vendor's field names")]

use std::ffi::c_void;
use std::mem::{MaybeUninit, offset_of, size_of};

use super::version::ApiVersion;
use crate::RawTick;
use crate::text::{Text, TextTooLong};

macro_rules! abi_type {
    (text $size:literal) => {
        [u8; $size]
    };
    (f64 $size:literal) => {
        f64
    };
    (i32 $size:literal) => {
        i32
    };
}

macro_rules! to_raw {
    (text, $value:expr) => {
        Text::from_array($value)
    };
    ($kind:ident, $value:expr) => {
        $value
    };
}

macro_rules! from_raw {
    (text, $value:expr) => {
        *$value.as_array()
    };
    ($kind:ident, $value:expr) => {
        $value
    };
}

macro_rules! define_layout_c {
    (() $($(#[$doc:meta])* $kind:ident $name:ident $vendor:ident $size:literal @ $offset:literal;)*) => {
        /// `CThostFtdcDepthMarketDataField` of API 6.6.1 and later (layout C, 584 bytes).
        ///
        /// Layouts A and B are its first 408 and 568 bytes, see [`TickLayout`].
        #[repr(C)]
        #[derive(Debug, Clone, Copy)]
        pub struct DepthMarketDataFieldC {
            $($(#[$doc])* pub $vendor: abi_type!($kind $size),)*
        }

        $(const _: () = assert!(offset_of!(DepthMarketDataFieldC, $vendor) == $offset);)*

        impl From<&DepthMarketDataFieldC> for RawTick {
            fn from(field: &DepthMarketDataFieldC) -> Self {
                Self { $($name: to_raw!($kind, field.$vendor),)* }
            }
        }

        impl From<&RawTick> for DepthMarketDataFieldC {
            fn from(tick: &RawTick) -> Self {
                Self { $($vendor: from_raw!($kind, tick.$name),)* }
            }
        }
    };
}

crate::for_each_tick_field!(define_layout_c);

const _: () = assert!(size_of::<DepthMarketDataFieldC>() == 584);

/// What a field reads as that a layout does not have: CTP's own "no value" for prices.
const NO_PRICE: f64 = f64::MAX;

/// Which layout of the tick struct a library passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TickLayout {
    /// Before 6.5.1: 408 bytes, instrument ids of at most 30 characters.
    A,
    /// 6.5.1 (and 6.6.0, whose headers are not available): 568 bytes, long ids.
    B,
    /// 6.6.1 and later: 584 bytes, price bands at the end.
    C,
}

impl TickLayout {
    /// The layout of a version. A version newer than every listed one gets layout C: the struct
    /// has only ever grown at its end, and reading less than the whole is safe.
    /// [`ApiVersion::knowledge`] tells whether that is a guess.
    #[must_use]
    pub fn of(version: &ApiVersion) -> Self {
        if version.at_least(6, 6, 1) {
            Self::C
        } else if version.at_least(6, 5, 1) {
            Self::B
        } else {
            Self::A
        }
    }

    /// The letter that field guide, recordings and logs use.
    #[must_use]
    pub const fn letter(self) -> char {
        match self {
            Self::A => 'A',
            Self::B => 'B',
            Self::C => 'C',
        }
    }

    /// `sizeof` of the vendor's struct, bytes.
    #[must_use]
    pub const fn size(self) -> usize {
        match self {
            Self::A => 408,
            Self::B => 568,
            Self::C => 584,
        }
    }

    /// Bytes that [`read`](Self::read) looks at: up to the end of the last field.
    #[must_use]
    pub const fn bytes_read(self) -> usize {
        match self {
            Self::A => 401,
            Self::B => 563,
            Self::C => 584,
        }
    }

    /// Copies a struct of this layout out of the library's memory.
    ///
    /// Fields that the layout does not have read as missing: the price bands of A and B as
    /// `DBL_MAX`, the reserved fields of A as empty.
    ///
    /// # Safety
    /// `struct_ptr` points to a `CThostFtdcDepthMarketDataField` of this layout, that is to at
    /// least [`bytes_read`](Self::bytes_read) readable bytes, and no thread writes there meanwhile.
    /// It need not be aligned.
    #[must_use]
    pub unsafe fn read(self, struct_ptr: *const c_void) -> RawTick {
        let mut field = MaybeUninit::<DepthMarketDataFieldC>::zeroed();
        // SAFETY: the caller guarantees the source; the target is ours, 584 bytes, and no layout
        // reads more than that.
        unsafe {
            std::ptr::copy_nonoverlapping(
                struct_ptr.cast::<u8>(),
                field.as_mut_ptr().cast::<u8>(),
                self.bytes_read(),
            );
        }
        // SAFETY: every byte was zeroed or copied, and all fields are numbers and byte arrays, for
        // which any bits are a value.
        let mut field = unsafe { field.assume_init() };
        if self != Self::C {
            field.BandingUpperPrice = NO_PRICE;
            field.BandingLowerPrice = NO_PRICE;
        }
        if self == Self::A {
            // What C calls reserved is where A has its ids.
            field.InstrumentID[..31].copy_from_slice(&field.reserve1);
            field.ExchangeInstID[..31].copy_from_slice(&field.reserve2);
            field.reserve1 = [0; 31];
            field.reserve2 = [0; 31];
        }
        RawTick::from(&field)
    }

    /// The tick as a struct of this layout: the first [`size`](Self::size) bytes of the value.
    ///
    /// What the layout has no field for is left out: the price bands in A and B, the reserved
    /// fields in A.
    ///
    /// # Errors
    /// [`TextTooLong`] when an id does not fit layout A.
    pub fn write(self, tick: &RawTick) -> Result<DepthMarketDataFieldC, TextTooLong> {
        if self != Self::A {
            return Ok(DepthMarketDataFieldC::from(tick));
        }
        let short = RawTick {
            reserve1: Text::new(tick.instrument_id.as_bytes())?,
            reserve2: Text::new(tick.exchange_inst_id.as_bytes())?,
            instrument_id: Text::EMPTY,
            exchange_inst_id: Text::EMPTY,
            ..*tick
        };
        Ok(DepthMarketDataFieldC::from(&short))
    }
}

const _: () = assert!(TickLayout::C.size() == size_of::<DepthMarketDataFieldC>());
const _: () = assert!(TickLayout::C.bytes_read() == size_of::<DepthMarketDataFieldC>());
// B ends before the first price band, its last field is the exchange's own id.
const _: () = assert!(TickLayout::B.size() == offset_of!(DepthMarketDataFieldC, BandingUpperPrice));
const _: () =
    assert!(TickLayout::B.bytes_read() == offset_of!(DepthMarketDataFieldC, ExchangeInstID) + 81);
// A ends where the long ids begin, rounded up to the alignment of its doubles.
const _: () =
    assert!(TickLayout::A.bytes_read() == offset_of!(DepthMarketDataFieldC, InstrumentID));
const _: () = assert!(TickLayout::A.size() == TickLayout::A.bytes_read().next_multiple_of(8));

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn through(layout: TickLayout, tick: &RawTick) -> RawTick {
        let field = layout.write(tick).unwrap();
        // A struct of exactly the layout's size: a sanitizer would see a read beyond it.
        // SAFETY: the value is larger than any layout.
        let bytes =
            unsafe { std::slice::from_raw_parts((&raw const field).cast::<u8>(), layout.size()) };
        let exact: Box<[u8]> = bytes.into();
        // SAFETY: the box holds a struct of this layout.
        unsafe { layout.read(exact.as_ptr().cast()) }
    }

    #[test]
    fn a_tick_survives_the_struct_bit_for_bit() {
        let tick = RawTick {
            instrument_id: Text::new(b"SPD RM601&RM605").unwrap(),
            last_price: -0.0,
            turnover: f64::from_bits(0x7ff8_0000_dead_beef),
            bid_volume5: i32::MIN,
            ..RawTick::unset()
        };
        for layout in [TickLayout::A, TickLayout::B, TickLayout::C] {
            assert_eq!(through(layout, &tick), tick, "layout {}", layout.letter());
        }
    }

    #[test]
    fn the_version_decides_the_layout() {
        let of = |major, minor, patch| TickLayout::of(&ApiVersion::new(major, minor, patch));
        assert_eq!(of(6, 3, 15), TickLayout::A);
        assert_eq!(of(6, 3, 19), TickLayout::A);
        assert_eq!(of(6, 5, 1), TickLayout::B);
        assert_eq!(of(6, 6, 0), TickLayout::B);
        assert_eq!(of(6, 6, 1), TickLayout::C);
        assert_eq!(of(6, 7, 13), TickLayout::C);
        assert_eq!(of(7, 0, 0), TickLayout::C);
    }

    #[test]
    fn layout_a_keeps_the_instrument_id_at_offset_9() {
        let tick = RawTick {
            instrument_id: Text::new(b"rb2001").unwrap(),
            exchange_inst_id: Text::new(b"RB").unwrap(),
            ..RawTick::unset()
        };
        let field = TickLayout::A.write(&tick).unwrap();
        assert_eq!(&field.reserve1[..7], b"rb2001\0");
        assert_eq!(&field.reserve2[..3], b"RB\0");
        assert_eq!(field.InstrumentID, [0; 81]);
    }

    #[test]
    fn an_id_that_layout_a_cannot_carry_is_refused_and_not_cut() {
        let tick = RawTick {
            instrument_id: Text::new(b"SPC a2409-C-4000&a2411-C-4000-long").unwrap(),
            ..RawTick::unset()
        };
        assert!(TickLayout::A.write(&tick).is_err());
        assert!(TickLayout::B.write(&tick).is_ok());
    }

    #[test]
    fn a_layout_without_price_bands_reads_them_as_no_value() {
        let tick = RawTick {
            banding_upper_price: 1.0,
            banding_lower_price: 2.0,
            ..RawTick::unset()
        };
        for layout in [TickLayout::A, TickLayout::B] {
            let read = through(layout, &tick);
            assert_eq!(read.banding_upper_price.to_bits(), f64::MAX.to_bits());
            assert_eq!(read.banding_lower_price.to_bits(), f64::MAX.to_bits());
        }
        assert_eq!(through(TickLayout::C, &tick), tick);
    }

    proptest! {
        #[test]
        fn prop_any_struct_of_layout_c_is_read_and_written_back(
            bytes in proptest::collection::vec(any::<u8>(), 584)
        ) {
            // SAFETY: 584 bytes, the size of layout C.
            let tick = unsafe { TickLayout::C.read(bytes.as_ptr().cast()) };
            prop_assert_eq!(through(TickLayout::C, &tick), tick);
        }

        #[test]
        fn prop_what_an_old_layout_carries_comes_back(
            bytes in proptest::collection::vec(any::<u8>(), 568)
        ) {
            for layout in [TickLayout::A, TickLayout::B] {
                // SAFETY: 568 bytes, the size of layout B and more than that of A.
                let tick = unsafe { layout.read(bytes.as_ptr().cast()) };
                prop_assert_eq!(through(layout, &tick), tick);
            }
        }
    }
}
