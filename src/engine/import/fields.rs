//! The fields of the CTP struct as data, written from the one field list of `tickdeck_ffi`. A
//! column of a dump is therefore a name in a table and not code.

use tickdeck_ffi::{RawTick, TextTooLong};

use crate::import::number::{is_blank, parse_f64, parse_i32};
use crate::import::row::Row;
use crate::import::row_error::RowProblem;

/// How one field of a [`RawTick`] is set.
#[derive(Clone, Copy)]
pub(crate) enum Setter {
    /// Text; fails when it is longer than the field.
    Text(fn(&mut RawTick, &[u8]) -> Result<(), TextTooLong>),
    /// A double.
    F64(fn(&mut RawTick) -> &mut f64),
    /// A 32-bit integer.
    I32(fn(&mut RawTick) -> &mut i32),
}

/// A field of the struct.
#[derive(Clone, Copy)]
pub(crate) struct Field {
    /// The vendor's name.
    pub(crate) name: &'static str,
    pub(crate) setter: Setter,
}

macro_rules! setter {
    (text $name:ident) => {
        Setter::Text(|tick, bytes| {
            tick.$name = tickdeck_ffi::Text::new(bytes)?;
            Ok(())
        })
    };
    (f64 $name:ident) => {
        Setter::F64(|tick| &mut tick.$name)
    };
    (i32 $name:ident) => {
        Setter::I32(|tick| &mut tick.$name)
    };
}

macro_rules! define_fields {
    (() $($(#[$doc:meta])* $kind:ident $name:ident $vendor:ident $size:literal @ $offset:literal;)*) => {
        /// Every field, in struct order.
        pub(crate) static FIELDS: &[Field] = &[
            $(Field { name: stringify!($vendor), setter: setter!($kind $name) }),*
        ];
    };
}

tickdeck_ffi::for_each_tick_field!(define_fields);

/// The field of that vendor name.
pub(crate) fn field(name: &str) -> Option<&'static Field> {
    FIELDS.iter().find(|field| field.name == name)
}

impl Field {
    /// Sets the field from its text; `column` is the name in a message. A number that is blank stays
    /// as it is: not recorded.
    pub(crate) fn set(&self, row: &mut Row, column: &str, text: &[u8]) -> Result<(), RowProblem> {
        if is_blank(text) && !matches!(self.setter, Setter::Text(_)) {
            self.set_blank(row);
            return Ok(());
        }
        let tick = &mut row.tick;
        match self.setter {
            Setter::Text(set) => set(tick, text).map_err(|error| {
                // A CTP field keeps one byte for the NUL, but a full array is legal too.
                let expected = format!("at most {} bytes of text", error.capacity);
                RowProblem::value(column, text, expected)
            }),
            Setter::F64(slot) => {
                *slot(tick) =
                    parse_f64(text).ok_or_else(|| RowProblem::value(column, text, "a number"))?;
                Ok(())
            }
            Setter::I32(slot) => {
                match parse_i32(text) {
                    Some(value) => *slot(tick) = value,
                    // pandas makes a column of counts with gaps a column of floats.
                    None if parse_f64(text).is_some_and(is_no_value) => self.set_blank(row),
                    None => return Err(RowProblem::value(column, text, "a whole 32-bit number")),
                }
                Ok(())
            }
        }
    }

    /// Leaves the field as it is.
    pub(crate) fn set_blank(&self, row: &mut Row) {
        row.is_volume_blank |= self.name == "Volume";
    }
}

/// NaN, or CTP's "no value".
fn is_no_value(value: f64) -> bool {
    value.is_nan() || value == f64::MAX
}

/// Turns `0` into `DBL_MAX` in every price: for recorders that replaced CTP's missing price by 0.
pub(crate) fn restore_missing_prices(tick: &mut RawTick) {
    let prices = [
        &mut tick.last_price,
        &mut tick.pre_settlement_price,
        &mut tick.pre_close_price,
        &mut tick.open_price,
        &mut tick.highest_price,
        &mut tick.lowest_price,
        &mut tick.close_price,
        &mut tick.settlement_price,
        &mut tick.upper_limit_price,
        &mut tick.lower_limit_price,
        &mut tick.bid_price1,
        &mut tick.ask_price1,
        &mut tick.bid_price2,
        &mut tick.ask_price2,
        &mut tick.bid_price3,
        &mut tick.ask_price3,
        &mut tick.bid_price4,
        &mut tick.ask_price4,
        &mut tick.bid_price5,
        &mut tick.ask_price5,
    ];
    for price in prices {
        if *price == 0.0 {
            *price = f64::MAX;
        }
    }
}
