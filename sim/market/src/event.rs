//! What the market sends.

use tickdeck_ffi::RawTick;

/// What a CTP session delivers.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every event is a tick; a box would cost an allocation for each"
)]
pub enum MarketEvent {
    /// `OnRtnDepthMarketData`.
    Tick(RawTick),
    /// `OnFrontConnected`.
    FrontConnected,
    /// `OnRspUserLogin` without an error.
    LoginOk {
        /// TradingDay of the response, `YYYYMMDD`.
        trading_day: String,
    },
    /// `OnRspSubMarketData` for one instrument.
    Subscribed {
        /// The instrument id.
        instrument: String,
    },
    /// `OnFrontDisconnected`.
    FrontDisconnected {
        /// CTP's reason code (field guide 1.6), for example 0x1001.
        reason: i32,
    },
}
