//! The trader API's tables by version: which method sits in which slot, which callback is called
//! through which slot, how large a request struct is.
//!
//! All of it was measured on the vendor's libraries of all versions. API slots come from the
//! relocations of the table of `CFtdcTraderApiImpl`, callback slots from the displacement that each
//! `CFtdcTraderApiImpl::On…` forwarder jumps through, sizes from the offsets of [`crate::fields`].
//! The callbacks of each version fill their table without a gap.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use crate::version::Emulated;

/// Number of versions, which are the columns of the tables.
const VERSIONS: usize = 15;

/// How a session answers a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MethodKind {
    /// `ReqAuthenticate`.
    Authenticate,
    /// `ReqUserLogin` and its variants.
    Login,
    /// `ReqUserLogout`.
    Logout,
    /// `ReqSettlementInfoConfirm`.
    ConfirmSettlement,
    /// A request for data, which flow control limits.
    Query,
    /// What would trade, and what is not a request.
    Other,
}

impl MethodKind {
    /// The kind that the vendor's name says.
    fn of(name: &str) -> Self {
        match name {
            "ReqAuthenticate" => Self::Authenticate,
            "ReqUserLogout" => Self::Logout,
            "ReqSettlementInfoConfirm" => Self::ConfirmSettlement,
            _ if name.starts_with("ReqUserLogin") => Self::Login,
            _ if name.starts_with("ReqQry") => Self::Query,
            _ => Self::Other,
        }
    }
}

/// One request or other method of the API.
#[derive(Debug)]
pub struct Method {
    /// The vendor's name, for example `ReqUserLogin`.
    pub name: &'static str,
    /// How a session answers it.
    pub kind: MethodKind,
    slots: [Option<usize>; VERSIONS],
    /// What a request carries; `None` for methods that are not requests.
    pub request: Option<Request>,
}

/// What a request carries.
#[derive(Debug)]
pub struct Request {
    /// `ReqUserLogin` for `CThostFtdcReqUserLoginField`.
    pub struct_name: &'static str,
    /// Whether its answer is the same struct.
    pub is_echo: bool,
    sizes: [Option<usize>; VERSIONS],
}

/// The tables.
#[derive(Debug)]
pub struct Tables {
    /// Every method of any version. The position is the method's number, see [`Tables::method`].
    pub methods: Vec<Method>,
    callbacks: BTreeMap<&'static str, [Option<usize>; VERSIONS]>,
}

/// The tables, read once.
pub fn tables() -> &'static Tables {
    static TABLES: OnceLock<Tables> = OnceLock::new();
    TABLES.get_or_init(|| {
        let mut requests: BTreeMap<&str, Request> =
            rows(include_str!("../../data/trader-requests.csv"))
                .map(|(name, cells)| {
                    let request = Request {
                        struct_name: cells.first().copied().unwrap_or_default(),
                        is_echo: cells.get(1) == Some(&"echo"),
                        sizes: numbers(cells.get(2..).unwrap_or_default()),
                    };
                    (name, request)
                })
                .collect();
        let methods = rows(include_str!("../../data/trader-api-slots.csv"))
            .map(|(name, cells)| Method {
                name,
                kind: MethodKind::of(name),
                slots: numbers(&cells),
                request: requests.remove(name),
            })
            .collect();
        let callbacks = rows(include_str!("../../data/trader-spi-slots.csv"))
            .map(|(name, cells)| (name, numbers(&cells)))
            .collect();
        Tables { methods, callbacks }
    })
}

fn rows(text: &'static str) -> impl Iterator<Item = (&'static str, Vec<&'static str>)> {
    text.lines().skip(1).filter_map(|line| {
        let mut cells = line.split(',');
        Some((cells.next()?, cells.collect()))
    })
}

fn numbers(cells: &[&str]) -> [Option<usize>; VERSIONS] {
    std::array::from_fn(|column| cells.get(column)?.parse().ok())
}

impl Tables {
    /// The method of a number.
    #[must_use]
    pub fn method(&self, number: usize) -> Option<&Method> {
        self.methods.get(number)
    }

    /// The numbers of the methods in the slots of a version's API object, slot 0 first.
    #[must_use]
    pub fn api(&self, version: &Emulated) -> Vec<usize> {
        let mut by_slot: Vec<(usize, usize)> = self
            .methods
            .iter()
            .enumerate()
            .filter_map(|(number, method)| Some((method.slots[version.column]?, number)))
            .collect();
        by_slot.sort_unstable();
        by_slot.into_iter().map(|(_, number)| number).collect()
    }

