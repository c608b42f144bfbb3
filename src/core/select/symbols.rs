//! Instruments selected by shell globs.
//!
//! A pattern is matched with the bare id (`rb2601`) and with the vt_symbol (`rb2601.SHFE`). Matching
//! is case-sensitive, because ids are: `rb2601` on SHFE, `RM601` on CZCE.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use globset::{Glob, GlobSet, GlobSetBuilder};

use crate::contract::Exchange;

/// The pattern that selects every instrument.
const ALL: &str = "all";

/// Characters that only patterns have.
const WILD: [char; 5] = ['*', '?', '[', '{', '\\'];

/// Whether a text is a pattern, and so needs a list of instruments. Any other text is the id of one
/// instrument, with or without its exchange. Surrounding blanks are ignored.
#[must_use]
pub fn is_pattern(text: &str) -> bool {
    let text = text.trim();
    text == ALL || text.contains(WILD)
}

/// Compiled patterns. An instrument is selected when one of them matches.
#[derive(Debug, Clone)]
pub struct SymbolGlobs {
    /// As they were given.
    patterns: Vec<String>,
    /// `None` selects every instrument.
    set: Option<GlobSet>,
}

/// A pattern cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SymbolGlobError {
    /// It cannot be compiled.
    #[error("`{pattern}` is not a symbol pattern such as rb2601, rb*, *.CFFEX or all")]
    Invalid {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        source: globset::Error,
    },
    /// It begins with `!`.
    #[error(
        "`{pattern}` is an exclusion, which is not supported: list what to select, as in rb*,*.CFFEX"
    )]
    Exclusion {
        /// The pattern.
        pattern: String,
    },
    /// There is nothing between two commas.
    #[error("a symbol pattern is empty: give ids or patterns such as rb2601, rb*, *.CFFEX or all")]
    Empty,
}

impl SymbolGlobs {
    /// Compiles patterns. An empty list selects every instrument, as `all` does.
    ///
    /// # Errors
    /// When a pattern is empty, begins with `!`, or its brackets or braces do not close.
    pub fn new<S: AsRef<str>>(patterns: &[S]) -> Result<Self, SymbolGlobError> {
        let patterns: Vec<String> = patterns.iter().map(|p| p.as_ref().trim().into()).collect();
        if patterns.is_empty() {
            return Ok(Self::all());
        }
        let mut builder = GlobSetBuilder::new();
        let mut last = ALL;
        for pattern in &patterns {
            if pattern.is_empty() {
                return Err(SymbolGlobError::Empty);
            }
            if pattern.starts_with('!') {
                let pattern = pattern.clone();
                return Err(SymbolGlobError::Exclusion { pattern });
            }
            builder.add(Glob::new(pattern).map_err(|source| invalid(pattern, source))?);
            last = pattern;
        }
        let set = builder.build().map_err(|source| invalid(last, source))?;
        let selects_all = patterns.iter().any(|pattern| pattern == ALL);
        Ok(Self {
            set: (!selects_all).then_some(set),
            patterns,
        })
    }

    /// Selects every instrument.
    #[must_use]
    pub const fn all() -> Self {
        Self {
            patterns: Vec::new(),
            set: None,
        }
    }

    /// The patterns, as they were given.
    #[must_use]
    pub fn patterns(&self) -> &[String] {
        &self.patterns
    }

    /// The patterns that match none of these instruments.
    pub fn unmatched<'i>(
        &self,
        instruments: impl IntoIterator<Item = (&'i [u8], Option<Exchange>)>,
    ) -> Vec<&str> {
        let Some(set) = &self.set else {
            return Vec::new();
        };
        let mut is_matched = vec![false; self.patterns.len()];
        for (id, exchange) in instruments {
            for name in names(id, exchange) {
                for index in set.matches(OsStr::from_bytes(&name)) {
                    is_matched[index] = true;
                }
            }
        }
        let patterns = self.patterns.iter().zip(is_matched);
        patterns
            .filter_map(|(pattern, is_matched)| (!is_matched).then_some(pattern.as_str()))
            .collect()
    }

    /// Whether every instrument is selected, so that matching can be skipped.
    #[must_use]
    pub const fn selects_all(&self) -> bool {
        self.set.is_none()
    }

