//! `replay --wait-for-subscribers N`: holds the first event until enough subscribers answer.
//!
//! The question goes to `tickdeck.ready.<prefix>`, so that a subscriber of `<prefix>.>` receives
//! ticks only. Every subscriber that answers counts. One that does not answer counts as the first
//! where the server lists it.

use anyhow::Context as _;
use tickdeck::encode::control::{self, ControlSubject, ReadyQuestion};
use tickdeck::nats::{NatsError, NatsOptions, ReadyPoll, SubjectPattern, count_ready};
use tickdeck_core::clock::{Clock as _, MonoNanos, WakeFlag};

use super::Context;

/// Pause between two questions, ns.
const PAUSE_NS: i64 = 300_000_000;

/// Waits until at least `wanted` subscribers are there, or the user stops.
pub(super) fn wait(
    context: &Context,
    nats: &NatsOptions,
    prefix: &str,
    wanted: u32,
) -> anyhow::Result<()> {
    let poll = question(context, prefix)?;
    let mut last = None;
    while !context.control.is_stopped() {
        let (nats, poll) = (nats.clone(), poll.clone());
        let subject = poll.subject.clone();
        let count = move || count_ready(&nats, poll);
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
                    subject,
                    "plain subscribers count as one, and only when none answers"
                );
            }
            Ok(_) => {}
            // The connection was lost before the answer came: the next question gets a new one.
            Err(NatsError::Server { failure, .. }) if failure.is_retryable() => {}
            Err(error) => return Err(error.into()),
        }
        let due = context.clock.now().plus(PAUSE_NS);
        context.clock.sleep_until(due, &WakeFlag::new());
    }
    Ok(())
}

fn question(context: &Context, prefix: &str) -> anyhow::Result<ReadyPoll> {
    let question = ReadyQuestion {
        run: context.run.clone(),
    };
    Ok(ReadyPoll {
        subject: ControlSubject::Ready.subject(prefix),
        payload: control::payload(&question).context("writing the question")?,
        messages: SubjectPattern::below(prefix)?,
    })
}
