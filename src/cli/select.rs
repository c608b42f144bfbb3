//! Which instruments: shell globs over the bare id or the vt_symbol, case-sensitive as ids are
//! (`rb2601` on SHFE, `RM601` on CZCE).

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use globset::{Glob, GlobSet, GlobSetBuilder};

use crate::contract::Exchange;

/// The pattern that takes everything.
const ALL: &str = "all";

/// A set of patterns; an instrument is taken when one of them matches.
#[derive(Debug, Clone)]
pub struct SymbolGlobs {
    /// `None` takes everything.
    set: Option<GlobSet>,
}

/// A pattern is not one.
#[derive(Debug, thiserror::Error)]
#[error("`{pattern}` is not a symbol pattern such as rb2601, rb*, *.CFFEX or all")]
pub struct SymbolGlobError {
    pattern: String,
    source: globset::Error,
}

impl SymbolGlobs {
    /// Compiles patterns. No pattern at all, like `all`, takes everything.
    ///
    /// # Errors
    /// For a pattern whose brackets or braces do not close.
    pub fn new<S: AsRef<str>>(patterns: &[S]) -> Result<Self, SymbolGlobError> {
        let mut patterns = patterns.iter().map(AsRef::as_ref).peekable();
        if patterns.peek().is_none() {
            return Ok(Self { set: None });
        }
        let mut builder = GlobSetBuilder::new();
        let mut takes_all = false;
        let mut last = ALL;
        for pattern in patterns {
            let glob = Glob::new(pattern).map_err(|source| refused(pattern, source))?;
            takes_all |= pattern == ALL;
            last = pattern;
            builder.add(glob);
        }
        let set = builder.build().map_err(|source| refused(last, source))?;
        Ok(Self {
            set: (!takes_all).then_some(set),
        })
    }

    /// Whether everything is taken, so that nobody need ask.
    #[must_use]
    pub const fn takes_all(&self) -> bool {
        self.set.is_none()
    }

    /// Whether the instrument is taken. `instrument_id` are the raw bytes of the CTP field; without
    /// an exchange only patterns for the bare id can match. Costs a search: keep the answer per
    /// instrument on a hot path.
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

fn refused(pattern: &str, source: globset::Error) -> SymbolGlobError {
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
    fn no_pattern_and_all_take_everything() {
        assert!(matches(&[], "rb2601", None));
        assert!(matches(&["IF*", "all"], "rb2601", None));
        assert!(SymbolGlobs::new(&["all"]).unwrap().takes_all());
        assert!(!SymbolGlobs::new(&["*"]).unwrap().takes_all());
    }

    #[test]
    fn an_id_that_is_no_utf8_can_be_matched() {
        let globs = SymbolGlobs::new(&["rb*"]).unwrap();
        assert!(globs.matches(b"rb\xff", None));
    }

    #[test]
    fn a_broken_pattern_is_refused_by_name() {
        let error = SymbolGlobs::new(&["rb*", "rb[26"]).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("`rb[26` is not a symbol pattern")
        );
    }
}
