//! What to do about an error or a warning, in flags of the running verb.
//!
//! The library says what is wrong and where, in its own terms. Only the command line knows which flag
//! changes that. It chooses a hint by the variant of the typed error, or by the name of the log event.
//! A hint is shown only if the verb has its flags.

use std::collections::BTreeSet;
use std::error::Error;
use std::sync::Arc;

use clap::Command;
use serde_json::Value;
use tickdeck::import::{ColumnGuess, Dialect, ImportError, RowProblem};
use tickdeck::nats::{StreamProblem, age_in_words};
use tickdeck::pipeline::PlayError;
use tickdeck_core::causes::causes;
use tickdeck_core::source::SourceError;
use tickdeck_recording::RecordingError;
use tickdeck_recording::storage::FolderNow;

use super::stream_problem::stream_problem;

/// The forms of a hint, the best first: the first one whose flags the verb has is shown. A form
/// continues the message, so it begins with what separates the two. `{}` is a value of the error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Hint(&'static [&'static str]);

macro_rules! hints {
    ($($name:ident = $forms:expr;)*) => {
        $(const $name: Hint = Hint(&$forms);)*
        /// Every hint.
        #[cfg(test)]
        const ALL: &[Hint] = &[$($name),*];
    };
}

hints! {
    REPLACE_OUTPUT = [" or pass --force"];
    REPLACE_RECORDING = ["; --force replaces only recordings"];
    MAKE_MANIFEST = [": `tickdeck recover` makes it again from segments and journal"];
    MAKE_OTHER_MANIFEST = ["; `tickdeck recover` makes another one from segments and journal"];
    OTHER_CONTRACTS = [
        "; --contracts FILE uses another table; --salvage plays it without a table",
        "; --contracts FILE uses another table; `tickdeck replay --salvage` plays it without a table",
        "; `tickdeck replay --contracts FILE` plays it with another table; `tickdeck replay \
         --salvage` plays it without a table",
    ];
    EXPLAIN_COLUMNS = [
        "; say what a column is with --map THEIRS=CTP, leave one out with --ignore COLUMN, or force \
         a dialect with --dialect: {}",
    ];
    EXPLAIN_ONE = [
        "; say what a column is with --map THEIRS=CTP, or leave one out with --ignore COLUMN",
    ];
    TRY_COLUMNS = ["; try {}, or see --map and --ignore"];
    CHOOSE_DIALECT = [" with --dialect"];
    IGNORE_ONE = ["; leave one out with --ignore"];
    IGNORE_COLUMN = [", or leave it out with --ignore {}"];
    GIVE_TRADING_DAY = ["; give it with --trading-day YYYYMMDD"];
    GIVE_SYMBOL = ["; give it with --symbol"];
    NAME_KEY = [" (--map names its field, --ignore leaves it out)"];
    IGNORE_CLOCK = [" (--ignore leaves the column out)"];
    GIVE_DAY_OF_ROWS = [", or --trading-day"];
    SKIP_ROWS = ["; --skip-bad leaves such rows out and counts them"];
    GIVE_CALENDAR = ["; give --calendar FILE"];
    GIVE_HOLIDAYS = [
        "; give --calendar FILE with its holidays",
        "; `tickdeck replay --calendar FILE` plays the recording with its holidays",
    ];
    GIVE_NEWER_HOLIDAYS = [
        "; give --calendar FILE with its holidays, or update tickdeck",
        "; update tickdeck, or replay with `tickdeck replay --calendar FILE`",
    ];
    END_WITHOUT_MARKER = [": give --idle or --duration for unattended runs"];
    LOWER_LIMIT = ["; --min-free-space sets the limit"];
    RECOVER_THERE = [": `tickdeck recover` seals it there"];
    OTHER_INBOX = ["; --nats-inbox-prefix sets another inbox"];
    ACCEPT_EMPTY = ["; --allow-empty accepts that"];
    CREATE_STREAM = ["; --create-stream does that"];
    ACCEPT_AGE = ["; --stream-max-age {} accepts it"];
    RESUME_STREAM = ["; --resume continues it"];
}

