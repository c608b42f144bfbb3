//! `replay --wait-for-subscribers N`: holds the first event until somebody listens.
//!
//! A core NATS server does not tell publishers how many subscribers there are, only whether there
//! are none. So the replay asks on `<prefix>.replay.ready`: every subscriber that answers counts,
//! and one that does not answer (any plain client on `<prefix>.>`) still counts as the first.

use super::Context;
use super::outcome::UsageError;
use crate::clock::{Clock as _, WakeFlag};
use crate::nats::{NatsOptions, count_subscribers};

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
    let subject = format!("{prefix}.replay.ready");
    let mut last = None;
    while !context.control.is_stopped() {
        let found = count_subscribers(nats, &subject)?;
        if found >= wanted {
            tracing::info!(event = "subscribers_ready", found, wanted);
            return Ok(());
        }
        if last != Some(found) {
            last = Some(found);
            tracing::info!(
                event = "waiting_for_subscribers",
                found,
                wanted,
                subject = format!("{prefix}.>")
            );
        }
        let due = context.clock.now().plus(PAUSE_NS);
        context.clock.sleep_until(due, &WakeFlag::new());
    }
    Ok(())
}
