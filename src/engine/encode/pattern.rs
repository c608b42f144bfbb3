//! Subjects to subscribe to: tokens with single dots between them, `*` for any one token, a final
//! `>` for one or more.

use std::fmt;
use std::str::FromStr;

/// A subject that cannot be subscribed to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{reason}; expected tokens separated by single dots, * for any one token and > for the \
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
            return error(format!("{found:?} is not allowed in a subject"));
        }
        let count = text.split('.').count();
        for (position, token) in text.split('.').enumerate() {
            if token.is_empty() {
                return error("a token is empty".to_owned());
            }
            if token.len() > 1 && token.contains(['*', '>']) {
                return error(format!("the wildcard in {token:?} is not a whole token"));
            }
            if token == ">" && position + 1 < count {
                return error("> is not at the end".to_owned());
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
    /// When `prefix` is not allowed in a subject.
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

    /// Whether every subject of the pattern `other` belongs to it.
    #[must_use]
    pub fn covers(&self, other: &str) -> bool {
        let mut theirs = other.split('.');
        for ours in self.0.split('.') {
            match (ours, theirs.next()) {
                (_, None) | (_, Some(">")) if ours != ">" => return false,
                (">", found) => return found.is_some(),
                ("*", _) => {}
                (ours, Some(theirs)) if ours == theirs => {}
                _ => return false,
            }
        }
        theirs.next().is_none()
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

    /// Patterns that have every subject of `patterns`, and no subject twice. Overlapping ones are
    /// replaced by their cover, at the position of the last of them.
    #[must_use]
    pub fn disjoint(patterns: &[Self]) -> Vec<Self> {
        let mut disjoint: Vec<Self> = Vec::new();
        for pattern in patterns {
            let mut pattern = pattern.clone();
            while let Some(found) = disjoint.iter().position(|other| other.overlaps(&pattern)) {
                pattern = disjoint.remove(found).cover_with(&pattern);
            }
            disjoint.push(pattern);
        }
        disjoint
    }

    /// Whether some subject belongs to both.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        let (mut ours, mut theirs) = (self.0.split('.'), other.0.split('.'));
        loop {
            match (ours.next(), theirs.next()) {
                (None, None) | (Some(">"), Some(_)) | (Some(_), Some(">")) => return true,
                (Some("*"), Some(_)) | (Some(_), Some("*")) => {}
                (Some(one), Some(two)) if one == two => {}
                _ => return false,
            }
        }
    }

    /// One pattern that has every subject of both, and as few others as a pattern can.
    fn cover_with(&self, other: &Self) -> Self {
        let [ours, theirs] = [self, other].map(|pattern| pattern.0.split('.').collect::<Vec<_>>());
        Self(cover_of_two(&ours, &theirs).join("."))
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
        // The shorter one ends with its last token, which `>` must match.
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
    fn a_pattern_covers_narrower_ones() {
        for (text, other, expected) in [
            ("a.>", "a.*.*", true),
            ("a.>", "a.>", true),
            (">", "a", true),
            ("a.*.*", "a.*.*", true),
            ("a.*.*", "a.b.c", true),
            ("a.*.*", "a.>", false),
            ("a.*", "a.*.*", false),
            ("a.b.*", "a.*.*", false),
            ("a.>", "a", false),
            ("a.*.*", "a.*", false),
        ] {
            assert_eq!(pattern(text).covers(other), expected, "{text} {other}");
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
            ("a.>.b", "not at the end"),
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
            let patterns = patterns.iter().map(|text| pattern(text));
            let cover = patterns.reduce(|cover, next| cover.cover_with(&next));
            assert_eq!(cover.unwrap().as_str(), expected);
        }
    }

    #[test]
    fn overlapping_patterns_become_one() {
        for (patterns, expected) in [
            (&["a.>", "b.>", "a"][..], &["a.>", "b.>", "a"][..]),
            (&["a.b", "c", "a.b"], &["c", "a.b"]),
            (&["a.*.c", "d", "a.b.*"], &["d", "a.*.*"]),
            (&["a", "b.c", ">"], &[">"]),
            (&["a.b", "*.c", "a.*"], &["*.*"]),
        ] {
            let patterns: Vec<_> = patterns.iter().map(|text| pattern(text)).collect();
            let found = SubjectPattern::disjoint(&patterns);
            let found: Vec<&str> = found.iter().map(SubjectPattern::as_str).collect();
            assert_eq!(found, expected);
        }
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
    fn a_pattern_reaches_below_a_prefix_if_it_matches_there() {
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
        fn prop_disjoint_patterns_have_each_subject_once(
            texts in proptest::collection::vec("([ab*]\\.){0,3}[ab>]", 1..4),
            subject in "([abc]\\.){0,4}[abc]",
        ) {
            let patterns: Vec<_> = texts.iter().map(|text| pattern(text)).collect();
            let disjoint = SubjectPattern::disjoint(&patterns);
            for cover in &disjoint {
                prop_assert!(cover.as_str().parse::<SubjectPattern>().is_ok());
                if cover.covers_below("c") {
                    let below = format!("c.{subject}");
                    prop_assert!(cover.matches(&below));
                }
            }
            let count = |patterns: &[SubjectPattern]| {
                patterns.iter().filter(|pattern| pattern.matches(&subject)).count()
            };
            let found = count(&disjoint);
            prop_assert!(found <= 1, "{:?} {}", disjoint, subject);
            prop_assert!(found == 1 || count(&patterns) == 0, "{:?} {}", disjoint, subject);
        }

        #[test]
        fn prop_patterns_that_share_a_subject_overlap(
            one in "([ab*]\\.){0,3}[ab*>]",
            other in "([ab*]\\.){0,3}[ab*>]",
            subject in "([ab]\\.){0,3}[ab]",
        ) {
            let (one, other) = (pattern(&one), pattern(&other));
            if one.matches(&subject) && other.matches(&subject) {
                prop_assert!(one.overlaps(&other) && other.overlaps(&one));
            }
        }
    }
}
