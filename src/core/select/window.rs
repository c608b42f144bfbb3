//! A window of receive time: as a user specifies it, and resolved to instants.

use super::TimeSpec;
use crate::calendar::TradingCalendar;
use crate::time::{TradingDay, UnixNanos};

/// Where a window starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartSpec {
    /// At an instant.
    At(TimeSpec),
    /// This many ns after the first event.
    AfterFirst(i64),
}

/// Where a window ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndSpec {
    /// Just before an instant.
    At(TimeSpec),
    /// This many ns after the start of the window, or after the first event if it has no start.
    AfterStart(i64),
}

/// A window as a user specifies it. `None` leaves a side open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WindowSpec {
    /// The start.
    pub start: Option<StartSpec>,
    /// The end.
    pub end: Option<EndSpec>,
}

/// A span of receive time. `None` leaves a side open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Window {
    /// First receive time inside the window.
    pub start: Option<UnixNanos>,
    /// First receive time after the window.
    pub end: Option<UnixNanos>,
}

/// A window cannot be resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WindowError {
    /// The start cannot be represented.
    #[error("the start is outside the years 1678 to 2261")]
    StartOutOfRange,
    /// The end cannot be represented.
    #[error("the end is outside the years 1678 to 2261")]
    EndOutOfRange,
    /// The end is not after the start.
    #[error("nothing is selected: the end {end} is not after the start {start}")]
    Empty {
        /// The start.
        start: UnixNanos,
        /// The end.
        end: UnixNanos,
    },
}

impl WindowSpec {
    /// Resolves both sides to instants. `first` yields the receive time of the first event, and `day`
    /// the trading day of a time of day. Both are called only if the window needs them.
    ///
    /// # Errors
    /// When the window is empty or out of range, and the errors of `first` and `day`.
    pub fn resolve<E: From<WindowError>>(
        &self,
        first: impl Fn() -> Result<UnixNanos, E>,
        day: impl Fn() -> Result<TradingDay, E>,
        calendar: &TradingCalendar,
    ) -> Result<Window, E> {
        let instant = |spec: TimeSpec, out_of_range: WindowError| -> Result<UnixNanos, E> {
            match spec {
                TimeSpec::At(at) => Ok(at),
                TimeSpec::InTradingDay(_) => {
                    let resolved = spec.resolve(day()?, calendar);
                    resolved.ok_or_else(|| out_of_range.into())
                }
            }
        };
        let start = match self.start {
            Some(StartSpec::At(spec)) => Some(instant(spec, WindowError::StartOutOfRange)?),
            Some(StartSpec::AfterFirst(offset)) => Some(first()?.plus(offset)),
            None => None,
        };
        let end = match self.end {
            Some(EndSpec::At(spec)) => Some(instant(spec, WindowError::EndOutOfRange)?),
            Some(EndSpec::AfterStart(span)) => Some(start.map_or_else(first, Ok)?.plus(span)),
            None => None,
        };
        match (start, end) {
            (Some(start), Some(end)) if end <= start => {
                Err(WindowError::Empty { start, end }.into())
            }
            _ => Ok(Window { start, end }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-01-05T09:00:00.5+08:00.
    const FIRST: UnixNanos = UnixNanos(1_767_574_800_500_000_000);
    const SECOND: i64 = 1_000_000_000;

    fn window(start: Option<StartSpec>, end: Option<EndSpec>) -> Result<Window, WindowError> {
        let day = TradingDay(chrono::NaiveDate::from_ymd_opt(2026, 1, 5).unwrap());
        let calendar = TradingCalendar::builtin();
        WindowSpec { start, end }.resolve(|| Ok(FIRST), || Ok(day), &calendar)
    }

    fn at(text: &str) -> TimeSpec {
        text.parse().unwrap()
    }

    #[test]
    fn a_window_has_the_bounds_of_its_spec() {
        assert_eq!(window(None, None), Ok(Window::default()));
        let relative = window(
            Some(StartSpec::AfterFirst(10 * SECOND)),
            Some(EndSpec::AfterStart(5 * SECOND)),
        )
        .unwrap();
        assert_eq!(relative.start, Some(FIRST.plus(10 * SECOND)));
        assert_eq!(relative.end, Some(FIRST.plus(15 * SECOND)));
        let times = window(
            Some(StartSpec::At(at("09:00"))),
            Some(EndSpec::AfterStart(SECOND)),
        )
        .unwrap();
        assert_eq!(times.start, Some(FIRST.plus(-SECOND / 2)));
        assert_eq!(times.end, Some(FIRST.plus(SECOND / 2)));
        let without_start = window(None, Some(EndSpec::AfterStart(SECOND))).unwrap();
        assert_eq!(without_start.end, Some(FIRST.plus(SECOND)));
    }

    #[test]
    fn an_empty_window_is_an_error() {
        let start = Some(StartSpec::At(at("10:00")));
        let error = window(start, Some(EndSpec::At(at("09:30")))).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("09:30:00.000000000+08:00 is not after"),
            "{error}"
        );
    }
}
