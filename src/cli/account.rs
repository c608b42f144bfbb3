//! What the environment says about the CTP front: the credential set of the smoke test story, the
//! library, and the switches of `live`. Read here once, checked, masked.

use std::path::PathBuf;
use std::time::Duration;

use super::env::Environment;
use super::outcome::UsageError;
use crate::contract::{Exchange, parse_vt_symbols};
use crate::live::FrontAddress;
use crate::nats::Secret;

/// Names the CTP library.
pub(super) const GATEWAY: &str = "CTP_GATEWAY_CONNECT";
/// The market data front.
pub(super) const MD_ADDRESS: &str = "CTP_MD_ADDRESS";
/// The trader front.
pub(super) const TD_ADDRESS: &str = "CTP_TD_ADDRESS";
/// What every login needs.
const REQUIRED: [&str; 5] = [
    GATEWAY,
    MD_ADDRESS,
    "CTP_BROKER_ID",
    "CTP_USER_ID",
    "CTP_PASSWORD",
];

/// Who logs in where, with what library.
#[derive(Debug, Clone)]
pub(super) struct Account {
    pub(super) library: PathBuf,
    pub(super) md_fronts: Vec<FrontAddress>,
    pub(super) td_fronts: Vec<FrontAddress>,
    pub(super) broker_id: Secret,
    pub(super) user_id: Secret,
    pub(super) password: Secret,
    pub(super) app_id: Secret,
    pub(super) auth_code: Secret,
}

/// Variables that are missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Missing(pub(super) Vec<&'static str>);

impl Account {
    /// Which of the required variables are not set.
    pub(super) fn missing(environment: &Environment) -> Missing {
        let is_missing = |name: &&str| environment.get(name).is_none();
        Missing(REQUIRED.into_iter().filter(is_missing).collect())
    }

    /// Reads what is there; missing text is empty.
    pub(super) fn read(environment: &Environment) -> Result<Self, UsageError> {
        let text = |name: &str| environment.get(name).cloned().unwrap_or(Secret::new(""));
        Ok(Self {
            library: PathBuf::from(text(GATEWAY).expose()),
            md_fronts: fronts(environment, MD_ADDRESS)?,
            td_fronts: fronts(environment, TD_ADDRESS)?,
            broker_id: text("CTP_BROKER_ID"),
            user_id: text("CTP_USER_ID"),
            password: text("CTP_PASSWORD"),
            app_id: text("CTP_APP_ID"),
            auth_code: text("CTP_AUTH_CODE"),
        })
    }

    /// Everything that no output may contain.
    pub(super) fn secrets(&self) -> Vec<Secret> {
        let fronts = self.md_fronts.iter().chain(&self.td_fronts);
        let addresses = fronts.map(|front| Secret::new(front.expose()));
        let texts = [
            &self.broker_id,
            &self.user_id,
            &self.password,
            &self.app_id,
            &self.auth_code,
        ];
        texts.into_iter().cloned().chain(addresses).collect()
    }
}

fn fronts(environment: &Environment, name: &str) -> Result<Vec<FrontAddress>, UsageError> {
    let Some(text) = environment.get(name) else {
        return Ok(Vec::new());
    };
    FrontAddress::parse_list(text.expose())
        .map_err(|error| UsageError::caused_by(format!("{name} cannot be used"), error))
}

/// The instruments of `CTP_SYMBOL` (or `--ctp-symbol`), in order.
pub(super) fn first_symbols(list: Option<&str>) -> Result<Vec<(String, Exchange)>, UsageError> {
    match list.filter(|list| !list.trim().is_empty()) {
        None => Ok(Vec::new()),
        Some(list) => parse_vt_symbols(list).map_err(|error| {
            UsageError::caused_by("--ctp-symbol (CTP_SYMBOL) cannot be used", error)
        }),
    }
}

/// `MD_DURATION_SECONDS`: 0 or unset is no bound.
pub(super) fn duration(environment: &Environment) -> Result<Option<Duration>, UsageError> {
    let Some(text) = environment.get("MD_DURATION_SECONDS") else {
        return Ok(None);
    };
    let seconds = text.expose().trim().parse::<f64>().ok();
    let span = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    match span {
        Some(span) => Ok(Some(span).filter(|span| !span.is_zero())),
        None => Err(UsageError::new(
            "MD_DURATION_SECONDS is not a number of seconds; expected for example 3600, or 0 for \
             no bound",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Environment {
        let owned = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
        Environment::of(pairs.iter().map(owned))
    }

    #[test]
    fn what_is_missing_is_named() {
        let some = environment(&[("ctp_user_id", "u"), ("CTP_PASSWORD", "")]);
        assert_eq!(
            Account::missing(&some).0,
            [GATEWAY, MD_ADDRESS, "CTP_BROKER_ID", "CTP_PASSWORD"]
        );
    }

    #[test]
    fn an_account_shows_nothing_of_itself() {
        let account = Account::read(&environment(&[
            (GATEWAY, "/opt/ctp"),
            (MD_ADDRESS, "tcp://hunter2.example:1"),
            ("CTP_BROKER_ID", "hunter2b"),
            ("CTP_USER_ID", "hunter2u"),
            ("CTP_PASSWORD", "hunter2p"),
            ("CTP_APP_ID", "hunter2a"),
            ("CTP_AUTH_CODE", "hunter2c"),
        ]))
        .unwrap();
        assert!(!format!("{account:?}").contains("hunter2"));
        assert_eq!(account.secrets().len(), 6);
    }

    #[test]
    fn a_duration_is_seconds_and_zero_is_none() {
        let of = |text| duration(&environment(&[("MD_DURATION_SECONDS", text)]));
        assert_eq!(of("90").unwrap(), Some(Duration::from_secs(90)));
        assert_eq!(of("0").unwrap(), None);
        for bad in ["soon", "-1", "nan", "1e300"] {
            assert!(of(bad).is_err(), "{bad}");
        }
    }
}
