//! Slots of `CThostFtdcMdSpi`, the object that the library calls (field guide 3.2).
//!
//! The table changed once: 6.3.19 put `OnRspQryMulticastInstrument` into slot 5. A client that
//! passes the wrong table receives its ticks in the wrong function.

use super::version::ApiVersion;

/// A virtual function of `CThostFtdcMdSpi`, in the order of the newer table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(usize)]
#[expect(missing_docs, reason = "the vendor's names")]
pub enum MdCallback {
    OnFrontConnected,
    OnFrontDisconnected,
    OnHeartBeatWarning,
    OnRspUserLogin,
    OnRspUserLogout,
    /// Only in the table of thirteen.
    OnRspQryMulticastInstrument,
    OnRspError,
    OnRspSubMarketData,
    OnRspUnSubMarketData,
    OnRspSubForQuoteRsp,
    OnRspUnSubForQuoteRsp,
    OnRtnDepthMarketData,
    OnRtnForQuoteRsp,
}

/// Which of the two tables a library calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpiTable {
    /// 6.3.15: twelve functions.
    Twelve,
    /// 6.3.19 and later: thirteen.
    Thirteen,
}

impl SpiTable {
    /// The table that belongs to a version.
    #[must_use]
    pub fn of(version: &ApiVersion) -> Self {
        if version.at_least(6, 3, 19) {
            Self::Thirteen
        } else {
            Self::Twelve
        }
    }

    /// How many functions the table has.
    #[must_use]
    pub const fn slots(self) -> usize {
        match self {
            Self::Twelve => 12,
            Self::Thirteen => 13,
        }
    }
}

impl MdCallback {
    /// Every callback, in the order of the newer table.
    pub const ALL: [Self; 13] = [
        Self::OnFrontConnected,
        Self::OnFrontDisconnected,
        Self::OnHeartBeatWarning,
        Self::OnRspUserLogin,
        Self::OnRspUserLogout,
        Self::OnRspQryMulticastInstrument,
        Self::OnRspError,
        Self::OnRspSubMarketData,
        Self::OnRspUnSubMarketData,
        Self::OnRspSubForQuoteRsp,
        Self::OnRspUnSubForQuoteRsp,
        Self::OnRtnDepthMarketData,
        Self::OnRtnForQuoteRsp,
    ];

    /// Position in the table of virtual functions; `None` when the table has no such function.
    #[must_use]
    pub const fn slot(self, table: SpiTable) -> Option<usize> {
        let position = self as usize;
        let inserted = Self::OnRspQryMulticastInstrument as usize;
        match table {
            SpiTable::Thirteen => Some(position),
            SpiTable::Twelve if position == inserted => None,
            SpiTable::Twelve if position > inserted => Some(position - 1),
            SpiTable::Twelve => Some(position),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slot_of_a_table_has_exactly_one_callback() {
        for table in [SpiTable::Twelve, SpiTable::Thirteen] {
            let slots: Vec<usize> = MdCallback::ALL
                .iter()
                .filter_map(|callback| callback.slot(table))
                .collect();
            assert_eq!(slots, (0..table.slots()).collect::<Vec<_>>());
        }
    }

    #[test]
    fn ticks_moved_by_one_slot_with_6_3_19() {
        let tick_slot =
            |version: &ApiVersion| MdCallback::OnRtnDepthMarketData.slot(SpiTable::of(version));
        assert_eq!(tick_slot(&ApiVersion::new(6, 3, 15)), Some(10));
        assert_eq!(tick_slot(&ApiVersion::new(6, 3, 19)), Some(11));
        assert_eq!(tick_slot(&ApiVersion::new(6, 7, 13)), Some(11));
    }
}
