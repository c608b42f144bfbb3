//! The callbacks of a trader session.

use crate::errors::RspInfo;
use crate::fields::CStruct;

/// One callback.
#[derive(Debug, Clone)]
pub enum TdEvent {
    /// `OnFrontConnected`.
    FrontConnected,
    /// `OnFrontDisconnected`.
    FrontDisconnected {
        /// CTP's `nReason`.
        reason: i32,
    },
    /// `OnHeartBeatWarning`.
    HeartBeatWarning {
        /// How long nothing came, s.
        lapse_s: i32,
    },
    /// An answer.
    Answer {
        /// The vendor's name of the callback.
        callback: String,
        /// The struct; `None` is a null pointer, as a query that found nothing has it.
        answer: Option<CStruct>,
        /// Success or why not; `None` is a null pointer, as successful queries have it.
        info: Option<RspInfo>,
        /// The request's number.
        request_id: i32,
        /// Whether it is the last one for its request.
        is_last: bool,
    },
}
