//! Subjects to subscribe to: tokens with single dots between them, `*` for any one token, a last
//! `>` for one or more.

use std::fmt;
use std::str::FromStr;

/// A subject that cannot be subscribed to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{reason}; expected words with single dots between them, * for any one word and > for the \
     rest, such as market.tick.SHFE.* or market.tick.>"
)]
pub struct PatternError {
    reason: String,
}

/// A subject with wildcards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectPattern(String);

impl FromStr for SubjectPattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let error = |reason: String| Err(PatternError { reason });
        if let Some(found) = text.chars().find(|c| c.is_whitespace() || c.is_control()) {
            return error(format!("{found:?} cannot stand in a subject"));
        }
        let count = text.split('.').count();
        for (position, token) in text.split('.').enumerate() {
            if token.is_empty() {
                return error("a word is empty".to_owned());
            }
            if token.len() > 1 && token.contains(['*', '>']) {
                return error(format!(
                    "the wildcard in {token:?} is not a word of its own"
                ));
            }
            if token == ">" && position + 1 < count {
                return error("> stands before the end".to_owned());
            }
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for SubjectPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl SubjectPattern {
    /// Everything under `prefix`.
    ///
    /// # Errors
    /// When `prefix` cannot stand in a subject.
    pub fn below(prefix: &str) -> Result<Self, PatternError> {
        format!("{prefix}.>").parse()
    }

    /// The text as given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a message on `subject` belongs to it.
    #[must_use]
    pub fn matches(&self, subject: &str) -> bool {
        let mut tokens = subject.split('.');
        for wanted in self.0.split('.') {
            match (wanted, tokens.next()) {
                (_, None) => return false,
                (">", Some(_)) => return true,
                ("*", Some(_)) => {}
                (wanted, Some(token)) if wanted == token => {}
                _ => return false,
            }
        }
        tokens.next().is_none()
    }

    /// Whether every subject below `prefix` belongs to it.
    #[must_use]
    pub fn covers_below(&self, prefix: &str) -> bool {
        let Some(head) = self.0.strip_suffix('>') else {
            return false;
        };
        let wanted: Vec<&str> = head.split_terminator('.').collect();
        let given: Vec<&str> = prefix.split('.').collect();
        wanted.len() <= given.len()
            && wanted
                .iter()
                .zip(given)
                .all(|(wanted, given)| *wanted == "*" || *wanted == given)
    }

    /// Whether some subject below `prefix` may belong to it.
    #[must_use]
    pub fn reaches_below(&self, prefix: &str) -> bool {
        let mut given = prefix.split('.');
        for wanted in self.0.split('.') {
            match given.next() {
                // All of the prefix is there, and one token more.
                None => return true,
                Some(_) if wanted == ">" => return true,
                Some(given) if wanted == "*" || wanted == given => {}
                Some(_) => return false,
            }
        }
        false
    }

    /// Whether the first token is a wildcard.
    #[must_use]
    pub fn starts_with_wildcard(&self) -> bool {
        self.0.starts_with(['*', '>'])
    }

    /// One pattern that has every subject of all `patterns`, and as few others as a pattern can.
    /// `None` of none.
    #[must_use]
    pub fn cover(patterns: &[Self]) -> Option<Self> {
        let (first, rest) = patterns.split_first()?;
        let mut cover: Vec<&str> = first.0.split('.').collect();
        for other in rest {
            cover = cover_of_two(&cover, &other.0.split('.').collect::<Vec<_>>());
        }
        Some(Self(cover.join(".")))
    }
}

fn cover_of_two<'t>(a: &[&'t str], b: &[&'t str]) -> Vec<&'t str> {
    let mut cover = Vec::new();
    for (a, b) in a.iter().zip(b) {
        match (*a, *b) {
            (">", _) | (_, ">") => {
                cover.push(">");
                return cover;
            }
            (a, b) => cover.push(if a == b { a } else { "*" }),
        }
    }
    if a.len() != b.len() {
        // The shorter one ends with its last token, which `>` has to stand for.
        cover.pop();
        cover.push(">");
    }
    cover
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pattern(text: &str) -> SubjectPattern {
        text.parse().unwrap()
    }

    #[test]
    fn wildcards_stand_for_one_word_or_for_the_rest() {
        for (text, subject, expected) in [
            ("a.b", "a.b", true),
            ("a.b", "a.b.c", false),
            ("a.*", "a.b", true),
            ("a.*", "a", false),
            ("a.*", "a.b.c", false),
            ("a.>", "a.b.c", true),
            ("a.>", "a", false),
            (">", "a", true),
            ("*.*.x", "a.b.x", true),
            ("*.*.x", "a.b.y", false),
        ] {
            assert_eq!(pattern(text).matches(subject), expected, "{text} {subject}");
        }
    }

    #[test]
    fn what_no_server_takes_is_refused_and_named() {
        for (bad, part) in [
            ("", "empty"),
            ("a..b", "empty"),
            (".a", "empty"),
            ("a.", "empty"),
            ("a.b*", "\"b*\""),
            ("a.>.b", "before the end"),
            (">>", "\">>\""),
            ("a b", "' '"),
            ("a\n", "'\\n'"),
        ] {
            let error = bad.parse::<SubjectPattern>().unwrap_err().to_string();
            assert!(
                error.contains(part) && error.contains("expected"),
                "{error}"
            );
        }
    }

    #[test]
    fn the_cover_of_several_is_the_narrowest_one() {
        for (patterns, expected) in [
            (&["a.b"][..], "a.b"),
            (&["a.b.c", "a.x.c"], "a.*.c"),
            (&["a.b", "a.b.c"], "a.>"),
            (&["a.>", "a"], ">"),
            (&["a.*.c", "a.b.>"], "a.*.>"),
            (&["a.b", "c.d"], "*.*"),
            (&["a", "a"], "a"),
        ] {
            let patterns: Vec<_> = patterns.iter().map(|text| pattern(text)).collect();
            assert_eq!(SubjectPattern::cover(&patterns).unwrap().as_str(), expected);
        }
        assert_eq!(SubjectPattern::cover(&[]), None);
    }

    #[test]
    fn a_prefix_is_covered_when_all_below_it_is() {
        for (text, prefix, expected) in [
            ("market.tick.>", "market.tick", true),
            ("market.>", "market.tick", true),
            ("*.tick.>", "market.tick", true),
            (">", "market.tick", true),
            ("market.tick.SHFE.>", "market.tick", false),
            ("market.tick.*.*", "market.tick", false),
            ("other.>", "market.tick", false),
        ] {
            assert_eq!(pattern(text).covers_below(prefix), expected, "{text}");
        }
    }

    #[test]
    fn a_pattern_reaches_below_a_prefix_when_it_has_something_there() {
        for (text, prefix, expected) in [
            ("market.tick.SHFE.*", "market.tick", true),
            ("market.*.SHFE.>", "market.tick", true),
            (">", "market.tick", true),
            ("market.tick", "market.tick", false),
            ("bars.>", "market.tick", false),
            ("market.bar.*", "market.tick", false),
        ] {
            assert_eq!(pattern(text).reaches_below(prefix), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn prop_the_cover_has_what_any_of_its_patterns_has(
            texts in proptest::collection::vec("([ab*]\\.){0,3}[ab>]", 1..4),
            subject in "([abc]\\.){0,4}[abc]",
        ) {
            let patterns: Vec<_> = texts.iter().map(|text| pattern(text)).collect();
            let cover = SubjectPattern::cover(&patterns).unwrap();
            prop_assert!(cover.as_str().parse::<SubjectPattern>().is_ok());
            if patterns.iter().any(|pattern| pattern.matches(&subject)) {
                prop_assert!(cover.matches(&subject), "{cover} {subject}");
            }
            if cover.covers_below("c") {
                let below = format!("c.{subject}");
                prop_assert!(cover.matches(&below));
            }
        }
    }
}
