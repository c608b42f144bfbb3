//! How the simulated front is driven: the variables `TICKDECK_SIM_…`, or the same words in a front
//! address `sim://SOURCE?key=value&key=value`, which override the variables.
//!
//! Pure: the caller provides the words.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::Duration;

use tickdeck_core::pace::Rate;

use crate::source::{SourceSpec, SourceSpecError};

/// When the market starts to move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartRule {
    /// When no new subscription came for the settle time, after the first one.
    Settled,
    /// At the first login to the market data front.
    Login,
    /// At once.
    Now,
}

/// What the market data front does when the session is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtEnd {
    /// It stays connected and silent.
    Silent,
    /// It closes the connection with this reason and refuses new ones, of new instances too.
    Disconnect(i32),
}

/// The only account of the front. Without one any login is accepted.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// BrokerID.
    pub broker: String,
    /// UserID, which is the InvestorID as well.
    pub user: String,
    /// Password.
    pub password: String,
    /// AppID and AuthCode; with them the trader front demands authentication.
    pub app: Option<(String, String)>,
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Account(***)")
    }
}

/// All settings.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The source.
    pub source: SourceSpec,
    /// The rate.
    pub rate: Rate,
    /// Longest pause of recorded time that is kept, ns; `None` keeps all.
    pub max_gap_ns: Option<i64>,
    /// When the market starts.
    pub start: StartRule,
    /// Settle time of [`StartRule::Settled`], ns.
    pub settle_ns: i64,
    /// The behaviour at the end.
    pub at_end: AtEnd,
    /// Who may log in.
    pub account: Option<Account>,
    /// Whether queries are limited to one at a time and one a second, as the vendor's are.
    pub flow_control: bool,
    /// Sessions with different values here have different markets and clocks.
    pub run: String,
    /// Fault script, if any.
    pub script: Option<PathBuf>,
    /// Drawn faults, if any: `seed:N` or `seed:N,swarm`.
    pub faults: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            source: SourceSpec::default(),
            rate: Rate::RECORDED,
            max_gap_ns: None,
            start: StartRule::Settled,
            settle_ns: 500_000_000,
            at_end: AtEnd::Silent,
            account: None,
            flow_control: true,
            run: String::new(),
            script: None,
            faults: None,
        }
    }
}

/// A word cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The value of a key is not what it should be.
    #[error("{key} is `{found}`: expected {expected}")]
    Value {
        /// The variable or the key of the address.
        key: String,
        /// The value found.
        found: String,
        /// The accepted values.
        expected: String,
    },
    /// There is no such version.
    #[error("{text}")]
    Version {
        /// What was found and what there is.
        text: String,
    },
    /// There is no such variable.
    #[error("{name} is not a variable of the simulated front: expected one of {known}")]
    UnknownVariable {
        /// The variable.
        name: String,
        /// The variables there are.
        known: String,
    },
    /// The address has a key that there is not.
    #[error("front address has the unknown key `{key}`: expected one of {known}")]
    UnknownKey {
        /// The key.
        key: String,
        /// The keys there are.
        known: String,
    },
}

/// The keys, as in an address; a variable is `TICKDECK_SIM_` and the key in capitals.
pub const KEYS: [&str; 11] = [
    "source", "rate", "max_gap", "start", "settle", "at_end", "account", "flow", "run", "script",
    "faults",
];

/// The prefix of all variables.
pub const VARIABLE_PREFIX: &str = "TICKDECK_SIM_";

/// Variables that are the whole library's, and no settings of a session.
const OF_THE_LIBRARY: [&str; 2] = ["api_version", "log"];

/// Variables of `tickdeck sim run` and of tickdeck's tests, which the library ignores.
const OF_TICKDECK: [&str; 4] = ["report", "shared", "library", "clients"];

/// The scheme of an address that carries settings.
const SCHEME: &str = "sim://";