    /// Whether the instrument is selected. `instrument_id` holds the raw bytes of the CTP field.
    /// Without an exchange only patterns for the bare id can match. Each call is a search: on a hot
    /// path, cache the answer per instrument.
    #[must_use]
    pub fn matches(&self, instrument_id: &[u8], exchange: Option<Exchange>) -> bool {
        let Some(set) = &self.set else {
            return true;
        };
        names(instrument_id, exchange).any(|name| set.is_match(OsStr::from_bytes(&name)))
    }
}

/// What patterns are matched with: the bare id, and the vt_symbol where the exchange is known.
fn names(id: &[u8], exchange: Option<Exchange>) -> impl Iterator<Item = Cow<'_, [u8]>> {
    let vt_symbol = exchange.map(|exchange| [id, b".", exchange.as_str().as_bytes()].concat());
    [Cow::Borrowed(id)]
        .into_iter()
        .chain(vt_symbol.map(Cow::Owned))
}

fn invalid(pattern: &str, source: globset::Error) -> SymbolGlobError {
    SymbolGlobError::Invalid {
        pattern: pattern.into(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(patterns: &[&str], id: &str, exchange: Option<Exchange>) -> bool {
        let globs = SymbolGlobs::new(patterns).unwrap();
        globs.matches(id.as_bytes(), exchange)
    }

    #[test]
    fn a_pattern_matches_the_id_or_the_vt_symbol() {
        let shfe = Some(Exchange::Shfe);
        assert!(matches(&["rb*"], "rb2601", shfe));
        assert!(matches(&["rb2601.SHFE"], "rb2601", shfe));
        assert!(matches(&["*.SHFE"], "rb2601", shfe));
        assert!(matches(&["IF*", "rb26??"], "rb2601", shfe));
        assert!(matches(&["SPD *"], "SPD RM601&RM605", Some(Exchange::Czce)));
        assert!(!matches(&["*.SHFE"], "rb2601", None));
        assert!(!matches(&["RB*"], "rb2601", shfe), "ids are case-sensitive");
        assert!(!matches(&["rb"], "rb2601", shfe));
        assert!(!matches(&["*.CFFEX"], "rb2601", shfe));
    }

    #[test]
    fn no_pattern_and_all_select_everything() {
        assert!(matches(&[], "rb2601", None));
        assert!(matches(&["IF*", "all"], "rb2601", None));
        assert!(SymbolGlobs::new(&["all"]).unwrap().selects_all());
        assert!(!SymbolGlobs::new(&["*"]).unwrap().selects_all());
    }

    #[test]
    fn a_non_utf8_id_can_be_matched() {
        let globs = SymbolGlobs::new(&["rb*"]).unwrap();
        assert!(globs.matches(b"rb\xff", None));
    }

    #[test]
    fn patterns_differ_from_ids() {
        for pattern in [
            "all", " all ", "rb*", "*.CFFEX", "rb260?", "r[bu]", "{rb,IF}*", r"a\*",
        ] {
            assert!(is_pattern(pattern), "{pattern}");
        }
        for id in ["rb2601", "rb2601.SHFE", "SPD RM601&RM605", "ALL", ""] {
            assert!(!is_pattern(id), "{id}");
        }
    }

    #[test]
    fn a_broken_pattern_is_named() {
        let error = SymbolGlobs::new(&["rb*", "rb[26"]).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("`rb[26` is not a symbol pattern")
        );
    }

    #[test]
    fn a_pattern_that_excludes_is_refused() {
        let error = SymbolGlobs::new(&["!rb*"]).unwrap_err();
        assert!(
            error.to_string().starts_with("`!rb*` is an exclusion"),
            "{error}"
        );
        let error = SymbolGlobs::new(&["rb*", " "]).unwrap_err();
        assert!(matches!(error, SymbolGlobError::Empty), "{error}");
    }

    #[test]
    fn patterns_without_a_match_are_listed() {
        let globs = SymbolGlobs::new(&["rb*", "*.CFFEX", "IF2601"]).unwrap();
        let instruments: [(&[u8], _); 2] = [
            (b"rb2601", Some(Exchange::Shfe)),
            (b"IF2603", Some(Exchange::Cffex)),
        ];
        assert_eq!(globs.unmatched(instruments), ["IF2601"]);
        let all = SymbolGlobs::new(&["all", "IF2601"]).unwrap();
        assert!(all.unmatched(instruments).is_empty());
    }
}
