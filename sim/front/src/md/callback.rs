//! The callbacks of the market data front, as values.

use tickdeck_core::event::{InstrumentId, RawTick};

use crate::errors::RspInfo;
use crate::fields::CStruct;

/// Which of the four acknowledgements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubscriptionKind {
    /// `OnRspSubMarketData`.
    Subscribe,
    /// `OnRspUnSubMarketData`.
    Unsubscribe,
    /// `OnRspSubForQuoteRsp`.
    SubscribeForQuote,
    /// `OnRspUnSubForQuoteRsp`.
    UnsubscribeForQuote,
}

/// One callback.
#[derive(Debug, Clone)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every value is a tick; a box would cost an allocation for each"
)]
pub enum MdEvent {
    /// `OnFrontConnected`.
    FrontConnected,
    /// `OnFrontDisconnected`.
    FrontDisconnected {
        /// CTP's `nReason`.
        reason: i32,
    },
    /// `OnHeartBeatWarning`.
    HeartBeatWarning {
        /// Seconds, CTP's `nTimeLapse`.
        lapse_s: i32,
    },
    /// `OnRspUserLogin`.
    Login {
        /// `CThostFtdcRspUserLoginField`.
        answer: CStruct,
        /// Success or why not.
        info: RspInfo,
        /// The request's number.
        request_id: i32,
    },
    /// `OnRspUserLogout`.
    Logout {
        /// `CThostFtdcUserLogoutField`.
        answer: CStruct,
        /// The request's number.
        request_id: i32,
    },
    /// `OnRspError`.
    Error {
        /// The error.
        info: RspInfo,
        /// The request's number.
        request_id: i32,
    },
    /// `OnRspQryMulticastInstrument` with nothing found.
    NoMulticastInstrument {
        /// The request's number.
        request_id: i32,
    },
    /// One of the four acknowledgements of a subscription.
    Subscription {
        /// Which.
        kind: SubscriptionKind,
        /// The instrument.
        id: InstrumentId,
        /// Success or why not.
        info: RspInfo,
        /// Whether it is the last one of its request.
        is_last: bool,
    },
    /// `OnRtnDepthMarketData`.
    Tick(RawTick),
}
