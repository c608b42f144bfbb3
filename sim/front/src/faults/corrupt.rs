//! Changes the value of a tick field, by the vendor's field name.

use tickdeck_core::event::{RawTick, Text};

/// Reads a number; `nan`, `inf`, `-inf` and `max` are numbers too.
fn number(value: &str) -> Option<f64> {
    match value {
        "max" => Some(f64::MAX),
        _ => value.parse().ok(),
    }
}

macro_rules! put {
    (text, $tick:ident, $name:ident, $value:ident) => {
        match Text::new($value.as_bytes()) {
            Ok(text) => {
                $tick.$name = text;
                Ok(())
            }
            Err(error) => Err(error.to_string()),
        }
    };
    (f64, $tick:ident, $name:ident, $value:ident) => {
        match number($value) {
            Some(number) => {
                $tick.$name = number;
                Ok(())
            }
            None => Err(format!("`{}` is not a number", $value)),
        }
    };
    (i32, $tick:ident, $name:ident, $value:ident) => {
        match $value.parse() {
            Ok(number) => {
                $tick.$name = number;
                Ok(())
            }
            Err(_) => Err(format!("`{}` is not a whole number", $value)),
        }
    };
}

macro_rules! define_set {
    (() $($(#[$doc:meta])* $kind:ident $name:ident $vendor:ident $size:literal @ $offset:literal;)*) => {
        /// Sets the field; an error describes the bad field or value.
        pub(super) fn set(tick: &mut RawTick, field: &str, value: &str) -> Result<(), String> {
            $(
                if field == stringify!($vendor) {
                    return put!($kind, tick, $name, value);
                }
            )*
            Err(format!("there is no field `{field}`: expected a field of CThostFtdcDepthMarketDataField, for example LastPrice"))
        }
    };
}

tickdeck_ffi::for_each_tick_field!(define_set);

/// Checks the arguments of [`set`].
pub(super) fn check(field: &str, value: &str) -> Result<(), String> {
    set(&mut RawTick::default(), field, value)
}
