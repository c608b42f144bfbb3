//! `CThostFtdcInstrumentField`: one contract, as the trader front lists it.
//!
//! 6.5.1 moved the ids to the end, to make them longer; the numbers stayed where they were.

use std::ffi::c_void;

use super::bytes::{StructBuf, StructView};
use super::response::has_long_ids;
use super::version::ApiVersion;
use crate::gb18030;
use crate::text::{Text, TextTooLong};

/// One contract, the fields that a contract table needs.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Instrument {
    /// Instrument id, for example `rb2601`.
    pub instrument_id: Text<81>,
    /// Exchange, for example `SHFE`.
    pub exchange_id: Text<9>,
    /// Product, for example `rb`, `cu_o` for SHFE options.
    pub product_id: Text<81>,
    /// The instrument that an option is on.
    pub underlying_instr_id: Text<81>,
    /// Name in GB18030 bytes, cut to 20 of them by the vendor; see [`name`](Self::name).
    pub instrument_name: Text<21>,
    /// `1` future, `2` option, `3` combination, `4` spot, `6` option on an index, `7` TAS.
    pub product_class: u8,
    /// Year of delivery.
    pub delivery_year: i32,
    /// Month of delivery, 1 to 12.
    pub delivery_month: i32,
    /// CNY per point of price and lot.
    pub volume_multiple: i32,
    /// Smallest price step, price units.
    pub price_tick: f64,
    /// First day of trading, `YYYYMMDD`.
    pub open_date: Text<9>,
    /// Last day of trading, `YYYYMMDD`.
    pub expire_date: Text<9>,
    /// Strike price of an option, price units.
    pub strike_price: f64,
    /// `1` call, `2` put, 0 for what is not an option.
    pub options_type: u8,
    /// 1 while it is traded.
    pub is_trading: i32,
}

const RESERVED_INSTRUMENT_ID: usize = 0;
const EXCHANGE_ID: usize = 31;
const INSTRUMENT_NAME: usize = 40;
const RESERVED_PRODUCT_ID: usize = 92;
const PRODUCT_CLASS: usize = 123;
const DELIVERY_YEAR: usize = 124;
const DELIVERY_MONTH: usize = 128;
const VOLUME_MULTIPLE: usize = 148;
const PRICE_TICK: usize = 152;
const OPEN_DATE: usize = 169;
const EXPIRE_DATE: usize = 178;
const IS_TRADING: usize = 208;
const RESERVED_UNDERLYING: usize = 233;
const STRIKE_PRICE: usize = 264;
const OPTIONS_TYPE: usize = 272;
const INSTRUMENT_ID: usize = 289;
const PRODUCT_ID: usize = 451;
const UNDERLYING: usize = 532;
/// End of the last field before 6.5.1 and since.
const READABLE: [usize; 2] = [289, 613];

impl Instrument {
    /// Copies the struct; `None` for a null pointer, which ends an empty answer.
    ///
    /// # Safety
    /// A pointer that is not null points to a `CThostFtdcInstrumentField` of this version that
    /// no thread writes meanwhile.
    #[must_use]
    pub unsafe fn read(struct_ptr: *const c_void, version: &ApiVersion) -> Option<Self> {
        let long = has_long_ids(version);
        // SAFETY: the caller guarantees the pointer and its version, the version for the length.
        let view = unsafe { StructView::at(struct_ptr, READABLE[usize::from(long)]) }?;
        let id = |short: usize, at: usize| {
            if long {
                return view.text::<81>(at);
            }
            let mut wide = [0; 81];
            wide[..31].copy_from_slice(view.text::<31>(short).as_array());
            Text::from_array(wide)
        };
        Some(Self {
            instrument_id: id(RESERVED_INSTRUMENT_ID, INSTRUMENT_ID),
            exchange_id: view.text(EXCHANGE_ID),
            product_id: id(RESERVED_PRODUCT_ID, PRODUCT_ID),
            underlying_instr_id: id(RESERVED_UNDERLYING, UNDERLYING),
            instrument_name: view.text(INSTRUMENT_NAME),
            product_class: view.char(PRODUCT_CLASS),
            delivery_year: view.i32(DELIVERY_YEAR),
            delivery_month: view.i32(DELIVERY_MONTH),
            volume_multiple: view.i32(VOLUME_MULTIPLE),
            price_tick: view.f64(PRICE_TICK),
            open_date: view.text(OPEN_DATE),
            expire_date: view.text(EXPIRE_DATE),
            strike_price: view.f64(STRIKE_PRICE),
            options_type: view.char(OPTIONS_TYPE),
            is_trading: view.i32(IS_TRADING),
        })
    }

    /// The struct of a version.
    ///
    /// # Errors
    /// [`TextTooLong`] when an id does not fit a version before 6.5.1.
    pub fn write(&self, version: &ApiVersion) -> Result<StructBuf, TextTooLong> {
        let mut buffer = StructBuf::zeroed();
        let ids = [
            (&self.instrument_id, RESERVED_INSTRUMENT_ID, INSTRUMENT_ID),
            (&self.product_id, RESERVED_PRODUCT_ID, PRODUCT_ID),
            (&self.underlying_instr_id, RESERVED_UNDERLYING, UNDERLYING),
        ];
        for (id, short, long) in ids {
            if has_long_ids(version) {
                buffer.set_text(long, id);
            } else {
                buffer.set_text(short, &Text::<31>::new(id.as_bytes())?);
            }
        }
        buffer.set_text(EXCHANGE_ID, &self.exchange_id);
        buffer.set_text(INSTRUMENT_NAME, &self.instrument_name);
        buffer.set_char(PRODUCT_CLASS, self.product_class);
        buffer.set_i32(DELIVERY_YEAR, self.delivery_year);
        buffer.set_i32(DELIVERY_MONTH, self.delivery_month);
        buffer.set_i32(VOLUME_MULTIPLE, self.volume_multiple);
        buffer.set_f64(PRICE_TICK, self.price_tick);
        buffer.set_text(OPEN_DATE, &self.open_date);
        buffer.set_text(EXPIRE_DATE, &self.expire_date);
        buffer.set_f64(STRIKE_PRICE, self.strike_price);
        buffer.set_char(OPTIONS_TYPE, self.options_type);
        buffer.set_i32(IS_TRADING, self.is_trading);
        Ok(buffer)
    }

    /// The name, decoded.
    #[must_use]
    pub fn name(&self) -> String {
        gb18030::decode(self.instrument_name.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contract_comes_back_from_the_struct_of_every_version() {
        let contract = Instrument {
            instrument_id: Text::new(b"rb2601C3000").unwrap(),
            exchange_id: Text::new(b"SHFE").unwrap(),
            product_id: Text::new(b"rb_o").unwrap(),
            underlying_instr_id: Text::new(b"rb2601").unwrap(),
            instrument_name: gb18030::encode("螺纹钢2601购3000"),
            product_class: b'2',
            delivery_year: 2026,
            delivery_month: 1,
            volume_multiple: 10,
            price_tick: 0.5,
            open_date: Text::new(b"20250117").unwrap(),
            expire_date: Text::new(b"20251225").unwrap(),
            strike_price: 3000.0,
            options_type: b'1',
            is_trading: 1,
        };
        for (major, minor, patch) in ApiVersion::LISTED {
            let version = ApiVersion::new(major, minor, patch);
            let buffer = contract.write(&version).unwrap();
            // SAFETY: the buffer holds such a struct of this version.
            let read = unsafe { Instrument::read(buffer.as_ptr(), &version) };
            assert_eq!(read, Some(contract));
        }
        assert_eq!(contract.name(), "螺纹钢2601购3000");
    }
}
