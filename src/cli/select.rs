//! Which events of a recording: instruments by shell globs over the bare id or the vt_symbol,
//! case-sensitive as ids are (`rb2601` on SHFE, `RM601` on CZCE), and a window of receive time.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use globset::{Glob, GlobSet, GlobSetBuilder};
use tickdeck_core::calendar::TradingCalendar;
use tickdeck_core::contract::Exchange;
use tickdeck_core::time::{TradingDay, UnixNanos};

use super::args::{SelectArgs, duration_ns};
use super::outcome::UsageError;
use super::time_spec::TimeSpec;

/// A span of receive time; an open side has no bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Window {
    /// First receive time that is taken.
    pub start: Option<UnixNanos>,
    /// First receive time after it that is not.
    pub end: Option<UnixNanos>,
}

impl Window {
    /// What the flags mean. `first` tells the first receive time of what is read, and `day` the
    /// trading day that a time of day is meant in; they are asked only when the flags need them. A
    /// duration counts from the start of the window.
    ///
    /// # Errors
    /// When the window ends before it starts or is outside the years 1678 to 2261, and the errors
    /// of `first` and `day`.
    pub fn of(
        args: &SelectArgs,
        first: impl Fn() -> anyhow::Result<UnixNanos>,
        day: impl Fn() -> anyhow::Result<TradingDay>,
        calendar: &TradingCalendar,
    ) -> anyhow::Result<Self> {
        let resolve = |flag: &str, spec: TimeSpec| -> anyhow::Result<UnixNanos> {
            let day = match spec {
                TimeSpec::At(at) => return Ok(at),
                TimeSpec::InTradingDay(_) => day()?,
            };
            spec.resolve(day, calendar).ok_or_else(|| {
                UsageError::new(format!("{flag} is outside the years 1678 to 2261")).into()
            })
        };
        let start = match (args.start, args.start_offset) {
            (Some(spec), _) => Some(resolve("--start", spec)?),
            (None, Some(offset)) => Some(first()?.plus(duration_ns(offset))),
            (None, None) => None,
        };
        let end = match (args.end, args.duration) {
            (Some(spec), _) => Some(resolve("--end", spec)?),
            (None, Some(span)) => {
                let from = start.map_or_else(first, Ok)?;
                Some(from.plus(duration_ns(span)))
            }
            (None, None) => None,
        };
        match (start, end) {
            (Some(start), Some(end)) if end <= start => Err(UsageError::new(format!(
                "nothing is selected: the end {end} is not after the start {start}"
            ))
            .into()),
            _ => Ok(Self { start, end }),
        }
    }
}

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

    /// Whether everything is selected, so that no event needs a check.
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

    fn window(args: &SelectArgs) -> Result<Window, String> {
        let day = TradingDay(chrono::NaiveDate::from_ymd_opt(2026, 1, 5).unwrap());
        // 2026-01-05T09:00:00.5+08:00
        let first = UnixNanos(1_767_574_800_500_000_000);
        Window::of(args, || Ok(first), || Ok(day), &TradingCalendar::builtin())
            .map_err(|error| error.to_string())
    }

    fn seconds(span: u64) -> Option<std::time::Duration> {
        Some(std::time::Duration::from_secs(span))
    }

    #[test]
    fn a_window_is_what_its_flags_say_and_open_without_them() {
        assert_eq!(window(&SelectArgs::default()), Ok(Window::default()));
        let relative = window(&SelectArgs {
            start_offset: seconds(10),
            duration: seconds(5),
            ..SelectArgs::default()
        })
        .unwrap();
        let at = |nanos: i64| UnixNanos(1_767_574_800_500_000_000 + nanos);
        assert_eq!(relative.start, Some(at(10_000_000_000)));
        assert_eq!(relative.end, Some(at(15_000_000_000)));
        let times = window(&SelectArgs {
            start: "09:00".parse().ok(),
            duration: seconds(1),
            ..SelectArgs::default()
        })
        .unwrap();
        assert_eq!(times.start, Some(at(-500_000_000)));
        assert_eq!(times.end, Some(at(500_000_000)));
    }

    #[test]
    fn a_window_without_room_is_bad_usage() {
        let error = window(&SelectArgs {
            start: "10:00".parse().ok(),
            end: "09:30".parse().ok(),
            ..SelectArgs::default()
        })
        .unwrap_err();
        assert!(
            error.contains("09:30:00.000000000+08:00 is not after"),
            "{error}"
        );
    }
}
