//! [`RawTick`]: one `CThostFtdcDepthMarketDataField` as an owned value.

use crate::text::Text;

/// Calls `$callback!` with every field of the tick struct in layout C order, one line a field:
/// `#[doc] kind snake_case_name VendorName size @ offset;`, kind being `text`, `f64` or `i32`.
///
/// It is the single list of the fields: the struct, the Parquet schema, the CSV header and the
/// layout tests are all written from it. `$callback` may take additional leading tokens:
/// `for_each_tick_field!(callback, extra tokens)` calls `callback! { (extra tokens) fields… }`.
#[macro_export]
macro_rules! for_each_tick_field {
    ($callback:ident $(, $($extra:tt)*)?) => {
        $callback! {
            ($($($extra)*)?)
            #[doc = "Trading day `YYYYMMDD`; wrong for CZCE at night, may be empty (field guide 5.1)."]
            text trading_day TradingDay 9 @ 0;
            #[doc = "Unused in layout C; old fronts may send the instrument id here."]
            text reserve1 reserve1 31 @ 9;
            #[doc = "Exchange; empty on ordinary futures fronts (field guide 5.1)."]
            text exchange_id ExchangeID 9 @ 40;
            #[doc = "Unused in layout C; old fronts may send the exchange instrument id here."]
            text reserve2 reserve2 31 @ 49;
            #[doc = "Last traded price, price units."]
            f64 last_price LastPrice 8 @ 80;
            #[doc = "Settlement price of the previous trading day."]
            f64 pre_settlement_price PreSettlementPrice 8 @ 88;
            #[doc = "Close price of the previous trading day."]
            f64 pre_close_price PreClosePrice 8 @ 96;
            #[doc = "Open interest of the previous trading day, lots."]
            f64 pre_open_interest PreOpenInterest 8 @ 104;
            #[doc = "First price of the trading day."]
            f64 open_price OpenPrice 8 @ 112;
            #[doc = "Highest price of the trading day."]
            f64 highest_price HighestPrice 8 @ 120;
            #[doc = "Lowest price of the trading day."]
            f64 lowest_price LowestPrice 8 @ 128;
            #[doc = "Cumulative volume of the trading day, lots."]
            i32 volume Volume 4 @ 136;
            #[doc = "Cumulative turnover, CNY; CZCE leaves out the multiplier (field guide 5.1)."]
            f64 turnover Turnover 8 @ 144;
            #[doc = "Open interest, lots."]
            f64 open_interest OpenInterest 8 @ 152;
            #[doc = "Close price; missing until the close."]
            f64 close_price ClosePrice 8 @ 160;
            #[doc = "Settlement price; missing until settlement."]
            f64 settlement_price SettlementPrice 8 @ 168;
            #[doc = "Daily upper price limit."]
            f64 upper_limit_price UpperLimitPrice 8 @ 176;
            #[doc = "Daily lower price limit."]
            f64 lower_limit_price LowerLimitPrice 8 @ 184;
            #[doc = "Delta of the previous trading day (options)."]
            f64 pre_delta PreDelta 8 @ 192;
            #[doc = "Current delta (options)."]
            f64 curr_delta CurrDelta 8 @ 200;
            #[doc = "Exchange time `HH:MM:SS`, UTC+8."]
            text update_time UpdateTime 9 @ 208;
            #[doc = "Milliseconds of the exchange time; always 0 on CZCE."]
            i32 update_millisec UpdateMillisec 4 @ 220;
            #[doc = "Bid price, level 1."]
            f64 bid_price1 BidPrice1 8 @ 224;
            #[doc = "Bid size, level 1, lots."]
            i32 bid_volume1 BidVolume1 4 @ 232;
            #[doc = "Ask price, level 1."]
            f64 ask_price1 AskPrice1 8 @ 240;
            #[doc = "Ask size, level 1, lots."]
            i32 ask_volume1 AskVolume1 4 @ 248;
            #[doc = "Bid price, level 2."]
            f64 bid_price2 BidPrice2 8 @ 256;
            #[doc = "Bid size, level 2, lots."]
            i32 bid_volume2 BidVolume2 4 @ 264;
            #[doc = "Ask price, level 2."]
            f64 ask_price2 AskPrice2 8 @ 272;
            #[doc = "Ask size, level 2, lots."]
            i32 ask_volume2 AskVolume2 4 @ 280;
            #[doc = "Bid price, level 3."]
            f64 bid_price3 BidPrice3 8 @ 288;
            #[doc = "Bid size, level 3, lots."]
            i32 bid_volume3 BidVolume3 4 @ 296;
            #[doc = "Ask price, level 3."]
            f64 ask_price3 AskPrice3 8 @ 304;
            #[doc = "Ask size, level 3, lots."]
            i32 ask_volume3 AskVolume3 4 @ 312;
            #[doc = "Bid price, level 4."]
            f64 bid_price4 BidPrice4 8 @ 320;
            #[doc = "Bid size, level 4, lots."]
            i32 bid_volume4 BidVolume4 4 @ 328;
            #[doc = "Ask price, level 4."]
            f64 ask_price4 AskPrice4 8 @ 336;
            #[doc = "Ask size, level 4, lots."]
            i32 ask_volume4 AskVolume4 4 @ 344;
            #[doc = "Bid price, level 5."]
            f64 bid_price5 BidPrice5 8 @ 352;
            #[doc = "Bid size, level 5, lots."]
            i32 bid_volume5 BidVolume5 4 @ 360;
            #[doc = "Ask price, level 5."]
            f64 ask_price5 AskPrice5 8 @ 368;
            #[doc = "Ask size, level 5, lots."]
            i32 ask_volume5 AskVolume5 4 @ 376;
            #[doc = "Average price; includes the multiplier except on CZCE (field guide 5.1)."]
            f64 average_price AveragePrice 8 @ 384;
            #[doc = "Calendar day `YYYYMMDD`; unreliable at night (field guide 5.1)."]
            text action_day ActionDay 9 @ 392;
            #[doc = "Instrument id, for example `rb2601`."]
            text instrument_id InstrumentID 81 @ 401;
            #[doc = "Instrument id on the exchange; usually empty."]
            text exchange_inst_id ExchangeInstID 81 @ 482;
            #[doc = "Upper price band."]
            f64 banding_upper_price BandingUpperPrice 8 @ 568;
            #[doc = "Lower price band."]
            f64 banding_lower_price BandingLowerPrice 8 @ 576;
        }
    };
}

