//! Variables that keep a verb from starting.

use super::env::Environment;
use super::outcome::UsageError;

/// Missing or unusable variables.
#[derive(Debug, thiserror::Error)]
#[error("{fix}")]
pub(super) struct EnvironmentError {
    /// Names, comma separated.
    pub(super) required_env: String,
    /// How to fix it, or what is wrong with the value.
    pub(super) fix: String,
}

impl EnvironmentError {
    /// `names` are not set.
    pub(super) fn missing(names: &[&str], environment: &Environment) -> UsageError {
        Self::missing_unless(names, environment, "")
    }

    /// The same; `otherwise` continues the fix with another way.
    pub(super) fn missing_unless(
        names: &[&str],
        environment: &Environment,
        otherwise: &str,
    ) -> UsageError {
        let place = environment.where_to_set();
        let missing = Self {
            fix: format!("set {} {place}{otherwise}", names.join(", ")),
            required_env: names.join(","),
        };
        UsageError::fixed_by("the environment is incomplete", missing)
    }

    /// The value of `name` is not usable because of `problem`.
    pub(super) fn unusable(name: &str, problem: impl Into<anyhow::Error>) -> UsageError {
        let problem: anyhow::Error = problem.into();
        let unusable = Self {
            fix: format!("{problem:#}"),
            required_env: name.to_owned(),
        };
        UsageError::caused_by(format!("{name} cannot be used"), unusable)
    }
}
