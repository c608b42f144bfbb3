//! The vendor's struct layouts, checked at compile time against guide section 4.
//!
//! Layout C (584 bytes, API 6.6.1 to 6.7.13) is the one that [`RawTick`] is made of. Layouts A and
//! B are prefixes of it as far as numbers go; the loader of the live source picks one by version.

// The names are the vendor's, so that a header and this file can be laid side by side.
#![expect(non_snake_case, reason = "the vendor's field names")]

use std::mem::{offset_of, size_of};

use crate::RawTick;
use crate::text::Text;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tick_survives_the_struct_bit_for_bit() {
        let tick = RawTick {
            instrument_id: Text::new(b"SPD RM601&RM605").unwrap(),
            last_price: -0.0,
            turnover: f64::from_bits(0x7ff8_0000_dead_beef),
            bid_volume5: i32::MIN,
            ..RawTick::unset()
        };
        let field = DepthMarketDataFieldC::from(&tick);
        assert_eq!(RawTick::from(&field), tick);
    }
}
