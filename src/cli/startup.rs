//! What keeps a live session from starting: told in the log with the variables to set, in the words
//! that operators and their scripts know.

use tickdeck::nats::NatsError;

use super::account::{Account, Missing};
use super::env::Environment;
use super::outcome::UsageError;

/// Variables without which no session can start, or with which it cannot.
#[derive(Debug, thiserror::Error)]
#[error("{fix}")]
pub(super) struct EnvironmentError {
    /// Names, comma separated.
    required_env: String,
    fix: String,
}

impl EnvironmentError {
    /// `names` are not set.
    pub(super) fn missing(names: &[&str], environment: &Environment) -> UsageError {
        let missing = Self {
            fix: format!("set {} {}", names.join(", "), environment.where_to_set()),
            required_env: names.join(","),
        };
        UsageError::caused_by("the environment is not complete", missing)
    }

    /// What `name` is set to is of no use, which is `problem`.
    pub(super) fn unusable(name: &str, problem: impl Into<anyhow::Error>) -> UsageError {
        let problem: anyhow::Error = problem.into();
        let unusable = Self {
            fix: format!("{problem:#}"),
            required_env: name.to_owned(),
        };
        UsageError::caused_by(format!("{name} cannot be used"), unusable)
    }
}

/// Checks that the environment names everything that a login needs, and `more`.
pub(super) fn require(environment: &Environment, more: &[&'static str]) -> anyhow::Result<()> {
    let Missing(mut names) = Account::missing(environment);
    names.extend(more);
    if names.is_empty() {
        return Ok(());
    }
    Err(EnvironmentError::missing(&names, environment).into())
}

/// Logs what keeps a session from starting.
pub(super) fn startup_error(error: anyhow::Error) -> anyhow::Error {
    let at_fault = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<EnvironmentError>());
    match at_fault {
        Some(EnvironmentError { required_env, fix }) => tracing::error!(
            event = "live_ingest_startup_error",
            required_env,
            fix,
            "{error}"
        ),
        None => {
            let is_nats = error.chain().any(<dyn std::error::Error>::is::<NatsError>);
            tracing::error!(
                event = "live_ingest_startup_error",
                required_env = if is_nats { "NATS_URL" } else { "" },
                reason = format!("{error:#}")
            );
        }
    }
    error
}
