//! Logs why a live session did not start, with the variables to set. Operators and their scripts rely
//! on these fields.

use tickdeck::nats::NatsError;

use super::account::{Account, Missing};
use super::env::Environment;
use super::environment_error::EnvironmentError;

/// Checks that every variable of a login is set.
pub(super) fn require(environment: &Environment) -> anyhow::Result<()> {
    let Missing(names) = Account::missing(environment);
    if names.is_empty() {
        return Ok(());
    }
    Err(EnvironmentError::missing(&names, environment).into())
}

/// Logs why a session did not start, and passes the error on.
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
