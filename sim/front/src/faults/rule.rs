//! A fault script: TOML with one `[[rule]]` a fault. `docs/simulated-front.md` describes it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::words::{self, Words};

/// A whole script.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// The rules, in the order in which they are tried.
    #[serde(default, rename = "rule")]
    pub rules: Vec<Rule>,
}

/// Longest time of a rule, s: a day.
const SECONDS_MAX: f64 = 86_400.0;
/// Longest delay of a tick, ms: an hour.
const DELAY_MAX_MS: u64 = 3_600_000;
/// Ticks that may be kept for later, 60 MB.
const TICKS_MAX: usize = 100_000;

/// One fault.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The name of the rule in the log.
    pub name: String,
    /// The front that misbehaves.
    #[serde(default)]
    pub front: Front,
    /// Only at the front that the client registered under this address.
    #[serde(default)]
    pub address: Option<String>,
    /// When it acts.
    #[serde(deserialize_with = "words::read")]
    pub at: Moment,
    /// The action.
    #[serde(deserialize_with = "words::read")]
    pub action: Action,
    /// How often it acts; 0: as often as its moment comes.
    #[serde(default = "once")]
    pub times: u32,
    /// Whether a correct client must survive it without losing anything that was sent to it.
    /// Otherwise the client must end and report the reason.
    #[serde(default = "yes")]
    pub must_survive: bool,
}

/// One of the two fronts of a broker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Front {
    /// The one that sends ticks.
    #[default]
    MarketData,
    /// The one that lists contracts.
    Trader,
}

const fn once() -> u32 {
    1
}

const fn yes() -> bool {
    true
}

/// When a rule acts. Counts begin at 1 and go over all connections of the API instance.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Moment {
    /// At the connection attempt of this number, and the following ones while `times` lasts.
    Connection(u64),
    /// At the login of this number, and the following ones while `times` lasts.
    Login(u64),
    /// At the request of this number (logins, subscriptions and queries count), and the following
    /// ones.
    Request(u64),
    /// At the tick of this number, and the following ones.
    Tick(u64),
    /// At every tick whose number is a multiple of this.
    EveryTicks(u64),
    /// This long after the connection, seconds.
    Seconds(f64),
    /// At the snapshot of this number, and the following ones.
    Snapshot(u64),
}

/// The action of a rule.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// The connection is refused; the library tries again after 5 s.
    Refuse,
    /// The connection is lost with this reason; at a connection attempt, before the client learns
    /// of the connection.
    Disconnect(i32),
    /// Nothing is sent for this many seconds.
    Silent(f64),
    /// `OnHeartBeatWarning` with this many seconds.
    HeartbeatWarning(i32),
    /// The login is answered with this error id.
    RejectLogin(i32),
    /// The request function returns this code and does nothing else.
    ReturnCode(i32),
    /// The request is answered with this error id; at the trader front.
    RejectRequest(i32),
    /// The tick and all after it come this many milliseconds late.
    Delay(u64),
    /// The tick is lost.
    Drop,
    /// The tick comes twice.
    Duplicate,
    /// The tick is sent after its successor.
    Reorder,
    /// A field of the tick has another value.
    Corrupt {
        /// The vendor's field name, for example `LastPrice`.
        field: String,
        /// The value; `nan`, `inf` and `max` (DBL_MAX) are numbers too.
        value: String,
    },
    /// This many ticks are held back and then sent at once.
    Burst(usize),
    /// After the tick, this many of the ticks before it are sent again, as old fronts did with a
    /// whole night.
    Replay(usize),
    /// The snapshot is not sent.
    LoseSnapshot,
}

impl Words for Moment {
    const VALUES: &'static [(&'static str, &'static str)] = &[
        ("connection", "N"),
        ("login", "N"),
        ("request", "N"),
        ("tick", "N"),
        ("every_ticks", "N"),
        ("seconds", "SECONDS"),
        ("snapshot", "N"),
    ];
}

impl Words for Action {
    const VALUES: &'static [(&'static str, &'static str)] = &[
        ("disconnect", "REASON"),
        ("silent", "SECONDS"),
        ("heartbeat_warning", "SECONDS"),
        ("reject_login", "ERROR"),
        ("return_code", "CODE"),
        ("reject_request", "ERROR"),
        ("delay", "MILLISECONDS"),
        ("corrupt", "{ field = \"LastPrice\", value = \"nan\" }"),
        ("burst", "N"),
        ("replay", "N"),
    ];
}

/// A script cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScriptError {
    /// The file cannot be read.
    #[error("fault script {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The text is not a script.
    #[error("fault script {path}: {text}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where and why.
        text: String,
    },
    /// Action and moment of a rule do not go together.
    #[error("fault rule `{name}`: {text}")]
    Rule {
        /// The rule.
        name: String,
        /// The conflict, and what would fit.
        text: String,
    },
    /// The specification of drawn faults is invalid.
    #[error("TICKDECK_SIM_FAULTS is `{found}`: expected seed:N or seed:N,swarm")]
    Seed {
        /// The text found.
        found: String,
    },
}

