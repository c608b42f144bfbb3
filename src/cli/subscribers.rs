//! `replay --wait-for-subscribers N`: holds the first event until enough subscribers answer.
//!
//! The question goes to `tickdeck.ready.<prefix>`, so that a subscriber of `<prefix>.>` receives
//! ticks only. Every subscriber that answers counts. One that does not answer counts as the first
//! where the server lists it.

use anyhow::Context as _;
use tickdeck::encode::control::{self, ControlSubject, ReadyQuestion};
use tickdeck::nats::{
    NatsError, NatsFailure, NatsOptions, ReadyCount, ReadyPoll, SubjectPattern, count_ready,
};
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
            Ok(count) if count.found >= wanted => {
                tracing::info!(event = "subscribers_ready", found = count.found, wanted);
                return Ok(());
            }
            // Without the right to ask, the list is all there is, and it counts as one.
            Ok(count) if count.not_asked.is_some() && (!count.is_listed || count.found > 0) => {
                warn_not_asked(&subject, count.not_asked.as_ref());
                return Ok(());
            }
            Ok(ReadyCount { found, .. }) if last != Some(found) => {
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
            // The publisher's connection is the only one that the account may have.
            Err(NatsError::Server { failure, .. }) if failure.is_missing_right() => {
                warn_not_asked(&subject, Some(&failure));
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        }
        let due = context.clock.now().plus(PAUSE_NS);
        context.clock.sleep_until(due, &WakeFlag::new());
    }
    Ok(())
}

fn warn_not_asked(subject: &str, reason: Option<&NatsFailure>) {
    tracing::warn!(
        event = "subscribers_not_counted",
        subject,
        reason = reason.map(tracing::field::display),
        "subscribers cannot be asked to answer: the replay starts without waiting for more"
    );
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
