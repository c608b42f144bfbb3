//! Flags in texts: the library names none, and a verb names only its own.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use regex::Regex;
use tickdeck_cli::args;

use super::assert_none;
use super::documents::{literals, sources};
use super::source::is_test_file;

/// The crates that know nothing of the command line.
const LIBRARIES: [&str; 3] = ["src/core", "src/recording", "src/engine"];

/// Files of the command line that serve some verbs, with those verbs. A verb's file bears its name,
/// and its flags may be any of the verb's. Other files serve every verb.
const SERVES: [(&str, &[&str]); 3] = [
    ("src/cli/front.rs", &["live", "record"]),
    (
        "src/cli/front_settings.rs",
        &["live", "record", "smoke", "doctor"],
    ),
    ("src/cli/remedies.rs", &["doctor"]),
];

/// The string literals of production code below some folders that contain a flag: place, line, text.
/// Comments, and arguments that another program gets, are left out.
fn texts(folders: &[&str]) -> Vec<(String, usize, String)> {
    let flag = Regex::new("--[a-z]").unwrap();
    let mut found = Vec::new();
    for (place, source) in sources() {
        let path = Path::new(&place);
        if is_test_file(path) || !folders.iter().any(|folder| path.starts_with(folder)) {
            continue;
        }
        let mut texts = Vec::new();
        literals(source.parse().unwrap(), &mut texts);
        let lines: Vec<&str> = source.lines().collect();
        let is_comment = |line: usize| lines[line - 1].trim_start().starts_with("//");
        texts.retain(|(line, text)| flag.is_match(text) && !is_comment(*line));
        found.extend(
            texts
                .into_iter()
                .map(|(line, text)| (place.clone(), line, text)),
        );
    }
    found
}

#[test]
fn the_library_names_no_flag() {
    let named: Vec<String> = texts(&LIBRARIES)
        .into_iter()
        .map(|(place, line, text)| format!("{place}:{line}: {text}"))
        .collect();
    assert_none(
        &named,
        "flags in texts of the library: the command line adds them",
    );
}

/// The flags that a text names, without the dashes. Quoted commands name their verb and do not count.
fn flags_in<'a>(flag: &Regex, text: &'a str) -> Vec<&'a str> {
    let unquoted = text.split('`').step_by(2);
    unquoted
        .flat_map(|part| flag.captures_iter(part))
        .map(|found| found.get(1).unwrap().as_str())
        .collect()
}

/// A flag after a space or a bracket.
fn flag() -> Regex {
    Regex::new(r"(?:^|[^-\w])--([a-z][a-z0-9-]*)").unwrap()
}

/// The verbs that a file serves; none where it may serve any.
fn verbs_of<'a>(place: &'a str, flags: &Flags) -> Vec<&'a str> {
    if let Some((_, verbs)) = SERVES.iter().find(|(file, _)| *file == place) {
        return verbs.to_vec();
    }
    let inside = place.strip_prefix("src/cli/").unwrap_or(place);
    let verb = inside.split(['/', '.']).next().unwrap_or_default();
    let is_verb = flags.contains_key(verb);
    is_verb.then_some(verb).into_iter().collect()
}

/// The flags of each verb, with those of every verb.
type Flags = BTreeMap<String, BTreeSet<String>>;

fn flags_of_verbs() -> Flags {
    let command = args::command();
    let flags_of = |verb: &clap::Command| {
        let visible = verb.get_arguments().filter(|arg| !arg.is_hide_set());
        let names = visible.filter_map(|arg| arg.get_long().map(str::to_owned));
        names.collect::<BTreeSet<String>>()
    };
    let shared = flags_of(&command);
    let verbs = command.get_subcommands();
    verbs
        .map(|verb| (verb.get_name().to_owned(), &flags_of(verb) | &shared))
        .collect()
}

#[test]
fn a_verb_names_only_its_flags() {
    let (flag, flags) = (flag(), flags_of_verbs());
    let mut problems = Vec::new();
    for (place, line, text) in texts(&["src/cli"]) {
        // The definition of the flags names those of every verb.
        let is_argument = text.starts_with("--") && !text.contains(' ');
        if place.starts_with("src/cli/args") || is_argument {
            continue;
        }
        let verbs = verbs_of(&place, &flags);
        for name in flags_in(&flag, &text) {
            let is_known = if verbs.is_empty() {
                flags.values().any(|flags| flags.contains(name))
            } else {
                verbs.iter().all(|verb| flags[*verb].contains(name))
            };
            if !is_known {
                problems.push(format!("{place}:{line}: --{name} in {text:?}"));
            }
        }
    }
    assert_none(&problems, "flags that a verb does not have");
}

#[test]
fn a_flag_in_a_text_is_seen() {
    let (flag, flags) = (flag(), flags_of_verbs());
    let seen = |text| flags_in(&flag, text);
    assert_eq!(seen("pass --force, or --map A=B"), ["force", "map"]);
    assert_eq!(seen("run `tickdeck replay --salvage`"), [""; 0]);
    assert_eq!(seen("a--b, --, ---"), [""; 0]);
    assert_eq!(verbs_of("src/cli/capture/report.rs", &flags), ["capture"]);
    assert_eq!(verbs_of("src/cli/front.rs", &flags), ["live", "record"]);
    assert!(verbs_of("src/cli/outputs.rs", &flags).is_empty());
    assert!(flags["cat"].contains("symbols") && flags["cat"].contains("quiet"));
    assert!(!flags["cat"].contains("calendar"));
}
