//! The variables that put a client on the simulated front: those of the user, and the flags before
//! them.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tickdeck_front::faults::Faults;
use tickdeck_front::settings::{Settings, VARIABLE_PREFIX, refuse_unknown};
use tickdeck_front::shared;
use tickdeck_front::source::SourceSpec;
use tickdeck_front::version::{Emulated, VARIABLE as API_VERSION};

use super::super::args::SimArgs;
use super::super::outcome::UsageError;
use super::absolute;
use super::libraries::Libraries;

const SOURCE: &str = "TICKDECK_SIM_SOURCE";
const SCRIPT: &str = "TICKDECK_SIM_SCRIPT";
const LOG: &str = "TICKDECK_SIM_LOG";
const RUN: &str = "TICKDECK_SIM_RUN";

/// Variables of the client, besides those that it has already.
#[derive(Debug, Default)]
pub(super) struct Variables(BTreeMap<String, OsString>);

impl Variables {
    /// Those of the flags and of the environment. A setting that the library would refuse is refused
    /// before the client starts, and so is a source that cannot be played.
    pub(super) fn of(args: &SimArgs) -> anyhow::Result<Self> {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let names = std::env::vars_os().filter(|(_, value)| !value.is_empty());
        let names = names.map(|(name, _)| name.to_string_lossy().into_owned());
        refuse_unknown(names).map_err(|error| UsageError::new(error.to_string()))?;
        let mut variables = Self::default();
        variables.set(SOURCE, absolute_source(args.source.clone(), set(SOURCE))?);
        let path = |flag: &Option<PathBuf>, name: &str| {
            let named = set(name).filter(|value| value != "off" && value != "stderr");
            let path = flag.clone().or_else(|| named.map(PathBuf::from));
            path.map(|path| absolute(&path)).transpose()
        };
        for (name, value) in [
            (SCRIPT, path(&args.script, SCRIPT)?),
            (LOG, path(&args.log, LOG)?),
        ] {
            if let Some(value) = value {
                variables.set(name, value);
            }
        }
        let rate = args.rate.as_ref().map(ToString::to_string);
        for (key, value) in [
            ("RATE", &rate),
            ("FAULTS", &args.faults),
            ("AT_END", &args.at_end),
            ("RUN", &args.run),
            ("API_VERSION", &args.api_version),
        ] {
            let name = format!("{VARIABLE_PREFIX}{key}");
            if let Some(value) = value.as_ref().map(OsString::from).or_else(|| set(&name)) {
                variables.set(&name, value);
            }
        }
        variables.check(&set)?;
        Ok(variables)
    }

    fn check(&self, set: &dyn Fn(&str) -> Option<OsString>) -> anyhow::Result<()> {
        let usage = |error: &dyn std::error::Error| UsageError::new(error.to_string());
        let value = |key: &str| {
            let name = format!("{VARIABLE_PREFIX}{}", key.to_uppercase());
            self.0.get(&name).cloned().or_else(|| set(&name))
        };
        let settings = Settings::from_words(&value).map_err(|error| usage(&error))?;
        if let Some(version) = self.0.get(API_VERSION) {
            Emulated::find(&version.to_string_lossy()).map_err(|error| usage(&error))?;
        }
        Faults::script(&settings).map_err(|error| usage(&error))?;
        settings.source.header().map_err(|error| {
            let text = format!("{} cannot be played", settings.source);
            UsageError::caused_by(text, error)
        })?;
        Ok(())
    }

    /// Sets a variable.
    pub(super) fn set(&mut self, name: &str, value: impl Into<OsString>) {
        self.0.insert(name.to_owned(), value.into());
    }

    /// The word of the run, if any.
    pub(super) fn run(&self) -> anyhow::Result<Option<String>> {
        let word = self.0.get(RUN).map(|word| word.clone().into_string());
        let word = word.transpose();
        word.map_err(|_| UsageError::new(format!("{RUN} must be text in UTF-8")).into())
    }

    /// The folder of the market, if one is set.
    pub(super) fn shared_folder(&self) -> Option<PathBuf> {
        let set = || std::env::var_os(shared::VARIABLE).filter(|value| !value.is_empty());
        self.0
            .get(shared::VARIABLE)
            .cloned()
            .or_else(set)
            .map(PathBuf::from)
    }

    /// Puts the libraries before all others, and those of the user after them.
    pub(super) fn preload(&mut self, libraries: &Libraries) {
        let mut value = OsString::new();
        for path in [&libraries.market_data, &libraries.trader] {
            value.push(path);
            value.push(":");
        }
        match std::env::var_os("LD_PRELOAD") {
            Some(theirs) if !theirs.is_empty() => value.push(theirs),
            _ => value = OsStr::new(value.to_string_lossy().trim_end_matches(':')).to_owned(),
        }
        self.set("LD_PRELOAD", value);
    }

    /// All of them, by name.
    pub(super) fn all(&self) -> impl Iterator<Item = (&String, &OsString)> {
        self.0.iter()
    }

    /// What `sim env --json` prints.
    pub(super) fn as_json(&self, libraries: &Libraries) -> Value {
        let text = |value: &OsString| value.to_string_lossy().into_owned();
        let variables: BTreeMap<&String, String> = self
            .all()
            .map(|(name, value)| (name, text(value)))
            .collect();
        json!({
            "variables": variables,
            "market_data": libraries.market_data.display().to_string(),
            "trader": libraries.trader.display().to_string(),
        })
    }
}

/// The source in the words of the library, its path absolute: a client may change its folder.
fn absolute_source(flag: Option<OsString>, set: Option<OsString>) -> anyhow::Result<OsString> {
    let Some(text) = flag.clone().or(set) else {
        return Ok(SourceSpec::default().to_string().into());
    };
    let source = match SourceSpec::parse(&text) {
        Ok(source) => source,
        // The flag also takes a path alone.
        Err(_) if flag.is_some() && Path::new(&text).exists() => SourceSpec::Recording(text.into()),
        Err(error) => {
            let name = if flag.is_some() { "--source" } else { SOURCE };
            let text = text.to_string_lossy();
            let text = format!(
                "{name} is `{text}`: {error}; a recording that exists is named by its path"
            );
            return Err(UsageError::new(text).into());
        }
    };
    Ok(match source {
        SourceSpec::Recording(path) => {
            let mut words = OsString::from("recording:");
            words.push(absolute(&path)?);
            words
        }
        source => source.to_string().into(),
    })
}
