//! Slots of `CThostFtdcMdApi`, the object that a client calls (field guide 3.1).

/// A virtual function of `CThostFtdcMdApi`, in the order of its table. The first fourteen have the
/// same slot in every version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(usize)]
#[expect(missing_docs, reason = "the vendor's names")]
pub enum MdMethod {
    Release,
    Init,
    Join,
    GetTradingDay,
    RegisterFront,
    RegisterNameServer,
    RegisterFensUserInfo,
    RegisterSpi,
    SubscribeMarketData,
    UnSubscribeMarketData,
    SubscribeForQuoteRsp,
    UnSubscribeForQuoteRsp,
    ReqUserLogin,
    ReqUserLogout,
    /// Not in 6.3.15, whose table ends before it.
    ReqQryMulticastInstrument,
}

impl MdMethod {
    /// Position in the table of virtual functions.
    #[must_use]
    pub const fn slot(self) -> usize {
        self as usize
    }

    /// Mangled name of the vendor's implementation, which the libraries export.
    #[must_use]
    pub const fn implementation(self) -> &'static str {
        match self {
            Self::Release => "_ZN14CFtdcMdApiImpl7ReleaseEv",
            Self::Init => "_ZN14CFtdcMdApiImpl4InitEv",
            Self::Join => "_ZN14CFtdcMdApiImpl4JoinEv",
            Self::GetTradingDay => "_ZN14CFtdcMdApiImpl13GetTradingDayEv",
            Self::RegisterFront => "_ZN14CFtdcMdApiImpl13RegisterFrontEPc",
            Self::RegisterNameServer => "_ZN14CFtdcMdApiImpl18RegisterNameServerEPc",
            Self::RegisterFensUserInfo => {
                "_ZN14CFtdcMdApiImpl20RegisterFensUserInfoEP27CThostFtdcFensUserInfoField"
            }
            Self::RegisterSpi => "_ZN14CFtdcMdApiImpl11RegisterSpiEP15CThostFtdcMdSpi",
            Self::SubscribeMarketData => "_ZN14CFtdcMdApiImpl19SubscribeMarketDataEPPci",
            Self::UnSubscribeMarketData => "_ZN14CFtdcMdApiImpl21UnSubscribeMarketDataEPPci",
            Self::SubscribeForQuoteRsp => "_ZN14CFtdcMdApiImpl20SubscribeForQuoteRspEPPci",
            Self::UnSubscribeForQuoteRsp => "_ZN14CFtdcMdApiImpl22UnSubscribeForQuoteRspEPPci",
            Self::ReqUserLogin => {
                "_ZN14CFtdcMdApiImpl12ReqUserLoginEP27CThostFtdcReqUserLoginFieldi"
            }
            Self::ReqUserLogout => {
                "_ZN14CFtdcMdApiImpl13ReqUserLogoutEP25CThostFtdcUserLogoutFieldi"
            }
            Self::ReqQryMulticastInstrument => super::symbol::MD_MULTICAST_QUERY,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slots_that_a_client_calls_are_the_vendors() {
        assert_eq!(MdMethod::Release.slot(), 0);
        assert_eq!(MdMethod::RegisterSpi.slot(), 7);
        assert_eq!(MdMethod::SubscribeMarketData.slot(), 8);
        assert_eq!(MdMethod::ReqUserLogin.slot(), 12);
        assert_eq!(MdMethod::ReqQryMulticastInstrument.slot(), 14);
    }
}
