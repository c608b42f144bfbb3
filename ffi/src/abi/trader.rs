//! Slots of the trader API, which moved with almost every release.
//!
//! 6.7.2, 6.7.7, 6.7.11 and 6.7.13 are from the vendor's headers. All fifteen versions were read
//! out of the binaries as well. API slots come from the relocations of `_ZTV18CFtdcTraderApiImpl`,
//! SPI slots from the displacement that each `CFtdcTraderApiImpl::On…` forwarder jumps through.
//! Where both exist they agree. A version that is not in the list is refused: a slot that is off by
//! one calls a function that does something else.

use super::version::ApiVersion;

/// Positions of the functions of `CThostFtdcTraderApi` that log in and query.
///
/// Release, Init, Join and `GetTradingDay` are 0 to 3 in every version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the vendor's names")]
pub struct TraderApiSlots {
    pub release: usize,
    pub init: usize,
    pub join: usize,
    pub get_trading_day: usize,
    pub register_front: usize,
    pub register_spi: usize,
    pub subscribe_private_topic: usize,
    pub subscribe_public_topic: usize,
    /// Whether `SubscribePrivateTopic` takes a second number (since 6.7.13): the position in the
    /// stream to continue from, 0 for none.
    pub private_topic_has_position: bool,
    pub req_authenticate: usize,
    pub req_user_login: usize,
    pub req_settlement_info_confirm: usize,
    pub req_qry_instrument: usize,
    pub req_qry_settlement_info_confirm: usize,
    /// How many functions the table has.
    pub count: usize,
}

/// Positions of the functions of `CThostFtdcTraderSpi` that answer them.
///
/// `OnFrontConnected`, `OnFrontDisconnected`, `OnHeartBeatWarning` and `OnRspAuthenticate` are 0 to
/// 3 in every version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the vendor's names")]
pub struct TraderSpiSlots {
    pub on_front_connected: usize,
    pub on_front_disconnected: usize,
    pub on_heart_beat_warning: usize,
    pub on_rsp_authenticate: usize,
    pub on_rsp_user_login: usize,
    pub on_rsp_settlement_info_confirm: usize,
    pub on_rsp_qry_instrument: usize,
    pub on_rsp_qry_settlement_info_confirm: usize,
    pub on_rsp_error: usize,
    /// How many functions the table has.
    pub count: usize,
}

/// Both tables of one version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraderTable {
    /// The object that a client calls.
    pub api: TraderApiSlots,
    /// The object that the library calls.
    pub spi: TraderSpiSlots,
}

/// The trader slots of this version are not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the function table of the trader API {version} is unknown, and a guess would call the wrong \
     functions. Use a trader library of version {}, or give the contracts as a file",
    listed()
)]
pub struct UnknownTraderTable {
    /// What the library says it is.
    pub version: ApiVersion,
}

fn listed() -> String {
    ApiVersion::LISTED
        .map(|(major, minor, patch)| format!("{major}.{minor}.{patch}"))
        .join(", ")
}

impl TraderTable {
    /// The tables of a version.
    ///
    /// # Errors
    /// [`UnknownTraderTable`] for a version that is not in [`ApiVersion::LISTED`].
    pub fn of(version: &ApiVersion) -> Result<Self, UnknownTraderTable> {
        // Each row: the API's login, confirmation, instrument query, confirmation query and count;
        // the SPI's login, confirmation, instrument, confirmation query, error and count.
        let (api, spi) = match version.numbers() {
            (6, 3, 15 | 19) => ([13, 28, 50, 56, 94], [4, 16, 38, 44, 72, 125]),
            (6, 5, 1) => ([13, 28, 50, 56, 96], [4, 16, 38, 44, 72, 127]),
            (6, 6, 1) => ([13, 28, 50, 56, 98], [4, 16, 38, 44, 72, 129]),
            (6, 6, 7) => ([13, 28, 50, 57, 99], [4, 16, 38, 45, 73, 130]),
            (6, 6, 9) | (6, 7, 0) => ([13, 28, 50, 57, 107], [4, 16, 38, 45, 73, 138]),
            (6, 7, 1) => ([13, 28, 50, 57, 111], [4, 16, 38, 45, 73, 142]),
            (6, 7, 2) => ([13, 28, 50, 57, 123], [4, 16, 38, 45, 73, 154]),
            (6, 7, 7) => ([14, 29, 51, 58, 125], [4, 16, 38, 45, 73, 155]),
            (6, 7, 8) => ([14, 29, 51, 58, 126], [4, 16, 38, 45, 73, 156]),
            (6, 7, 9) => ([14, 29, 51, 58, 127], [4, 16, 38, 45, 73, 157]),
            (6, 7, 10) => ([16, 31, 53, 60, 132], [4, 16, 38, 45, 73, 163]),
            (6, 7, 11) => ([16, 31, 54, 61, 133], [4, 16, 39, 46, 74, 164]),
            (6, 7, 13) => ([16, 31, 54, 61, 140], [5, 17, 40, 47, 75, 178]),
            _ => {
                return Err(UnknownTraderTable {
                    version: version.clone(),
                });
            }
        };
        // 6.7.7 put GetFrontInfo into slot 4.
        let shift = usize::from(version.at_least(6, 7, 7));
        let [login, confirm, instrument, confirm_query, count] = api;
        let api = TraderApiSlots {
            release: 0,
            init: 1,
            join: 2,
            get_trading_day: 3,
            register_front: 4 + shift,
            register_spi: 7 + shift,
            subscribe_private_topic: 8 + shift,
            subscribe_public_topic: 9 + shift,
            private_topic_has_position: version.at_least(6, 7, 13),
            req_authenticate: 10 + shift,
            req_user_login: login,
            req_settlement_info_confirm: confirm,
            req_qry_instrument: instrument,
            req_qry_settlement_info_confirm: confirm_query,
            count,
        };
        let [login, confirm, instrument, confirm_query, error, count] = spi;
        let spi = TraderSpiSlots {
            on_front_connected: 0,
            on_front_disconnected: 1,
            on_heart_beat_warning: 2,
            on_rsp_authenticate: 3,
            on_rsp_user_login: login,
            on_rsp_settlement_info_confirm: confirm,
            on_rsp_qry_instrument: instrument,
            on_rsp_qry_settlement_info_confirm: confirm_query,
            on_rsp_error: error,
            count,
        };
        Ok(Self { api, spi })
    }
}