/// The hints for log events, by the name of the event.
const OF_EVENTS: [(&str, Hint); 6] = [
    ("calendar_date_uncertain", GIVE_CALENDAR),
    ("calendar_not_covered", GIVE_HOLIDAYS),
    ("calendar_partly_known", GIVE_NEWER_HOLIDAYS),
    ("capture_end_uncertain", END_WITHOUT_MARKER),
    ("nats_inbox_refused", OTHER_INBOX),
    ("nothing_published", ACCEPT_EMPTY),
];

/// The field and value of an event without which its hint does not apply: the flag is given already.
const ONLY_WITH: [(&str, &str, &str); 1] = [("nats_inbox_refused", "inbox", "_INBOX.>")];

/// The hints for an error, with the values they show.
fn of_error(error: &(dyn Error + 'static)) -> Vec<(Hint, String)> {
    // A source error shows the message of its cause, not the cause itself.
    if let Some(source) = error.downcast_ref::<SourceError>() {
        return of_error(source.cause());
    }
    // So does an error of a run.
    if let Some(PlayError::Record(error)) = error.downcast_ref() {
        return of_error(error);
    }
    let plain = |hint| vec![(hint, String::new())];
    match stream_problem(error) {
        Some(StreamProblem::Missing { .. }) => return plain(CREATE_STREAM),
        Some(StreamProblem::Expires { age, .. }) => return vec![(ACCEPT_AGE, age_in_words(*age))],
        Some(
            StreamProblem::NotEmpty { .. }
            | StreamProblem::OtherWriter { .. }
            | StreamProblem::Refused { .. }
            | StreamProblem::Unanswered { .. }
            | StreamProblem::WentBack { .. },
        ) => return plain(RESUME_STREAM),
        _ => {}
    }
    match error.downcast_ref() {
        Some(RecordingError::OutputExists { .. }) => return plain(REPLACE_OUTPUT),
        Some(RecordingError::NotReplaceable { .. }) => return plain(REPLACE_RECORDING),
        Some(RecordingError::NoManifest { .. }) => return plain(MAKE_MANIFEST),
        Some(error) if error.is_damaged_manifest() => return plain(MAKE_OTHER_MANIFEST),
        Some(error) if error.is_damaged_contracts() => return plain(OTHER_CONTRACTS),
        Some(RecordingError::LowSpace { .. }) => return plain(LOWER_LIMIT),
        Some(RecordingError::FolderReplaced {
            now: FolderNow::At(_),
            ..
        }) => return plain(RECOVER_THERE),
        _ => {}
    }
    match error.downcast_ref() {
        Some(ImportError::NoDialect {
            guesses, is_near, ..
        }) => match (&guesses[..], is_near) {
            ([], true) => plain(EXPLAIN_ONE),
            ([], false) => vec![(EXPLAIN_COLUMNS, Dialect::list())],
            (guesses, _) => vec![(TRY_COLUMNS, tried(guesses))],
        },
        Some(ImportError::AmbiguousDialect { .. }) => plain(CHOOSE_DIALECT),
        Some(ImportError::SameField { .. }) => plain(IGNORE_ONE),
        Some(ImportError::UnreadableColumn { name, .. }) => vec![(IGNORE_COLUMN, name.clone())],
        Some(ImportError::NoTradingDay { .. }) => plain(GIVE_TRADING_DAY),
        Some(ImportError::NoSymbol { .. }) => plain(GIVE_SYMBOL),
        Some(ImportError::Row(row)) => {
            let mut hints = match row.problem {
                RowProblem::UnknownKey { .. } => plain(NAME_KEY),
                RowProblem::ReceiveTime { .. } | RowProblem::MixedReceiveTimes { .. } => {
                    plain(IGNORE_CLOCK)
                }
                RowProblem::NoTradingDay => plain(GIVE_DAY_OF_ROWS),
                _ => Vec::new(),
            };
            hints.extend(plain(SKIP_ROWS));
            hints
        }
        _ => Vec::new(),
    }
}

/// The flags that say what the columns probably are.
fn tried(guesses: &[ColumnGuess]) -> String {
    let quoted = |name: &str| match name.contains(char::is_whitespace) {
        true => format!("'{name}'"),
        false => name.to_owned(),
    };
    let flags = guesses.iter().map(|guess| match guess.field {
        Some(field) => format!("--map {}", quoted(&format!("{}={field}", guess.theirs))),
        None => format!("--ignore {}", quoted(&guess.theirs)),
    });
    flags.collect::<Vec<_>>().join(" ")
}

/// The hints of one verb.
#[derive(Debug, Clone, Default)]
pub(super) struct Hints {
    /// The verb's flags, without the dashes.
    flags: Arc<BTreeSet<String>>,
}

impl Hints {
    /// The hints that fit a verb.
    pub(super) fn of_verb(verb: &Command) -> Self {
        let visible = verb.get_arguments().filter(|arg| !arg.is_hide_set());
        let names = visible.filter_map(|arg| arg.get_long().map(str::to_owned));
        Self {
            flags: Arc::new(names.collect()),
        }
    }

    /// The first form of which the verb has every flag.
    fn form(&self, hint: Hint) -> Option<&'static str> {
        let fits = |form: &&str| flags_in(form).all(|flag| self.flags.contains(flag));
        hint.0.iter().copied().find(fits)
    }

    /// What continues the message of a log event with these fields.
    pub(super) fn of_event(&self, event: &str, fields: &[(&str, Value)]) -> Option<&'static str> {
        let (_, hint) = OF_EVENTS.iter().find(|(name, _)| *name == event)?;
        let only_with = ONLY_WITH.iter().find(|(name, ..)| *name == event);
        let applies = only_with.is_none_or(|(_, field, value)| {
            let mut fields = fields.iter();
            fields.any(|(name, found)| name == field && found == value)
        });
        applies.then(|| self.form(*hint)).flatten()
    }

    /// [`messages`](Self::messages) as one line.
    pub(super) fn in_one_line(&self, error: &anyhow::Error) -> String {
        self.messages(error).join(": ")
    }

    /// The message of an error and those of its causes, outermost first, with the hints.
    pub(super) fn messages(&self, error: &anyhow::Error) -> Vec<String> {
        let mut messages = vec![error.to_string()];
        messages.extend(causes(error.as_ref()));
        for cause in error.chain() {
            let hints = of_error(cause);
            if hints.is_empty() {
                continue;
            }
            let said = cause.to_string();
            // A message that repeats its cause stands for both.
            let message = messages.iter_mut().find(|message| message.ends_with(&said));
            if let Some(message) = message {
                for (hint, value) in hints {
                    let form = self.form(hint).unwrap_or_default();
                    message.push_str(&form.replace("{}", &value));
                }
                break;
            }
        }
        messages
    }
}

