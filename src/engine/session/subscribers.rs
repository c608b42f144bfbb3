//! Holds a replay before its first event until enough subscribers are there.
//!
//! The question goes to `tickdeck.ready.<prefix>`, so that a subscriber of `<prefix>.>` receives
//! ticks only. Every subscriber that answers counts. One that does not answer counts as the first
//! where the server lists it.

use tickdeck_core::clock::Clock;

use super::error::SessionError;
use crate::control::{Control, run_interruptible};
use crate::encode::control::{self, ControlSubject, ReadyQuestion, RunId};
use crate::encode::pattern::SubjectPattern;
use crate::nats::{NatsError, NatsFailure, NatsOptions, ReadyCount, ReadyPoll, count_ready};

/// Pause between two questions, ns.
const PAUSE_NS: i64 = 300_000_000;

/// How many subscribers a replay waits for, and where.
#[derive(Debug, Clone)]
pub(super) struct Awaited {
    pub(super) nats: NatsOptions,
    pub(super) subscribers: u32,
}

impl Awaited {
    /// Waits until they are there, or a stop is requested.
    pub(super) fn wait(
        &self,
        prefix: &str,
        run: &RunId,
        control: &Control,
        clock: &dyn Clock,
    ) -> Result<(), SessionError> {
        let wanted = self.subscribers;
        let mut poll = question(prefix, run)?;
        let mut last = None;
        while !control.is_stopped() {
            let (nats, asked) = (self.nats.clone(), poll.clone());
            let count = move || count_ready(&nats, asked);
            let counted = run_interruptible("nats-connect", || control.is_stopped(), count)?;
            let Some(counted) = counted else { break };
            poll.is_repeated = true;
            match counted {
                Ok(count) if count.found >= wanted => {
                    tracing::info!(event = "subscribers_ready", found = count.found, wanted);
                    return Ok(());
                }
                // Without the right to ask, the list is all there is, and it counts as one.
                Ok(count) if count.not_asked.is_some() && (!count.is_listed || count.found > 0) => {
                    warn_not_asked(&poll.subject, count.not_asked.as_ref());
                    return Ok(());
                }
                Ok(ReadyCount { found, .. }) if last != Some(found) => {
                    last = Some(found);
                    tracing::info!(
                        event = "waiting_for_subscribers",
                        found,
                        wanted,
                        subject = poll.subject,
                        "plain subscribers count as one, and only when none answers"
                    );
                }
                Ok(_) => {}
                // The connection was lost before the answer came: the next question gets a new one.
                Err(NatsError::Server { failure, .. }) if failure.is_retryable() => {}
                // The publisher's connection is the only one that the account may have.
                Err(NatsError::Server { failure, .. }) if failure.is_missing_right() => {
                    warn_not_asked(&poll.subject, Some(&failure));
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            }
            let due = clock.now().plus(PAUSE_NS);
            clock.sleep_until(due, control.wake_flag());
        }
        Ok(())
    }
}

fn warn_not_asked(subject: &str, reason: Option<&NatsFailure>) {
    tracing::warn!(
        event = "subscribers_not_counted",
        subject,
        reason = reason.map(tracing::field::display),
        "readiness requests cannot be sent: the replay starts without waiting for more"
    );
}

fn question(prefix: &str, run: &RunId) -> Result<ReadyPoll, SessionError> {
    let question = ReadyQuestion { run: run.clone() };
    Ok(ReadyPoll {
        subject: ControlSubject::Ready.subject(prefix),
        payload: control::payload(&question).map_err(SessionError::Question)?,
        messages: SubjectPattern::below(prefix)?,
        is_repeated: false,
    })
}
