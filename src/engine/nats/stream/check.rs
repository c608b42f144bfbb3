//! Whether a stream keeps every tick in its place.
//!
//! The order number of a tick is its sequence in the stream. So nothing else may be stored between the
//! ticks, and none may be removed or changed.

use std::time::Duration;

use async_nats::jetstream::stream::{
    Config, DiscardPolicy, Info, PersistenceMode, RetentionPolicy,
};
use tickdeck_core::contract::Exchange;

use super::StreamSettings;
use crate::encode::control::ControlSubject;
use crate::encode::pattern::SubjectPattern;
use crate::nats::StreamProblem;

/// Refuses a stream that would lose ticks published below `prefix`.
///
/// # Errors
/// The first setting in the way, with what to change.
pub(crate) fn check_config(
    config: &Config,
    settings: &StreamSettings,
    prefix: &str,
) -> Result<(), StreamProblem> {
    let refuse = |setting: String, effect, fix: &str| {
        Err(StreamProblem::Setting {
            stream: config.name.clone(),
            setting,
            effect,
            fix: fix.to_owned(),
        })
    };
    for (is_set, setting, effect, fix) in switches(config) {
        if is_set {
            return refuse(setting.to_owned(), effect, fix);
        }
    }
    let limits = [
        ("max_msgs", config.max_messages),
        ("max_bytes", config.max_bytes),
    ];
    for (name, limit) in limits {
        if limit > 0 && config.discard == DiscardPolicy::Old {
            let effect = "at the limit the oldest ticks are removed";
            let fix = "set discard to new, or the limit to -1";
            return refuse(format!("{name} {limit} with discard old"), effect, fix);
        }
    }
    if config.max_messages_per_subject > 0 {
        let limit = config.max_messages_per_subject;
        let effect = "the older ticks of an instrument are removed";
        return refuse(
            format!("max_msgs_per_subject {limit}"),
            effect,
            "set it to -1",
        );
    }
    if config.max_age != settings.max_age.unwrap_or_default() && config.max_age > Duration::ZERO {
        return Err(StreamProblem::Expires {
            stream: config.name.clone(),
            age: config.max_age,
        });
    }
    if settings.durable && !config.allow_atomic_publish {
        let effect = "batches are refused";
        return refuse("allow_atomic off".to_owned(), effect, "turn it on");
    }
    check_subjects(config, prefix)
}

/// The settings that are refused whatever their value: whether each is set, its name, its effect and
/// what to do.
fn switches(config: &Config) -> [(bool, &'static str, &'static str, &'static str); 9] {
    let has_sources = config
        .sources
        .as_ref()
        .is_some_and(|sources| !sources.is_empty());
    [
        (
            config.mirror.is_some(),
            "a mirror",
            "it accepts no messages",
            "publish to the stream that it mirrors",
        ),
        (
            has_sources,
            "sources",
            "messages of other streams would stand between the ticks",
            "remove the sources, or choose another stream",
        ),
        (
            config.sealed,
            "sealed on",
            "it accepts no messages",
            "choose another stream",
        ),
        (
            config.no_ack,
            "no_ack on",
            "nothing is confirmed",
            "turn it off",
        ),
        (
            config.retention != RetentionPolicy::Limits,
            "another retention than limits",
            "ticks are removed when consumers have them",
            "choose a stream with retention limits",
        ),
        (
            config.persist_mode == Some(PersistenceMode::Async),
            "persist_mode async",
            "acknowledged ticks are lost when the server is killed",
            "choose a stream with persist_mode default",
        ),
        (
            config.subject_transform.is_some(),
            "a subject transform",
            "the subjects of the ticks are changed",
            "remove it",
        ),
        (
            config.allow_message_counter,
            "allow_msg_counter on",
            "it accepts counters only",
            "choose another stream",
        ),
        (
            config.discard_new_per_subject,
            "discard_new_per_subject on",
            "ticks of an instrument are refused at its limit",
            "turn it off",
        ),
    ]
}

/// Every tick must be stored, and no control message.
fn check_subjects(config: &Config, prefix: &str) -> Result<(), StreamProblem> {
    let subjects: Vec<SubjectPattern> = config
        .subjects
        .iter()
        .filter_map(|subject| subject.parse().ok())
        .collect();
    let is_covered = |wanted: &str| subjects.iter().any(|subject| subject.covers(wanted));
    let each_exchange =
        || Exchange::ALL.map(|exchange| format!("{prefix}.{}.*", exchange.as_str()));
    let refuse = |effect, fix| {
        Err(StreamProblem::Setting {
            stream: config.name.clone(),
            setting: format!("the subjects {}", config.subjects.join(", ")),
            effect,
            fix,
        })
    };
    let is_whole = is_covered(&format!("{prefix}.*.*"))
        || each_exchange().iter().all(|wanted| is_covered(wanted));
    if !is_whole {
        let fix = format!("add {prefix}.>, or publish below another prefix");
        return refuse("not every tick would be stored", fix);
    }
    let control = [
        ControlSubject::Ready,
        ControlSubject::Clock,
        ControlSubject::End,
    ];
    let mut control = control.map(|subject| subject.subject(prefix)).into_iter();
    if let Some(found) = control.find(|wanted| is_covered(wanted)) {
        let fix = format!("leave {found} out of them");
        return refuse("control messages would stand between the ticks", fix);
    }
    Ok(())
}

/// Where publishing begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// Sequence of the first message of the run.
    pub(crate) base: u64,
    /// Messages of the run that the stream has already.
    pub(crate) stored: u64,
}