/// The flags that a text names, without the dashes. Those of a quoted command are not meant: it names
/// its verb.
fn flags_in(text: &str) -> impl Iterator<Item = &str> {
    let unquoted = text.split('`').step_by(2);
    unquoted.flat_map(|part| part.split("--").skip(1).map(flag_name))
}

/// The flag at the beginning of a text.
fn flag_name(text: &str) -> &str {
    let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let end = text.find(|c| !is_part(c)).unwrap_or(text.len());
    &text[..end]
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use tickdeck::import::BadRow;
    use tickdeck_core::source::SourceErrorKind;

    use super::super::args;
    use std::path::PathBuf;

    use super::*;

    fn verbs() -> Vec<Command> {
        args::command().get_subcommands().cloned().collect()
    }

    fn hints(verb: &str) -> Hints {
        Hints::of_verb(args::command().find_subcommand(verb).unwrap())
    }

    fn has_flag(verb: &Command, flag: &str) -> bool {
        let mut arguments = verb.get_arguments();
        arguments.any(|arg| arg.get_long() == Some(flag) && !arg.is_hide_set())
    }

    #[test]
    fn a_hint_names_only_flags_of_the_verb() {
        let verbs = verbs();
        for hint in ALL {
            let mut shown = 0;
            for verb in &verbs {
                let Some(form) = Hints::of_verb(verb).form(*hint) else {
                    continue;
                };
                shown += 1;
                for flag in flags_in(form) {
                    assert!(has_flag(verb, flag), "{}: {form}", verb.get_name());
                }
            }
            assert!(shown > 0, "no verb has the flags of {hint:?}");
        }
    }

    #[test]
    fn a_quoted_command_has_its_flags() {
        let verbs = verbs();
        for form in ALL.iter().flat_map(|hint| hint.0) {
            for command in form.split('`').skip(1).step_by(2) {
                let name = command.split(' ').nth(1).unwrap();
                let verb = verbs.iter().find(|verb| verb.get_name() == name).unwrap();
                for flag in command.split("--").skip(1).map(flag_name) {
                    assert!(has_flag(verb, flag), "{command}");
                }
            }
        }
    }

    #[test]
    fn a_verb_without_the_flag_shows_another_form() {
        let of = |verb| hints(verb).of_event("calendar_not_covered", &[]).unwrap();
        assert_eq!(of("replay"), "; give --calendar FILE with its holidays");
        assert_eq!(
            of("cat"),
            "; `tickdeck replay --calendar FILE` plays the recording with its holidays"
        );
        assert_eq!(hints("verify").of_event("capture_end_uncertain", &[]), None);
        assert_eq!(hints("replay").of_event("no_such_event", &[]), None);
    }

    #[test]
    fn a_flag_that_is_given_is_not_advised() {
        let of = |inbox: &str| {
            let fields = [("inbox", Value::from(inbox))];
            hints("replay").of_event("nats_inbox_refused", &fields)
        };
        assert!(of("_INBOX.>").is_some());
        assert_eq!(of("_INBOX_me.>"), None);
    }

    #[test]
    fn every_event_with_a_hint_is_logged() {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut texts = String::new();
        for file in [
            "engine/pipeline/publisher.rs",
            "engine/capture/driver.rs",
            "engine/sink/nats/worker.rs",
            "cli/inputs.rs",
        ] {
            texts += &std::fs::read_to_string(sources.join(file)).unwrap();
        }
        for (event, _) in OF_EVENTS {
            assert!(texts.contains(&format!("event = \"{event}\"")), "{event}");
        }
    }

    fn message(verb: &str, error: impl Into<anyhow::Error>) -> String {
        hints(verb).messages(&error.into()).join(" | ")
    }

    #[test]
    fn a_recording_error_names_the_flag() {
        let path = || PathBuf::from("rec");
        let exists = || RecordingError::OutputExists { path: path() };
        assert_eq!(
            message("slice", exists()),
            "rec already exists and is not empty: choose another output or pass --force"
        );
        assert_eq!(
            message("verify", exists()),
            "rec already exists and is not empty: choose another output"
        );
        assert_eq!(
            message("merge", RecordingError::NotReplaceable { path: path() }),
            "rec holds files that are not part of a recording: choose another output; --force \
             replaces only recordings"
        );
        assert_eq!(
            message("info", RecordingError::NoManifest { path: path() }),
            "rec is not a recording: manifest.json is missing: `tickdeck recover` makes it again from \
             segments and journal"
        );
        let damaged = |file: &str| RecordingError::Damaged {
            path: path().join(file),
            problem: "it ends early".into(),
        };
        assert_eq!(
            message("info", damaged("manifest.json")),
            "rec/manifest.json is damaged: it ends early; `tickdeck recover` makes another one from \
             segments and journal"
        );
        assert_eq!(
            message("info", damaged("part-00000.parquet")),
            "rec/part-00000.parquet is damaged: it ends early"
        );
    }

    #[test]
    fn a_hint_follows_the_message_it_belongs_to() {
        let error = anyhow::Error::from(RecordingError::OutputExists { path: "rec".into() });
        assert_eq!(
            message("record", error.context("recording")),
            "recording | rec already exists and is not empty: choose another output or pass --force"
        );
    }

    #[test]
    fn an_import_error_names_the_flag() {
        let input = || "x.csv".to_owned();
        let dialect = Dialect::CtpCsv;
        let no_dialect = |is_near, guesses| ImportError::NoDialect {
            input: input(),
            first_line: "a".into(),
            problem: "none".into(),
            is_near,
            guesses,
        };
        let said = message("import", no_dialect(true, Vec::new()));
        assert!(
            said.ends_with("or leave one out with --ignore COLUMN"),
            "{said}"
        );
        let guess = |theirs: &str, field| ColumnGuess {
            theirs: theirs.into(),
            field,
        };
        let guesses = vec![guess("last price9", Some("LastPrice")), guess("mood", None)];
        let said = message("import", no_dialect(true, guesses));
        let advice = "; try --map 'last price9=LastPrice' --ignore mood, or see --map and --ignore";
        assert!(said.ends_with(advice), "{said}");
        let said = message("import", no_dialect(false, Vec::new()));
        assert!(
            said.contains("(none); say what a column is with --map THEIRS=CTP, leave one out")
                && said.ends_with(&format!("with --dialect: {}", Dialect::list())),
            "{said}"
        );
        for (error, end) in [
            (
                ImportError::AmbiguousDialect {
                    input: input(),
                    dialects: "vnpy, tqsdk".into(),
                },
                "all fit; choose one with --dialect",
            ),
            (
                ImportError::SameField {
                    input: input(),
                    dialect,
                    first: "a".into(),
                    second: "b".into(),
                },
                "are the same field; leave one out with --ignore",
            ),
            (
                ImportError::UnreadableColumn {
                    input: input(),
                    name: "mood".into(),
                    kind: "a list",
                },
                "write it as a plain column, or leave it out with --ignore mood",
            ),
            (
                ImportError::NoTradingDay {
                    input: input(),
                    dialect,
                    pattern: "a column",
                },
                "(expected a column); give it with --trading-day YYYYMMDD",
            ),
            (
                ImportError::NoSymbol {
                    input: input(),
                    dialect,
                    pattern: "a column",
                },
                "(expected a column); give it with --symbol",
            ),
        ] {
            let said = message("import", error);
            assert!(said.ends_with(end), "{said}");
        }
    }

    #[test]
    fn a_bad_row_names_its_column_and_the_way_around_it() {
        let row = |problem| {
            let error = ImportError::Row(BadRow {
                input: "x.csv".into(),
                row: 2,
                problem,
            });
            message("import", SourceError::new(SourceErrorKind::BadInput, error))
        };
        let (column, key, value) = ("LocalTime".to_owned(), "mood".to_owned(), "1".to_owned());
        let skip = "; --skip-bad leaves such rows out and counts them";
        for (problem, end) in [
            (RowProblem::Syntax("cut".into()), "row 2, cut"),
            (
                RowProblem::UnknownKey {
                    key,
                    value: value.clone(),
                },
                "detail (--map names its field, --ignore leaves it out)",
            ),
            (
                RowProblem::ReceiveTime { column, value },
                "us or ns (--ignore leaves the column out)",
            ),
            (RowProblem::NoTradingDay, "in the row, or --trading-day"),
        ] {
            let said = row(problem);
            assert!(said.ends_with(&format!("{end}{skip}")), "{said}");
        }
    }
}