impl Script {
    /// Reads a script.
    ///
    /// # Errors
    /// When the file cannot be read, is not a script, or a rule makes no sense.
    pub fn read(path: &Path) -> Result<Self, ScriptError> {
        let text = std::fs::read_to_string(path).map_err(|source| ScriptError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&text, path)
    }

    /// Reads a script from its text; `path` is for messages.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn parse(text: &str, path: &Path) -> Result<Self, ScriptError> {
        let script: Self = toml::from_str(text).map_err(|error| ScriptError::Parse {
            path: path.to_owned(),
            text: error.to_string().trim_end().to_owned(),
        })?;
        for rule in &script.rules {
            rule.check()?;
        }
        Ok(script)
    }
}

impl Rule {
    /// The fields of a log line; moment and action as in a script.
    #[must_use]
    pub fn log_fields(&self) -> Vec<(&'static str, Value)> {
        let mut fields = vec![
            ("rule", self.name.clone().into()),
            ("front", serde_json::json!(self.front)),
            ("at", words::in_script(&self.at).into()),
            ("action", words::in_script(&self.action).into()),
            ("times", self.times.into()),
            ("must_survive", self.must_survive.into()),
        ];
        fields.extend(self.address.clone().map(|it| ("address", it.into())));
        fields
    }

    /// Whether the rule makes sense: action and moment go together, numbers are in range.
    fn check(&self) -> Result<(), ScriptError> {
        self.check_moment()
            .and_then(|()| self.check_numbers())
            .map_err(|text| ScriptError::Rule {
                name: self.name.clone(),
                text,
            })
    }

    /// Whether the action can happen at the moment, on this front.
    fn check_moment(&self) -> Result<(), String> {
        let (wanted, found) = (self.action.moments(), self.at.name());
        if !wanted.split([' ', ',']).any(|word| word == found) {
            return Err(format!(
                "its action cannot happen at `{found}`: expected {wanted}"
            ));
        }
        let needs_ticks = matches!(
            self.at,
            Moment::Tick(_) | Moment::EveryTicks(_) | Moment::Snapshot(_)
        );
        if self.front == Front::Trader && needs_ticks {
            return Err(format!(
                "the trader front sends no ticks, so nothing happens there at `{found}`"
            ));
        }
        if self.front == Front::MarketData && matches!(self.action, Action::RejectRequest(_)) {
            return Err(
                "reject_request needs front = \"trader\": the market data front answers no queries"
                    .into(),
            );
        }
        Ok(())
    }

    /// Whether every number of moment and action is in its range.
    fn check_numbers(&self) -> Result<(), String> {
        if let Action::Corrupt { field, value } = &self.action {
            super::corrupt::check(field, value)?;
        }
        if self.at.number() == Some(0) {
            return Err(format!("{} is 0: expected 1 or more", self.at.name()));
        }
        let seconds = match (&self.at, &self.action) {
            (Moment::Seconds(seconds), _) | (_, Action::Silent(seconds)) => *seconds,
            _ => 0.0,
        };
        if !(0.0..=SECONDS_MAX).contains(&seconds) {
            return Err(format!("{seconds} seconds: expected 0 to {SECONDS_MAX}"));
        }
        match self.action {
            Action::Delay(ms) if ms > DELAY_MAX_MS => Err(format!(
                "a delay of {ms} ms: expected at most {DELAY_MAX_MS}"
            )),
            Action::Burst(count) | Action::Replay(count) if count == 0 || count > TICKS_MAX => {
                Err(format!("{count} ticks: expected 1 to {TICKS_MAX}"))
            }
            _ => Ok(()),
        }
    }
}

impl Action {
    /// The names of the moments at which it can happen, as an error message lists them.
    const fn moments(&self) -> &'static str {
        match self {
            Self::Refuse => "connection",
            Self::RejectLogin(_) => "login",
            Self::ReturnCode(_) | Self::RejectRequest(_) => "request",
            Self::LoseSnapshot => "snapshot",
            Self::Disconnect(_) => "connection, tick, every_ticks or seconds",
            Self::Silent(_) | Self::HeartbeatWarning(_) => "tick, every_ticks or seconds",
            _ => "tick or every_ticks",
        }
    }
}

impl Moment {
    /// The key of a script.
    const fn name(&self) -> &'static str {
        match self {
            Self::Connection(_) => "connection",
            Self::Login(_) => "login",
            Self::Request(_) => "request",
            Self::Snapshot(_) => "snapshot",
            Self::Tick(_) => "tick",
            Self::EveryTicks(_) => "every_ticks",
            Self::Seconds(_) => "seconds",
        }
    }

    /// The ordinal number; a time has none.
    fn number(&self) -> Option<u64> {
        match *self {
            Self::Connection(number)
            | Self::Login(number)
            | Self::Request(number)
            | Self::Tick(number)
            | Self::EveryTicks(number)
            | Self::Snapshot(number) => Some(number),
            Self::Seconds(_) => None,
        }
    }
}