/// Where a run begins in a stream.
///
/// # Errors
/// When it has messages and is not to be continued, or cannot be.
pub(crate) fn place(info: &Info, settings: &StreamSettings) -> Result<Place, StreamProblem> {
    let state = &info.state;
    let stream = info.config.name.clone();
    if state.messages == 0 || settings.append {
        return Ok(Place {
            base: state.last_sequence + 1,
            stored: 0,
        });
    }
    if !settings.resume {
        return Err(StreamProblem::NotEmpty {
            stream,
            messages: state.messages,
        });
    }
    let (first, last) = (state.first_sequence, state.last_sequence);
    let stored = (last + 1).saturating_sub(first);
    if stored != state.messages {
        return Err(StreamProblem::Holes {
            stream,
            messages: state.messages,
            first,
            last,
        });
    }
    Ok(Place {
        base: first,
        stored,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PREFIX: &str = "market.tick";

    fn settings() -> StreamSettings {
        StreamSettings::new("TICKS".parse().unwrap())
    }

    fn refusal(change: impl Fn(&mut Config)) -> String {
        let mut config = settings().config(PREFIX);
        change(&mut config);
        let refused = check_config(&config, &settings(), PREFIX).unwrap_err();
        assert!(refused.is_bad_usage());
        refused.to_string()
    }

    #[test]
    fn a_stream_as_it_is_created_is_accepted() {
        for durable in [false, true] {
            let mut settings = settings();
            settings.durable = durable;
            settings.max_age = durable.then_some(Duration::from_secs(3600));
            let config = settings.config(PREFIX);
            assert_eq!(check_config(&config, &settings, PREFIX), Ok(()));
        }
    }

    /// A setting that loses ticks, and the words by which the refusal names it.
    type Case = (fn(&mut Config), &'static str);

    #[test]
    fn each_setting_that_loses_ticks_is_refused_by_name() {
        let cases: [Case; 12] = [
            (|c| c.sealed = true, "sealed on"),
            (|c| c.no_ack = true, "no_ack on"),
            (|c| c.retention = RetentionPolicy::Interest, "retention"),
            (
                |c| c.persist_mode = Some(PersistenceMode::Async),
                "persist_mode async",
            ),
            (|c| c.mirror = Some(Default::default()), "a mirror"),
            (|c| c.sources = Some(vec![Default::default()]), "sources"),
            (|c| c.max_messages_per_subject = 1, "max_msgs_per_subject 1"),
            (
                |c| {
                    c.discard = DiscardPolicy::Old;
                    c.max_messages = 10;
                },
                "max_msgs 10 with discard old",
            ),
            (
                |c| {
                    c.discard = DiscardPolicy::Old;
                    c.max_bytes = 10;
                },
                "max_bytes 10 with discard old",
            ),
            (|c| c.max_age = Duration::from_secs(60), "1m"),
            (
                |c| c.subjects = vec!["market.tick.SHFE.>".into()],
                "not every tick",
            ),
            (|c| c.subjects = vec![">".into()], "control messages"),
        ];
        for (change, named) in cases {
            let said = refusal(change);
            assert!(said.contains(named), "{said}");
        }
    }

    #[test]
    fn a_limit_that_refuses_is_no_loss() {
        let mut config = settings().config(PREFIX);
        config.max_messages = 10;
        assert_eq!(check_config(&config, &settings(), PREFIX), Ok(()));
    }

    #[test]
    fn subjects_for_each_exchange_cover_the_prefix() {
        let mut config = settings().config(PREFIX);
        config.subjects = Exchange::ALL
            .map(|exchange| format!("{PREFIX}.{}.>", exchange.as_str()))
            .to_vec();
        assert_eq!(check_config(&config, &settings(), PREFIX), Ok(()));
        config.subjects.pop();
        assert!(check_config(&config, &settings(), PREFIX).is_err());
    }

    #[test]
    fn batches_need_a_stream_that_allows_them() {
        let config = settings().config(PREFIX);
        let mut durable = settings();
        durable.durable = true;
        let said = check_config(&config, &durable, PREFIX).unwrap_err();
        assert!(said.to_string().contains("allow_atomic off"), "{said}");
    }
}
