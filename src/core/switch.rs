//! Switches of the environment: a word for yes or no.

/// Words that mean yes.
const YES: [&str; 4] = ["1", "true", "yes", "on"];
/// Words that mean no.
const NO: [&str; 4] = ["0", "false", "no", "off"];

/// A text is neither yes nor no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected {} for yes, or {} for no", YES.join(", "), NO.join(", "))]
pub struct SwitchError;

/// Whether the word means yes, in any case and with blanks around it.
///
/// # Errors
/// When it means neither. A default instead of a mistyped value would be the wrong one half of the time.
pub fn parse_switch(text: &str) -> Result<bool, SwitchError> {
    let word = text.trim();
    let is_one_of = |words: [&str; 4]| words.iter().any(|known| word.eq_ignore_ascii_case(known));
    match (is_one_of(YES), is_one_of(NO)) {
        (true, _) => Ok(true),
        (false, true) => Ok(false),
        (false, false) => Err(SwitchError),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_switch_is_a_word_for_yes_or_no() {
        for word in ["1", "true", "Yes", " ON "] {
            assert_eq!(parse_switch(word), Ok(true), "{word}");
        }
        for word in ["0", "FALSE", "no", "off\t"] {
            assert_eq!(parse_switch(word), Ok(false), "{word}");
        }
        for word in ["", "maybe", "2", "y", "n", "ture"] {
            assert_eq!(parse_switch(word), Err(SwitchError), "{word}");
        }
    }
}