    /// The callbacks of a version and their slots.
    pub fn callbacks(&self, version: &Emulated) -> impl Iterator<Item = (&'static str, usize)> {
        let column = version.column;
        let slots = self.callbacks.iter();
        slots.filter_map(move |(name, slots)| slots[column].map(|slot| (*name, slot)))
    }

    /// The slot of a callback in a version; `None` when it has no such callback.
    #[must_use]
    pub fn callback_slot(&self, name: &str, version: &Emulated) -> Option<usize> {
        self.callbacks.get(name)?[version.column]
    }
}

impl Method {
    /// Name of the callback that answers, which not every version has.
    #[must_use]
    pub fn answer_name(&self) -> String {
        match self.kind {
            MethodKind::Login => "OnRspUserLogin".into(),
            _ => self.name.replacen("Req", "OnRsp", 1),
        }
    }

    /// Bytes of the request struct that may be read in a version; 0 when unknown.
    #[must_use]
    pub fn request_size(&self, version: &Emulated) -> usize {
        let request = self.request.as_ref();
        request
            .and_then(|request| request.sizes[version.column])
            .unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use tickdeck_ffi::abi::TraderTable;

    use super::*;
    use crate::version::ALL;

    #[test]
    fn every_slot_of_every_version_has_one_method_and_one_callback() {
        let api = [
            94, 94, 96, 98, 99, 107, 107, 111, 123, 125, 126, 127, 132, 133, 140,
        ];
        let spi = [
            125, 125, 127, 129, 130, 138, 138, 142, 154, 155, 156, 157, 163, 164, 178,
        ];
        for version in &ALL {
            let methods = tables().api(version);
            assert_eq!(methods.len(), api[version.column], "{}", version.name);
            let slots: Vec<usize> = methods
                .iter()
                .filter_map(|&number| tables().methods[number].slots[version.column])
                .collect();
            assert_eq!(slots, (0..methods.len()).collect::<Vec<_>>());
            let mut slots: Vec<usize> = tables()
                .callbacks
                .values()
                .filter_map(|slots| slots[version.column])
                .collect();
            slots.sort_unstable();
            assert_eq!(slots, (0..spi[version.column]).collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_tables_are_those_that_clients_use() {
        // Found independently, for the client side (`tickdeck_ffi::abi`).
        for version in &ALL {
            let table = TraderTable::of(&version.api_version()).unwrap();
            assert_eq!(tables().api(version).len(), table.api.count);
            let slot = |name| tables().callback_slot(name, version).unwrap();
            assert_eq!(slot("OnRspUserLogin"), table.spi.on_rsp_user_login);
            assert_eq!(slot("OnRspQryInstrument"), table.spi.on_rsp_qry_instrument);
            assert_eq!(slot("OnRspError"), table.spi.on_rsp_error);
        }
    }

    #[test]
    fn each_variant_of_the_login_is_a_login() {
        let of = |kind| {
            let methods = tables().methods.iter().filter(move |m| m.kind == kind);
            methods.map(|method| method.name).collect::<Vec<_>>()
        };
        let logins = [
            "ReqUserLogin",
            "ReqUserLoginWithCaptcha",
            "ReqUserLoginWithOTP",
            "ReqUserLoginWithText",
        ];
        let mut found = of(MethodKind::Login);
        found.sort_unstable();
        assert_eq!(found, logins);
        assert_eq!(of(MethodKind::Authenticate), ["ReqAuthenticate"]);
        assert_eq!(of(MethodKind::Logout), ["ReqUserLogout"]);
        let confirms = of(MethodKind::ConfirmSettlement);
        assert_eq!(confirms, ["ReqSettlementInfoConfirm"]);
    }

    #[test]
    fn every_request_has_an_answer_in_its_version() {
        for version in &ALL {
            for number in tables().api(version) {
                let method = &tables().methods[number];
                if !method.name.starts_with("Req") {
                    continue;
                }
                let name = method.answer_name();
                let slot = tables().callback_slot(&name, version);
                assert!(slot.is_some(), "{name} in {}", version.name);
                assert!(method.request_size(version) > 0, "{}", method.name);
            }
        }
    }
}
