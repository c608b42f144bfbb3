//! The words of a command line, before they are parsed.

use std::ffi::OsString;

use clap::Command;

/// Joins a value such as `-5s` with the flag before it, as in `--delay=-5s`. The parser would take it
/// for a flag, and advise `-- -5s`. Joined, it goes to the parser of the value, which says what is
/// allowed.
pub(super) fn join_negative_values(command: &Command, words: Vec<OsString>) -> Vec<OsString> {
    let is_verb = |word: &OsString| word.to_str().and_then(|word| command.find_subcommand(word));
    let Some(verb) = words.iter().find_map(is_verb) else {
        return words;
    };
    let flags = || verb.get_arguments().chain(command.get_arguments());
    let mut joined: Vec<OsString> = Vec::with_capacity(words.len());
    let mut words = words.into_iter();
    for word in words.by_ref() {
        if word == "--" {
            joined.push(word);
            break;
        }
        match joined.last_mut() {
            Some(flag) if is_negative(&word) && flags().any(|known| takes_value(known, flag)) => {
                flag.push("=");
                flag.push(word);
            }
            _ => joined.push(word),
        }
    }
    joined.extend(words);
    joined
}

/// Whether this is a minus sign and a digit.
fn is_negative(word: &OsString) -> bool {
    matches!(word.as_encoded_bytes(), [b'-', b'0'..=b'9', ..])
}

/// Whether `word` is this flag, written without a value, although it has one.
fn takes_value(flag: &clap::Arg, word: &OsString) -> bool {
    let is_it = |word: &str| match word.strip_prefix("--") {
        Some(long) => {
            let aliases = flag.get_all_aliases().unwrap_or_default();
            flag.get_long() == Some(long) || aliases.contains(&long)
        }
        None => flag
            .get_short()
            .is_some_and(|short| word.strip_prefix('-') == Some(short.to_string().as_str())),
    };
    flag.get_action().takes_values() && word.to_str().is_some_and(is_it)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(words: &str) -> String {
        let words = words.split(' ').map(OsString::from).collect();
        let joined = join_negative_values(&super::super::command(), words);
        let joined: Vec<_> = joined.iter().filter_map(|word| word.to_str()).collect();
        joined.join(" ")
    }

    #[test]
    fn a_negative_value_goes_to_its_flag() {
        for (words, expected) in [
            (
                "tickdeck replay rec --rate -1",
                "tickdeck replay rec --rate=-1",
            ),
            (
                "tickdeck replay rec --speed -1 -n -2",
                "tickdeck replay rec --speed=-1 -n=-2",
            ),
            (
                "tickdeck replay rec -d -5s -p",
                "tickdeck replay rec -d=-5s -p",
            ),
            (
                "tickdeck --log-level -1 cat rec",
                "tickdeck --log-level=-1 cat rec",
            ),
        ] {
            assert_eq!(joined(words), expected);
        }
    }

    #[test]
    fn other_words_stay() {
        for words in [
            "tickdeck replay rec --json -1",
            "tickdeck replay -1",
            "tickdeck replay rec -- -n -2",
            "tickdeck replay rec -n 5 -p",
            "tickdeck nosuch --rate -1",
        ] {
            assert_eq!(joined(words), words);
        }
    }
}
