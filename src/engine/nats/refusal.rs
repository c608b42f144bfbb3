//! What the server refused for lack of permission, read from its message.
//!
//! The server sends `Permissions Violation for Publish to "a.b"` in the order in which it handles a
//! connection's messages, and names no message, only the subject.

use std::collections::BTreeSet;
use std::fmt;

use super::NatsFailure;
use crate::encode::control::ControlSubject;

/// What a client wanted to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Publish,
    Subscribe,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Publish => "publish",
            Self::Subscribe => "subscribe",
        })
    }
}

/// One refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) action: Action,
    pub(crate) subject: String,
    /// The server's message.
    said: String,
}

impl Refusal {
    /// Reads a server's error message; `None` for one about anything else.
    pub(crate) fn parse(said: &str) -> Option<Self> {
        let lower = said.to_ascii_lowercase();
        if !lower.contains("permissions violation") {
            return None;
        }
        let action = if lower.contains("for subscription") {
            Action::Subscribe
        } else {
            Action::Publish
        };
        let quoted = said.split('"').nth(1);
        Some(Self {
            action,
            subject: quoted.unwrap_or_default().to_owned(),
            said: said.to_owned(),
        })
    }

    /// The same for every subject below the first word, for answers: each has another subject.
    pub(crate) fn of_any_answer(&self) -> Self {
        let first = self.subject.split('.').next().unwrap_or_default();
        Self {
            subject: format!("{first}.>"),
            ..self.clone()
        }
    }

    /// The refusal as the reason of a failure.
    pub(crate) fn failure(&self) -> NatsFailure {
        NatsFailure::Permission {
            cause: self.said.clone(),
            permission: self.permission(),
        }
    }

    /// The permission to add.
    fn permission(&self) -> String {
        format!("{} {}", self.action, self.subject)
    }

    /// What does not work without it; `None` when the run cannot do without.
    ///
    /// Control messages help a replay's subscribers. Losing one does not end the replay.
    pub(crate) fn missing_permission_help(&self) -> Option<&'static str> {
        let (control, _) = ControlSubject::parse(&self.subject)?;
        Some(match (control, self.action) {
            (ControlSubject::End, Action::Publish) => {
                "the end marker is not delivered: subscribers do not notice the end of the replay"
            }
            (ControlSubject::Clock, Action::Publish) => "no clock stamps are published",
            (ControlSubject::Ready, Action::Publish) => "readiness requests cannot be sent",
            (ControlSubject::End, Action::Subscribe) => {
                "the end of a replay is not noticed, and nothing is verified against it"
            }
            (ControlSubject::Clock, Action::Subscribe) => "clock stamps do not arrive",
            (ControlSubject::Ready, Action::Subscribe) => {
                "replays that wait for subscribers do not count this one"
            }
        })
    }
}

/// Whether a run can do without messages on `subject`.
pub(crate) fn is_dispensable(subject: &[u8]) -> bool {
    ControlSubject::is_subject(subject)
}

/// Says each missing permission once.
#[derive(Debug, Default)]
pub(crate) struct Warnings {
    said: BTreeSet<String>,
}

impl Warnings {
    /// Warns that `refusal` costs `missing_permission_help`, unless that was said before.
    pub(crate) fn warn(&mut self, server: &str, refusal: &Refusal, missing_permission_help: &str) {
        self.warn_together(server, &[(refusal, missing_permission_help)]);
    }

    /// Warns of several refusals, in one line for those that cost the same.
    pub(crate) fn warn_together(&mut self, server: &str, refusals: &[(&Refusal, &str)]) {
        let mut lines: Vec<(&str, Vec<&Refusal>)> = Vec::new();
        for (refusal, help) in refusals {
            if self.said.insert(refusal.permission()) {
                match lines.iter_mut().find(|(known, _)| known == help) {
                    Some((_, together)) => together.push(refusal),
                    None => lines.push((help, vec![refusal])),
                }
            }
        }
        for (missing_permission_help, refusals) in lines {
            let join = |text: fn(&Refusal) -> String| {
                let texts: Vec<String> = refusals.iter().map(|refusal| text(refusal)).collect();
                texts.join(", ")
            };
            tracing::warn!(
                event = "nats_permission_missing",
                server,
                subject = join(|refusal| refusal.subject.clone()),
                permission = join(Refusal::permission),
                "{missing_permission_help}; add this permission to the account, or ignore the warning"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_action_and_subject() {
        for (said, action, subject) in [
            (
                "Permissions Violation for Publish to \"market.tick.SHFE.rb\"",
                Action::Publish,
                "market.tick.SHFE.rb",
            ),
            (
                "permissions violation for subscription to \"a.>\" (sid \"3\")",
                Action::Subscribe,
                "a.>",
            ),
            (
                "Permissions Violation for Subscription to \"a.b\" using queue \"q\"",
                Action::Subscribe,
                "a.b",
            ),
            ("Permissions Violation", Action::Publish, ""),
        ] {
            let refusal = Refusal::parse(said).unwrap();
            assert_eq!(
                (refusal.action, refusal.subject.as_str()),
                (action, subject)
            );
        }
        assert_eq!(Refusal::parse("maximum subscriptions exceeded"), None);
    }

    #[test]
    fn only_control_subjects_are_dispensable() {
        let help = |subject: &str| {
            let said = format!("Permissions Violation for Publish to \"{subject}\"");
            Refusal::parse(&said).unwrap().missing_permission_help()
        };
        assert!(help("tickdeck.end.market.tick").is_some());
        assert!(help("tickdeck.clock.market.tick").is_some());
        assert_eq!(help("market.tick.SHFE.rb2601"), None);
        assert_eq!(help("_INBOX.abc"), None);
    }
}