macro_rules! field_type {
    (text $size:literal) => { Text<$size> };
    (f64 $size:literal) => { f64 };
    (i32 $size:literal) => { i32 };
}

macro_rules! field_eq {
    (f64, $a:expr, $b:expr) => {
        $a.to_bits() == $b.to_bits()
    };
    ($kind:ident, $a:expr, $b:expr) => {
        $a == $b
    };
}

macro_rules! define_raw_tick {
    (() $($(#[$doc:meta])* $kind:ident $name:ident $vendor:ident $size:literal @ $offset:literal;)*) => {
        /// Every field of `CThostFtdcDepthMarketDataField` (layout C), numbers bit for bit, text up
        /// to its first NUL.
        ///
        /// Equality is **bitwise** on the numbers: two NaN of the same bits are equal, `0.0` and
        /// `-0.0` are not. That is what "lossless" and "exact duplicate" mean here.
        #[derive(Debug, Clone, Copy, Default)]
        pub struct RawTick {
            $($(#[$doc])* pub $name: field_type!($kind $size),)*
        }

        impl PartialEq for RawTick {
            fn eq(&self, other: &Self) -> bool {
                $(field_eq!($kind, self.$name, other.$name))&&*
            }
        }

        impl Eq for RawTick {}

        impl RawTick {
            /// The vendor's field names in struct order.
            pub const FIELD_NAMES: &[&str] = &[$(stringify!($vendor)),*];
        }
    };
}

for_each_tick_field!(define_raw_tick);

impl RawTick {
    /// A tick whose prices are all `DBL_MAX`, CTP's "no value" outside CZCE (field guide 5.1),
    /// whose counts are 0 and whose texts are empty.
    #[must_use]
    pub fn unset() -> Self {
        const NONE: f64 = f64::MAX;
        Self {
            last_price: NONE,
            pre_settlement_price: NONE,
            pre_close_price: NONE,
            open_price: NONE,
            highest_price: NONE,
            lowest_price: NONE,
            close_price: NONE,
            settlement_price: NONE,
            upper_limit_price: NONE,
            lower_limit_price: NONE,
            pre_delta: NONE,
            curr_delta: NONE,
            bid_price1: NONE,
            ask_price1: NONE,
            bid_price2: NONE,
            ask_price2: NONE,
            bid_price3: NONE,
            ask_price3: NONE,
            bid_price4: NONE,
            ask_price4: NONE,
            bid_price5: NONE,
            ask_price5: NONE,
            banding_upper_price: NONE,
            banding_lower_price: NONE,
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equality_is_bitwise() {
        let nan = RawTick {
            last_price: f64::NAN,
            ..RawTick::default()
        };
        assert_eq!(nan, nan);
        let zero = RawTick::default();
        let negative_zero = RawTick {
            last_price: -0.0,
            ..RawTick::default()
        };
        assert_ne!(zero, negative_zero);
    }

    #[test]
    fn the_field_list_has_every_field_of_layout_c() {
        assert_eq!(RawTick::FIELD_NAMES.len(), 48);
        assert_eq!(RawTick::FIELD_NAMES[0], "TradingDay");
        assert_eq!(RawTick::FIELD_NAMES[47], "BandingLowerPrice");
    }
}