impl TraderApiSlots {
    /// Each slot that a client calls, with the mangled name of the vendor's implementation, which
    /// the libraries export.
    #[must_use]
    pub fn implementations(&self) -> [(usize, &'static str); 11] {
        [
            (self.release, "_ZN18CFtdcTraderApiImpl7ReleaseEv"),
            (self.init, "_ZN18CFtdcTraderApiImpl4InitEv"),
            (
                self.get_trading_day,
                "_ZN18CFtdcTraderApiImpl13GetTradingDayEv",
            ),
            (
                self.register_front,
                "_ZN18CFtdcTraderApiImpl13RegisterFrontEPc",
            ),
            (
                self.register_spi,
                "_ZN18CFtdcTraderApiImpl11RegisterSpiEP19CThostFtdcTraderSpi",
            ),
            (
                self.subscribe_private_topic,
                if self.private_topic_has_position {
                    "_ZN18CFtdcTraderApiImpl21SubscribePrivateTopicE20THOST_TE_RESUME_TYPEi"
                } else {
                    "_ZN18CFtdcTraderApiImpl21SubscribePrivateTopicE20THOST_TE_RESUME_TYPE"
                },
            ),
            (
                self.subscribe_public_topic,
                "_ZN18CFtdcTraderApiImpl20SubscribePublicTopicE20THOST_TE_RESUME_TYPE",
            ),
            (
                self.req_authenticate,
                "_ZN18CFtdcTraderApiImpl15ReqAuthenticateEP30CThostFtdcReqAuthenticateFieldi",
            ),
            (
                self.req_user_login,
                "_ZN18CFtdcTraderApiImpl12ReqUserLoginEP27CThostFtdcReqUserLoginFieldi",
            ),
            (
                self.req_settlement_info_confirm,
                "_ZN18CFtdcTraderApiImpl24ReqSettlementInfoConfirmEP36CThostFtdcSettlementInfoConfirmFieldi",
            ),
            (
                self.req_qry_instrument,
                "_ZN18CFtdcTraderApiImpl16ReqQryInstrumentEP28CThostFtdcQryInstrumentFieldi",
            ),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_version_has_its_tables_and_no_slot_twice() {
        for (major, minor, patch) in ApiVersion::LISTED {
            let table = TraderTable::of(&ApiVersion::new(major, minor, patch)).unwrap();
            let mut slots: Vec<usize> = table
                .api
                .implementations()
                .iter()
                .map(|(slot, _)| *slot)
                .collect();
            slots.sort_unstable();
            slots.dedup();
            assert_eq!(slots.len(), 11);
            assert!(slots.iter().all(|&slot| slot < table.api.count));
            assert!(table.spi.on_rsp_error < table.spi.count);
        }
    }

    #[test]
    fn the_slots_of_the_versions_with_headers_are_the_headers() {
        let of = |patch| TraderTable::of(&ApiVersion::new(6, 7, patch)).unwrap();
        let api = |patch| {
            let api = of(patch).api;
            [
                api.register_front,
                api.req_authenticate,
                api.req_user_login,
                api.req_qry_instrument,
            ]
        };
        assert_eq!(api(2), [4, 10, 13, 50]);
        assert_eq!(api(7), [5, 11, 14, 51]);
        assert_eq!(api(11), [5, 11, 16, 54]);
        assert_eq!(api(13), [5, 11, 16, 54]);
        let spi = |patch| {
            let spi = of(patch).spi;
            [
                spi.on_rsp_user_login,
                spi.on_rsp_qry_instrument,
                spi.on_rsp_error,
                spi.count,
            ]
        };
        assert_eq!(spi(2), [4, 38, 73, 154]);
        assert_eq!(spi(7), [4, 38, 73, 155]);
        assert_eq!(spi(11), [4, 39, 74, 164]);
        assert_eq!(spi(13), [5, 40, 75, 178]);
    }

    #[test]
    fn a_version_without_known_tables_is_refused_by_name() {
        for version in [ApiVersion::new(6, 7, 3), ApiVersion::new(6, 7, 14)] {
            let refused = TraderTable::of(&version).unwrap_err();
            let sentence = refused.to_string();
            assert!(
                sentence.contains(&version.text) && sentence.contains("6.7.13"),
                "{sentence}"
            );
        }
    }
}
