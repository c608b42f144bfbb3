//! The help: verbs by purpose, flags that every verb has once and at the end, `-h` on one screen.
//!
//! clap prints a detailed help with blank lines between all flags. Here both forms have its compact
//! layout: `--help` shows everything, `-h` leaves out the flags that few runs need.

use std::ffi::{OsStr, OsString};

use clap::builder::{StyledStr, Styles};
use clap::{Arg, ArgAction, Args as _, Command, CommandFactory as _};

use super::shared::LogArgs;
use super::{Cli, HELP_WIDTH};

/// How much the help shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Detail {
    /// `-h`
    Short,
    /// `--help`
    Full,
}

/// The verbs by purpose. Each verb is in one group.
const PURPOSES: [(&str, &[&str]); 5] = [
    ("Make recordings", &["record", "generate", "import"]),
    (
        "Replay, capture and compare",
        &["replay", "capture", "check", "diff", "demo"],
    ),
    (
        "Inspect, edit and copy recordings",
        &[
            "ls", "info", "cat", "verify", "coverage", "recover", "slice", "merge", "export",
            "prune", "push", "pull",
        ],
    ),
    (
        "Live CTP, and its clients without CTP",
        &["live", "doctor", "smoke", "health", "sim"],
    ),
    ("Set-up", &["completions", "man", "help"]),
];

/// Longest list of values that `-h` shows.
const FEW_VALUES: usize = 4;

/// What clap's own verb does.
const ABOUT_HELP: &str = "Print this help, or the help of a verb";

/// The end of `-h`, in place of the flags that every verb has.
const LOGGING_IN_SHORT: &str =
    "-v more log, -q less, --log-format text|json, --log-level, --no-progress: see --help";

/// The words with `help VERB` as `VERB --help`, so that both print the same.
pub(super) fn help_verb_as_flag(mut words: Vec<OsString>) -> Vec<OsString> {
    if words.get(1).is_some_and(|word| word == "help") {
        words.remove(1);
        words.push("--help".into());
    }
    words
}

/// How much help the words ask for.
pub(super) fn detail_of(words: &[OsString]) -> Detail {
    let mut flags = words.iter().take_while(|word| *word != OsStr::new("--"));
    if flags.any(|word| word == "--help") {
        Detail::Full
    } else {
        Detail::Short
    }
}

/// The definition of the command line with its help.
pub(super) fn command(detail: Detail) -> Command {
    let command = Cli::command();
    let styles = command.get_styles().clone();
    let template = format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{}{}:\n{{options}}{{after-help}}",
        verbs(&command, &styles),
        heading(&styles, "Options"),
    );
    let logging = logging(detail, &styles);
    with_details(command, detail, &logging)
        .help_template(StyledStr::from(template))
        .mut_subcommands(|verb| with_details(verb, detail, &logging))
}

/// One block of lines per purpose.
fn verbs(command: &Command, styles: &Styles) -> String {
    let widest = PURPOSES.iter().flat_map(|(_, verbs)| *verbs);
    let width = widest.map(|verb| verb.len()).max().unwrap_or(0);
    let literal = styles.get_literal();
    let mut text = String::new();
    for (purpose, verbs) in PURPOSES {
        text.push_str(&format!("{}:\n", heading(styles, purpose)));
        for verb in verbs {
            let about = command.find_subcommand(verb).and_then(Command::get_about);
            let about = about.map_or_else(|| ABOUT_HELP.to_owned(), ToString::to_string);
            text.push_str(&format!("  {literal}{verb:width$}{literal:#}  {about}\n"));
        }
        text.push('\n');
    }
    text
}

fn heading(styles: &Styles, text: &str) -> String {
    let header = styles.get_header();
    format!("{header}{text}{header:#}")
}

/// The flags about the log and the progress.
fn logging(detail: Detail, styles: &Styles) -> String {
    let flags = match detail {
        Detail::Short => format!("  {LOGGING_IN_SHORT}"),
        Detail::Full => {
            let flags = Command::new("logging").disable_help_flag(true);
            let mut flags = LogArgs::augment_args(flags)
                .max_term_width(HELP_WIDTH)
                .styles(styles.clone())
                .help_template("{options}");
            let flags = flags.render_help().ansi().to_string();
            flags.trim_end().to_owned()
        }
    };
    format!("{}:\n{flags}", heading(styles, LogArgs::HEADING))
}

/// The program or a verb, with its help in the compact layout.
fn with_details(command: Command, detail: Detail, logging: &str) -> Command {
    let examples = command.get_after_help().map(|text| text.ansi().to_string());
    let after = match examples {
        Some(examples) => format!("{logging}\n\n{examples}"),
        None => logging.to_owned(),
    };
    let command =
        command
            .after_help(StyledStr::from(after))
            .mut_args(|arg| match arg.get_help_heading() {
                Some(LogArgs::HEADING) => arg.hide_short_help(true),
                _ if detail == Detail::Full => with_values(arg.hide_short_help(false)),
                _ if has_many_values(&arg) => arg.hide_possible_values(true),
                _ => arg,
            });
    match detail {
        Detail::Short => command,
        Detail::Full => {
            let about = command.get_long_about().or(command.get_about());
            let about = about.cloned().unwrap_or_default();
            command.about(about).disable_help_flag(true).arg(
                Arg::new("help")
                    .short('h')
                    .long("help")
                    .help_heading(None)
                    .action(ArgAction::HelpShort)
                    .help("Print help (-h: only the flags that most runs need)"),
            )
        }
    }
}

fn has_many_values(arg: &Arg) -> bool {
    arg.get_action().takes_values() && arg.get_possible_values().len() > FEW_VALUES
}

/// A flag whose values are explained says so in its help, one line each.
fn with_values(arg: Arg) -> Arg {
    let values = arg.get_possible_values();
    let explained: Vec<String> = values
        .iter()
        .filter_map(|value| Some(format!("\n- {}: {}", value.get_name(), value.get_help()?)))
        .collect();
    match arg.get_help() {
        Some(help) if !explained.is_empty() => {
            let defaults = arg.get_default_values().iter();
            let default: String = defaults
                .map(|value| format!(" [default: {}]", value.display()))
                .collect();
            let help = format!("{}{default}{}", help.ansi(), explained.concat());
            let arg = arg.help(StyledStr::from(help));
            arg.hide_possible_values(true).hide_default_value(true)
        }
        _ => arg,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_has_one_purpose() {
        let mut listed: Vec<&str> = PURPOSES
            .iter()
            .flat_map(|(_, verbs)| *verbs)
            .copied()
            .collect();
        listed.sort_unstable();
        let mut command = Cli::command();
        command.build();
        let mut verbs: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
        verbs.sort_unstable();
        assert_eq!(listed, verbs);
    }

    #[test]
    fn a_verb_is_one_line_of_the_help() {
        for line in verbs(&Cli::command(), &Styles::plain()).lines() {
            assert!(line.len() <= HELP_WIDTH, "{line}");
        }
    }

    #[test]
    fn the_verb_help_is_the_flag() {
        let words = |text: &str| -> Vec<OsString> { text.split(' ').map(Into::into).collect() };
        let same = |text, other| assert_eq!(help_verb_as_flag(words(text)), words(other));
        same("tickdeck help", "tickdeck --help");
        same("tickdeck help replay", "tickdeck replay --help");
        same("tickdeck replay help", "tickdeck replay help");
        assert_eq!(detail_of(&words("tickdeck replay -h")), Detail::Short);
        assert_eq!(detail_of(&words("tickdeck --help")), Detail::Full);
        assert_eq!(detail_of(&words("tickdeck cat -- --help")), Detail::Short);
    }
}
