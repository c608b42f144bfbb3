//! Instruments selected by shell globs.
//!
//! A pattern is matched with the bare id (`rb2601`) and with the vt_symbol (`rb2601.SHFE`). Matching
//! is case-sensitive, because ids are: `rb2601` on SHFE, `RM601` on CZCE.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use globset::{Glob, GlobSet, GlobSetBuilder};

use crate::contract::Exchange;

/// The pattern that selects every instrument.
const ALL: &str = "all";

/// Compiled patterns. An instrument is selected when one of them matches.
#[derive(Debug, Clone)]
pub struct SymbolGlobs {
    /// `None` selects every instrument.
    set: Option<GlobSet>,
}

/// A pattern cannot be compiled.
#[derive(Debug, thiserror::Error)]
#[error("`{pattern}` is not a symbol pattern such as rb2601, rb*, *.CFFEX or all")]
pub struct SymbolGlobError {
    pattern: String,
    source: globset::Error,
}

impl SymbolGlobs {
    /// Compiles patterns. An empty list selects every instrument, as `all` does.
    ///
    /// # Errors
    /// When the brackets or braces of a pattern do not close.
    pub fn new<S: AsRef<str>>(patterns: &[S]) -> Result<Self, SymbolGlobError> {
        let mut patterns = patterns.iter().map(AsRef::as_ref).peekable();
        if patterns.peek().is_none() {
            return Ok(Self { set: None });
        }
        let mut builder = GlobSetBuilder::new();
        let mut selects_all = false;
        let mut last = ALL;
        for pattern in patterns {
            let glob = Glob::new(pattern).map_err(|source| invalid(pattern, source))?;
            selects_all |= pattern == ALL;
            last = pattern;
            builder.add(glob);
        }
        let set = builder.build().map_err(|source| invalid(last, source))?;
        Ok(Self {
            set: (!selects_all).then_some(set),
        })
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
        let is_match = |name: &[u8]| set.is_match(OsStr::from_bytes(name));
        is_match(instrument_id)
            || exchange.is_some_and(|exchange| {
                is_match(&[instrument_id, b".", exchange.as_str().as_bytes()].concat())
            })
    }
}

fn invalid(pattern: &str, source: globset::Error) -> SymbolGlobError {
    SymbolGlobError {
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
    fn a_broken_pattern_is_named() {
        let error = SymbolGlobs::new(&["rb*", "rb[26"]).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("`rb[26` is not a symbol pattern")
        );
    }
}
