//! The variables about the CTP front: credentials, addresses, library, and the switches of `live`.
//! They are read once, checked and masked.

use std::path::PathBuf;
use std::time::Duration;

use tickdeck::live::ctp::{CtpLogin, LoginField, LoginTooLong};
use tickdeck::live::parse_fronts;
use tickdeck::nats::Secret;
use tickdeck_core::contract::{ContractTable, Exchange, parse_vt_symbols};
use tickdeck_ffi::FrontAddress;

use super::args::FrontKeys;
use super::env::Environment;
use super::environment_error::EnvironmentError;
use super::outcome::UsageError;
use super::symbols::{refuse_foreign, warn_unknown};

/// Names the CTP library.
pub(super) const GATEWAY: &str = "CTP_GATEWAY_CONNECT";
/// The market data front.
pub(super) const MD_ADDRESS: &str = "CTP_MD_ADDRESS";
/// The trader front.
pub(super) const TD_ADDRESS: &str = "CTP_TD_ADDRESS";
/// The broker of the login.
const BROKER_ID: &str = "CTP_BROKER_ID";
/// Its user.
const USER_ID: &str = "CTP_USER_ID";
/// The password of the user.
const PASSWORD: &str = "CTP_PASSWORD";
/// The product that authenticates at the trader front.
pub(super) const APP_ID: &str = "CTP_APP_ID";
/// Its code.
pub(super) const AUTH_CODE: &str = "CTP_AUTH_CODE";
/// The instruments to subscribe first.
pub(super) const SYMBOL: &str = "CTP_SYMBOL";
/// How long to run.
pub(super) const DURATION: &str = "MD_DURATION_SECONDS";
/// Variables that every login needs.
const REQUIRED: [&str; 5] = [GATEWAY, MD_ADDRESS, BROKER_ID, USER_ID, PASSWORD];

/// Credentials, addresses and library.
#[derive(Debug, Clone)]
pub(super) struct Account {
    pub(super) library: PathBuf,
    pub(super) md_fronts: Vec<FrontAddress>,
    pub(super) td_fronts: Vec<FrontAddress>,
    pub(super) login: CtpLogin,
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

    /// Reads the variables; a missing text is empty. No variable says which keys the fronts use.
    pub(super) fn read(environment: &Environment, keys: FrontKeys) -> Result<Self, UsageError> {
        let text = |name: &str| environment.get(name).cloned().unwrap_or(Secret::new(""));
        let login = CtpLogin {
            broker_id: text(BROKER_ID),
            user_id: text(USER_ID),
            password: text(PASSWORD),
            app_id: text(APP_ID),
            auth_code: text(AUTH_CODE),
            production_keys: keys == FrontKeys::Production,
        };
        login.check().map_err(too_long)?;
        Ok(Self {
            library: PathBuf::from(text(GATEWAY).expose()),
            md_fronts: fronts(environment, MD_ADDRESS)?,
            td_fronts: fronts(environment, TD_ADDRESS)?,
            login,
        })
    }

    /// Checks before the login whether the settlement can be confirmed for this user.
    pub(super) fn check_settlement(&self) -> Result<(), UsageError> {
        self.login.check_settlement().map_err(too_long)
    }
}

/// Names the variable of a text that CTP does not accept.
fn too_long(LoginTooLong { field, len }: LoginTooLong) -> UsageError {
    let most = field.max_len();
    let name = match field {
        LoginField::BrokerId => BROKER_ID,
        LoginField::UserId | LoginField::InvestorId => USER_ID,
        LoginField::Password => PASSWORD,
        LoginField::AppId => APP_ID,
        LoginField::AuthCode => AUTH_CODE,
    };
    let problem = match field {
        LoginField::InvestorId => {
            format!("{len} bytes; --confirm-settlement accepts at most {most}, leave it out")
        }
        _ => format!("{len} bytes; CTP accepts at most {most}"),
    };
    EnvironmentError::unusable(name, anyhow::anyhow!(problem))
}

fn fronts(environment: &Environment, name: &str) -> Result<Vec<FrontAddress>, UsageError> {
    let Some(text) = environment.get(name) else {
        return Ok(Vec::new());
    };
    parse_fronts(text.expose()).map_err(|error| EnvironmentError::unusable(name, error))
}

/// The instruments of `CTP_SYMBOL` (or `--ctp-symbol`), in order, as their exchanges write them.
pub(super) fn first_symbols(list: Option<&str>) -> Result<Vec<(String, Exchange)>, UsageError> {
    let Some(list) = list.filter(|list| !list.trim().is_empty()) else {
        return Ok(Vec::new());
    };
    let symbols =
        parse_vt_symbols(list).map_err(|error| EnvironmentError::unusable(SYMBOL, error))?;
    let named = symbols
        .iter()
        .map(|(id, exchange)| (id.as_str(), Some(*exchange)));
    let unknown = refuse_foreign(&ContractTable::builtin(), named)
        .map_err(|error| EnvironmentError::unusable(SYMBOL, error))?;
    warn_unknown(&unknown);
    Ok(symbols)
}

/// `MD_DURATION_SECONDS`: 0 or unset means no bound.
pub(super) fn duration(environment: &Environment) -> Result<Option<Duration>, UsageError> {
    let Some(text) = environment.get(DURATION) else {
        return Ok(None);
    };
    let seconds = text.expose().trim().parse::<f64>().ok();
    let span = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    match span {
        Some(span) => Ok(Some(span).filter(|span| !span.is_zero())),
        None => Err(EnvironmentError::unusable(
            DURATION,
            anyhow::anyhow!("it is not a number of seconds; expected e.g. 3600, or 0 for no limit"),
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
    fn missing_variables_are_named() {
        let some = environment(&[("ctp_user_id", "u"), ("CTP_PASSWORD", "")]);
        assert_eq!(
            Account::missing(&some).0,
            [GATEWAY, MD_ADDRESS, "CTP_BROKER_ID", "CTP_PASSWORD"]
        );
    }

    #[test]
    fn a_text_that_is_too_long_is_not_shown() {
        let long = "hunter2".repeat(6);
        let variables = environment(&[("CTP_PASSWORD", &long)]);
        let error = Account::read(&variables, FrontKeys::Production).unwrap_err();
        let error = format!("{:#}", anyhow::Error::from(error));
        assert!(error.contains("CTP_PASSWORD"), "{error}");
        assert!(
            error.contains("42 bytes; CTP accepts at most 40"),
            "{error}"
        );
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn an_account_shows_no_secret() {
        let variables = environment(&[
            (GATEWAY, "/opt/ctp"),
            (MD_ADDRESS, "tcp://hunter2.example:1"),
            ("CTP_BROKER_ID", "hunter2b"),
            ("CTP_USER_ID", "hunter2u"),
            ("CTP_PASSWORD", "hunter2p"),
            ("CTP_APP_ID", "hunter2a"),
            ("CTP_AUTH_CODE", "hunter2c"),
        ]);
        let account = Account::read(&variables, FrontKeys::Production).unwrap();
        assert!(!format!("{account:?}").contains("hunter2"));
    }

    #[test]
    fn a_duration_is_in_seconds() {
        let of = |text| duration(&environment(&[("MD_DURATION_SECONDS", text)]));
        assert_eq!(of("90").unwrap(), Some(Duration::from_secs(90)));
        assert_eq!(of("0").unwrap(), None);
        for bad in ["soon", "-1", "nan", "1e300"] {
            assert!(of(bad).is_err(), "{bad}");
        }
    }
}
