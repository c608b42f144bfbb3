//! Mangled names that a library exports, and what their presence says.

/// `CThostFtdcMdApi::CreateFtdcMdApi(const char*, bool, bool, bool)`: API 6.7.11 and later. The
/// last argument is `bIsProductionMode`.
pub const MD_CREATE_WITH_MODE: &str = "_ZN15CThostFtdcMdApi15CreateFtdcMdApiEPKcbbb";

/// `CThostFtdcMdApi::CreateFtdcMdApi(const char*, bool, bool)`: API up to 6.7.10.
pub const MD_CREATE: &str = "_ZN15CThostFtdcMdApi15CreateFtdcMdApiEPKcbb";

/// `CThostFtdcMdApi::GetApiVersion()`, every version.
pub const MD_VERSION: &str = "_ZN15CThostFtdcMdApi13GetApiVersionEv";

/// Exported exactly by the libraries whose SPI has 13 slots (field guide 3.2).
pub const MD_MULTICAST_QUERY: &str =
    "_ZN14CFtdcMdApiImpl25ReqQryMulticastInstrumentEP37CThostFtdcQryMulticastInstrumentFieldi";

/// `CThostFtdcTraderApi::CreateFtdcTraderApi(const char*, bool)`: API 6.7.11 and later.
pub const TD_CREATE_WITH_MODE: &str = "_ZN19CThostFtdcTraderApi19CreateFtdcTraderApiEPKcb";

/// `CThostFtdcTraderApi::CreateFtdcTraderApi(const char*)`: API up to 6.7.10.
pub const TD_CREATE: &str = "_ZN19CThostFtdcTraderApi19CreateFtdcTraderApiEPKc";

/// `CThostFtdcTraderApi::GetApiVersion()`, every version.
pub const TD_VERSION: &str = "_ZN19CThostFtdcTraderApi13GetApiVersionEv";

/// Exported by the simulated front alone. One file of it emulates every version, so what it
/// exports does not determine the version. With this mark the version string alone decides.
pub const SIMULATED_FRONT: &str = "tickdeck_sim_api_version";

/// File name of the market data library as the vendor ships it.
pub const MD_FILE: &str = "thostmduserapi_se.so";

/// File name of the trader library as the vendor ships it.
pub const TD_FILE: &str = "thosttraderapi_se.so";