/// Refuses names with the prefix that are not variables of the simulated front.
///
/// # Errors
/// [`SettingsError::UnknownVariable`] names the ones there are.
pub fn refuse_unknown(names: impl IntoIterator<Item = String>) -> Result<(), SettingsError> {
    let known = || KEYS.into_iter().chain(OF_THE_LIBRARY);
    let is_unknown = |name: &String| {
        name.strip_prefix(VARIABLE_PREFIX).is_some_and(|word| {
            let mut accepted = known().chain(OF_TICKDECK);
            !accepted.any(|key| key.to_uppercase() == word)
        })
    };
    let Some(name) = names.into_iter().find(is_unknown) else {
        return Ok(());
    };
    let known: Vec<String> = known().map(variable).collect();
    Err(SettingsError::UnknownVariable {
        name,
        known: known.join(", "),
    })
}

/// The variable of a key.
fn variable(key: &str) -> String {
    format!("{VARIABLE_PREFIX}{}", key.to_uppercase())
}

/// The text after `sim://` in the address of a front. `None` for any other address. Schemes are
/// compared without case, as every reader of addresses does, and `tcp://` before it is passed over:
/// some clients put it before every address.
#[must_use]
pub fn address_words(address: &str) -> Option<&str> {
    let address = without_scheme(address, "tcp://").unwrap_or(address);
    without_scheme(address, SCHEME)
}

fn without_scheme<'a>(address: &'a str, scheme: &str) -> Option<&'a str> {
    let (found, rest) = address.split_at_checked(scheme.len())?;
    found.eq_ignore_ascii_case(scheme).then_some(rest)
}

impl Settings {
    /// Settings from words: `get("rate")` is the value of `TICKDECK_SIM_RATE`.
    ///
    /// # Errors
    /// The first word that cannot be used, with what would be accepted.
    pub fn from_words(get: &dyn Fn(&str) -> Option<OsString>) -> Result<Self, SettingsError> {
        let mut settings = Self::default();
        for key in KEYS {
            if let Some(value) = get(key) {
                settings.set(key, &value, &variable(key))?;
            }
        }
        Ok(settings)
    }

    /// These settings with what a front address says: `sim://SOURCE?key=value&key=value`, where
    /// the source or the keys may be left out. Any other address changes nothing.
    ///
    /// # Errors
    /// A key that there is not, or a value that cannot be used.
    pub fn with_address(&self, address: &str) -> Result<Self, SettingsError> {
        let mut settings = self.clone();
        let Some(rest) = address_words(address) else {
            return Ok(settings);
        };
        let (source, query) = rest.split_once('?').unwrap_or((rest, ""));
        if !source.is_empty() {
            settings.set("source", OsStr::new(source), "front address")?;
        }
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            if !KEYS.contains(&key) {
                return Err(SettingsError::UnknownKey {
                    key: without_account("", key),
                    known: KEYS.join(", "),
                });
            }
            settings.set(key, OsStr::new(value), key)?;
        }
        Ok(settings)
    }

    fn set(&mut self, key: &str, value: &OsStr, name: &str) -> Result<(), SettingsError> {
        let refuse = |expected: &str| SettingsError::Value {
            key: name.into(),
            found: without_account(key, &value.to_string_lossy()),
            expected: expected.into(),
        };
        // These two hold paths, which are bytes.
        match key {
            "source" => {
                let parsed = SourceSpec::parse(value);
                self.source = parsed.map_err(|SourceSpecError { expected }| refuse(&expected))?;
                return Ok(());
            }
            "script" => {
                self.script = Some(value.into());
                return Ok(());
            }
            _ => {}
        }
        let value = value.to_str().ok_or_else(|| refuse("text in UTF-8"))?;
        match key {
            "rate" => {
                let expected = "`max` or a positive decimal number such as 1, 0.5 or 10";
                self.rate = value.parse().map_err(|_| refuse(expected))?;
            }
            "max_gap" => {
                let expected = "a time such as 5s or 500ms";
                self.max_gap_ns = Some(duration_ns(value).ok_or_else(|| refuse(expected))?);
            }
            "settle" => {
                let expected = "a time such as 500ms or 2s";
                self.settle_ns = duration_ns(value).ok_or_else(|| refuse(expected))?;
            }
            "start" => {
                self.start = match value {
                    "settled" => StartRule::Settled,
                    "login" => StartRule::Login,
                    "now" => StartRule::Now,
                    _ => return Err(refuse("settled, login or now")),
                };
            }
            "at_end" => {
                self.at_end = at_end(value)
                    .ok_or_else(|| refuse("silent, disconnect or disconnect:REASON"))?;
            }
            "account" => {
                let expected = "BROKER:USER:PASSWORD or BROKER:USER:PASSWORD:APPID:AUTHCODE";
                self.account = Some(account(value).ok_or_else(|| refuse(expected))?);
            }
            "flow" => {
                self.flow_control = match value {
                    "on" => true,
                    "off" => false,
                    _ => return Err(refuse("on or off")),
                };
            }
            "run" => self.run = value.into(),
            _ => self.faults = Some(value.into()),
        }
        Ok(())
    }

    /// Two sessions with equal keys share one market: its clock, and its end.
    #[must_use]
    pub fn market_key(&self) -> String {
        format!(
            "{:?} {} {:?} {:?} {} {:?} {}",
            self.source,
            self.rate,
            self.max_gap_ns,
            self.start,
            self.settle_ns,
            self.at_end,
            self.run
        )
    }
}

