//! `replay --wait-for-subscribers N`: holds the first event until somebody listens.
//!
//! A core NATS server does not tell publishers how many subscribers there are, only whether there
//! are none. So the replay asks on `<prefix>.replay.ready`: every subscriber that answers counts,
//! and one that does not answer (any plain client on `<prefix>.>`) still counts as the first.

use tickdeck::encode::control::Control;
use tickdeck::nats::{NatsError, NatsOptions, count_subscribers};
use tickdeck_core::clock::{Clock as _, MonoNanos, WakeFlag};

use super::Context;
use super::outcome::UsageError;

/// Pause between two questions, ns.
const PAUSE_NS: i64 = 300_000_000;

/// Waits until at least `wanted` subscribers are there, or the user stops.
pub(super) fn wait(
    context: &Context,
    nats: Option<&NatsOptions>,
    prefix: &str,
    wanted: u32,
) -> anyhow::Result<()> {
    let Some(nats) = nats else {
        return Err(UsageError::new("--wait-for-subscribers needs --sink nats").into());
    };
    let subject = Control::Ready.subject(prefix);
    let mut last = None;
    while !context.control.is_stopped() {
        let (asked, about) = (nats.clone(), subject.clone());
        let count = move || count_subscribers(&asked, &about);
        let counted = context.unless_stopped("nats-connect", MonoNanos::NEVER, count)?;
        let Some(counted) = counted else { break };
        match counted {
            Ok(found) if found >= wanted => {
                tracing::info!(event = "subscribers_ready", found, wanted);
                return Ok(());
            }
            Ok(found) if last != Some(found) => {
                last = Some(found);
                tracing::info!(
                    event = "waiting_for_subscribers",
                    found,
                    wanted,
                    subject = format!("{prefix}.>")
                );
            }
            Ok(_) => {}
            // The connection was lost before the answer came: the next question has another one.
            Err(NatsError::Server { failure, .. }) if failure.is_retryable() => {}
            Err(error) => return Err(error.into()),
        }
        let due = context.clock.now().plus(PAUSE_NS);
        context.clock.sleep_until(due, &WakeFlag::new());
    }
    Ok(())
}
