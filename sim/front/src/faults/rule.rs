//! A fault script: TOML with one `[[rule]]` a fault. `docs/simulated-front.md` describes it.

use std::path::{Path, PathBuf};

use serde::Deserialize;

/// A whole script.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// The rules, in the order in which they are tried.
    #[serde(default, rename = "rule")]
    pub rules: Vec<Rule>,
}

/// One fault.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// What the rule is called in the log.
    pub name: String,
    /// When it acts.
    pub at: Moment,
    /// What it does.
    pub action: Action,
    /// How often it acts; 0: as often as its moment comes.
    #[serde(default = "once")]
    pub times: u32,
    /// Whether a correct client must survive it without losing anything that it was sent.
    #[serde(default = "yes")]
    pub must_survive: bool,
}

const fn once() -> u32 {
    1
}

const fn yes() -> bool {
    true
}

/// When a rule acts. Counts begin at 1 and go over all connections of the API instance.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Moment {
    /// At the connection attempt of this number, and the following ones while `times` lasts.
    Connection(u64),
    /// At the login of this number, and the following ones while `times` lasts.
    Login(u64),
    /// At the request of this number (login and subscriptions count), and the following ones.
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

/// What a rule does.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// The connection is refused; the library tries again after 5 s.
    Refuse,
    /// The connection is lost with this reason.
    Disconnect(i32),
    /// Nothing is sent for so many seconds.
    Silent(f64),
    /// `OnHeartBeatWarning` with so many seconds.
    HeartbeatWarning(i32),
    /// The login is answered with this error id.
    RejectLogin(i32),
    /// The request function returns this code and does nothing else.
    ReturnCode(i32),
    /// The tick and all after it come so many milliseconds late.
    Delay(u64),
    /// The tick is lost.
    Drop,
    /// The tick comes twice.
    Duplicate,
    /// The tick comes after the one behind it.
    Reorder,
    /// A field of the tick has another value.
    Corrupt {
        /// The vendor's field name, for example `LastPrice`.
        field: String,
        /// The value; `nan`, `inf` and `max` (DBL_MAX) are numbers too.
        value: String,
    },
    /// So many ticks are held back and then sent at once.
    Burst(usize),
    /// So many of the last ticks are sent again, as old fronts did with a whole night.
    Replay(usize),
    /// The snapshot is not sent.
    LoseSnapshot,
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
    /// The text is no script.
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
        /// What does not fit and what would.
        text: String,
    },
    /// The words of drawn faults are none.
    #[error("TICKDECK_SIM_FAULTS is `{found}`: expected seed:N or seed:N,swarm")]
    Seed {
        /// What was found.
        found: String,
    },
}

impl Script {
    /// Reads a script.
    ///
    /// # Errors
    /// When the file cannot be read, is no script, or a rule makes no sense.
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
            text: error.to_string(),
        })?;
        for rule in &script.rules {
            rule.check()?;
        }
        Ok(script)
    }
}

impl Rule {
    /// Whether the action can happen at the moment.
    fn check(&self) -> Result<(), ScriptError> {
        let refuse = |text: String| ScriptError::Rule {
            name: self.name.clone(),
            text,
        };
        let wanted = match &self.action {
            Action::Refuse => "connection",
            Action::RejectLogin(_) => "login",
            Action::ReturnCode(_) => "request",
            Action::LoseSnapshot => "snapshot",
            Action::Disconnect(_) | Action::Silent(_) | Action::HeartbeatWarning(_) => {
                "tick, every_ticks or seconds"
            }
            _ => "tick or every_ticks",
        };
        let found = match self.at {
            Moment::Connection(_) => "connection",
            Moment::Login(_) => "login",
            Moment::Request(_) => "request",
            Moment::Snapshot(_) => "snapshot",
            Moment::Tick(_) => "tick",
            Moment::EveryTicks(_) => "every_ticks",
            Moment::Seconds(_) => "seconds",
        };
        if !wanted.split([' ', ',']).any(|word| word == found) {
            return Err(refuse(format!(
                "its action cannot happen at `{found}`: expected {wanted}"
            )));
        }
        if let Action::Corrupt { field, value } = &self.action {
            super::corrupt::check(field, value).map_err(refuse)?;
        }
        if matches!(self.at, Moment::EveryTicks(0)) {
            return Err(refuse("every_ticks is 0: expected 1 or more".into()));
        }
        Ok(())
    }
}