/// A value for a message. An account holds a password, also where it was written in the wrong
/// place.
fn without_account(key: &str, value: &str) -> String {
    if key == "account" {
        return "***".into();
    }
    match value.find("account") {
        Some(at) => format!("{}***", &value[..at]),
        None => value.into(),
    }
}

fn duration_ns(text: &str) -> Option<i64> {
    let duration = match text.parse::<u64>() {
        Ok(millis) => Duration::from_millis(millis),
        Err(_) => humantime::parse_duration(text).ok()?,
    };
    i64::try_from(duration.as_nanos()).ok()
}

fn at_end(text: &str) -> Option<AtEnd> {
    match text {
        "silent" => Some(AtEnd::Silent),
        "disconnect" => Some(AtEnd::Disconnect(0x1001)),
        _ => reason(text.strip_prefix("disconnect:")?).map(AtEnd::Disconnect),
    }
}

/// A reason of a lost connection, decimal or `0x…`.
#[must_use]
pub fn reason(text: &str) -> Option<i32> {
    match text.strip_prefix("0x") {
        Some(hex) => i32::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

fn account(text: &str) -> Option<Account> {
    let parts: Vec<&str> = text.split(':').collect();
    let app = match parts.as_slice() {
        [_, _, _] => None,
        [_, _, _, app, code] => Some(((*app).into(), (*code).into())),
        _ => return None,
    };
    Some(Account {
        broker: parts[0].into(),
        user: parts[1].into(),
        password: parts[2].into(),
        app,
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt as _;

    use super::*;

    fn words(pairs: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        Settings::from_words(&|key| {
            let found = pairs.iter().find(|(name, _)| *name == key);
            found.map(|(_, value)| OsString::from(value))
        })
    }

    #[test]
    fn nothing_set_is_the_documented_default() {
        let settings = words(&[]).unwrap();
        assert_eq!(settings, Settings::default());
        assert_eq!(settings.settle_ns, 500_000_000);
        assert_eq!(settings.start, StartRule::Settled);
    }

    #[test]
    fn an_address_overrides_the_environment_and_others_do_not() {
        let base = words(&[("rate", "10"), ("settle", "2s")]).unwrap();
        assert_eq!(base.with_address("tcp://10.0.0.1:41213").unwrap(), base);
        for scheme in ["sim://", "tcp://sim://", "SIM://", "TCP://Sim://"] {
            let address = format!("{scheme}synthetic:quick,seed=7?rate=max&start=login");
            let settings = base.with_address(&address).unwrap();
            assert_eq!(settings.rate, Rate::Max);
            assert_eq!(settings.start, StartRule::Login);
            assert_eq!(settings.settle_ns, 2_000_000_000, "kept");
            assert_ne!(settings.market_key(), base.market_key());
        }
        let only_keys = base
            .with_address("sim://?at_end=disconnect:0x2001")
            .unwrap();
        assert_eq!(only_keys.at_end, AtEnd::Disconnect(8193));
        assert_eq!(only_keys.source, base.source);
    }

    #[test]
    fn a_word_that_cannot_be_used_is_refused_with_what_can() {
        for (key, value, part) in [
            ("rate", "fast", "`max` or a positive"),
            ("start", "later", "settled, login or now"),
            ("at_end", "explode", "silent, disconnect"),
            ("flow", "maybe", "on or off"),
            ("settle", "soon", "a time such as"),
            ("source", "csv:x", "recording:PATH"),
        ] {
            let error = words(&[(key, value)]).unwrap_err().to_string();
            assert!(error.contains(part) && error.contains(value), "{error}");
            assert!(error.starts_with("TICKDECK_SIM_"), "{error}");
        }
        let unknown = Settings::default().with_address("sim://?speed=1");
        assert!(unknown.unwrap_err().to_string().contains("rate"));
    }

    #[test]
    fn a_value_that_is_no_text_is_refused_but_where_it_is_a_path() {
        let word = |key: &str, value: &[u8]| {
            let value = OsStr::from_bytes(value);
            Settings::from_words(&|asked| (asked == key).then(|| value.to_owned()))
        };
        let path = OsStr::from_bytes(b"/data/\xd0\xd0\xc7\xe9");
        let played = word("source", b"recording:/data/\xd0\xd0\xc7\xe9").unwrap();
        assert_eq!(played.source, SourceSpec::Recording(path.into()));
        let script = word("script", path.as_bytes()).unwrap().script;
        assert_eq!(script.as_deref(), Some(path.as_ref()));
        for key in KEYS.into_iter().filter(|key| *key != "script") {
            let refused = word(key, b"\xd0\xd0").unwrap_err().to_string();
            assert!(refused.starts_with(&variable(key)), "{refused}");
        }
        let refused = word("account", b"9999:u:hunter2\xff").unwrap_err();
        assert!(!refused.to_string().contains("hunter2"), "{refused}");
    }

    #[test]
    fn a_misspelt_variable_is_refused_with_those_there_are() {
        let check = |names: &[&str]| refuse_unknown(names.iter().map(ToString::to_string));
        let all: Vec<String> = KEYS
            .into_iter()
            .chain(OF_THE_LIBRARY)
            .map(variable)
            .collect();
        assert_eq!(refuse_unknown(all), Ok(()));
        assert_eq!(check(&["PATH", "TICKDECK_SIM_LIBRARY"]), Ok(()));
        let refused = check(&["HOME", "TICKDECK_SIM_SORCE"]).unwrap_err();
        let text = refused.to_string();
        assert!(text.starts_with("TICKDECK_SIM_SORCE is not"), "{text}");
        assert!(text.contains("TICKDECK_SIM_SOURCE"), "{text}");
        assert!(text.contains("TICKDECK_SIM_API_VERSION"), "{text}");
    }

    #[test]
    fn a_password_is_shown_nowhere() {
        let settings = words(&[("account", "9999:u:hunter2")]).unwrap();
        assert!(!format!("{settings:?}").contains("hunter2"));
        let refused = words(&[("account", "u:hunter2")]).unwrap_err();
        assert!(!refused.to_string().contains("hunter2"));
    }
}
