//! The text form of the calendar: what `holidays.txt`, a user's file and a recording's manifest hold.
//!
//! Invariant: `parse(print(c)) == c`, and printing is canonical (one text per calendar), because its
//! digest names the calendar. Nothing here knows a rule of trading.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use chrono::{Datelike, NaiveDate, Weekday};

use super::{TradingCalendar, is_weekend};

/// First line of every calendar; the number is the version of the format.
const MAGIC: &str = "tickdeck-calendar 1";
/// The first line since there are partly known years.
const MAGIC_PARTLY: &str = "tickdeck-calendar 2";
/// Follows a year of which only the statutory holidays are known.
const PARTLY: &str = "partly";
/// Longest `no-night` range in days: a slip of the year must not make millions of entries.
const LONGEST_NO_NIGHT: i64 = 3660;

/// A calendar file is not one.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct CalendarError {
    /// 1-based line.
    pub line: usize,
    /// What was found and what was expected.
    pub problem: String,
}

/// Reads the text form.
pub(super) fn parse(text: &str) -> Result<TradingCalendar, CalendarError> {
    let mut draft = Draft::default();
    let mut lines = text.trim_start_matches('\u{feff}').lines();
    if !matches!(lines.next().map(str::trim), Some(MAGIC | MAGIC_PARTLY)) {
        return Err(CalendarError {
            line: 1,
            problem: format!(
                "expected `{MAGIC}` or `{MAGIC_PARTLY}`, the first line of a calendar"
            ),
        });
    }
    for (index, line) in lines.enumerate() {
        // A comment may follow the data on its line.
        let data = line.split('#').next().unwrap_or_default().trim();
        if !data.is_empty() {
            draft.line(data).map_err(|problem| CalendarError {
                line: index + 2,
                problem,
            })?;
        }
    }
    Ok(TradingCalendar {
        years: draft.years,
        partly: draft.partly,
        closed: draft.closed.into_iter().collect(),
        no_night: draft.no_night.into_iter().collect(),
    })
}

#[derive(Default)]
struct Draft {
    years: BTreeSet<i32>,
    partly: BTreeSet<i32>,
    closed: BTreeSet<NaiveDate>,
    no_night: BTreeSet<NaiveDate>,
}

impl Draft {
    fn line(&mut self, data: &str) -> Result<(), String> {
        let mut words = data.split_ascii_whitespace();
        match (words.next(), words.clone().next()) {
            (Some("no-night"), Some(range)) if words.clone().count() == 1 => self.no_night(range),
            (Some("no-night"), _) => Err(format!(
                "`{data}`: expected `no-night YYYY-MM-DD..YYYY-MM-DD`"
            )),
            (Some(year), _) => self.year(year, words),
            (None, _) => Ok(()),
        }
    }

    fn no_night(&mut self, range: &str) -> Result<(), String> {
        let expected = || format!("`{range}`: expected YYYY-MM-DD..YYYY-MM-DD, first to last");
        let (first, last) = range.split_once("..").unwrap_or((range, range));
        let first = iso_date(first).ok_or_else(expected)?;
        let last = iso_date(last).ok_or_else(expected)?;
        let length = last.signed_duration_since(first).num_days();
        if !(0..LONGEST_NO_NIGHT).contains(&length) {
            return Err(format!("{} and at most ten years apart", expected()));
        }
        let days = first.iter_days().take_while(|day| *day <= last);
        self.no_night.extend(days.filter(|day| !is_weekend(*day)));
        Ok(())
    }

    fn year<'a>(
        &mut self,
        year: &str,
        words: impl Iterator<Item = &'a str> + Clone,
    ) -> Result<(), String> {
        let number = digits(year, 4).ok_or_else(|| {
            format!("`{year}`: expected a year of four digits, `no-night` or a `#` comment")
        })?;
        let number = number.cast_signed();
        let is_partly = words.clone().next() == Some(PARTLY);
        if self.years.contains(&number) || self.partly.contains(&number) {
            return Err(format!("year {year} has two lines; expected one"));
        }
        if is_partly {
            self.partly.insert(number);
        } else {
            self.years.insert(number);
        }
        for word in words.skip(usize::from(is_partly)) {
            let (first, last) = word.split_once('-').unwrap_or((word, word));
            let (Some(first), Some(last)) = (month_day(number, first), month_day(number, last))
            else {
                return Err(format!(
                    "`{word}`: expected MMDD or MMDD-MMDD, dates of {year}"
                ));
            };
            if first > last {
                return Err(format!("`{word}`: expected the earlier date first"));
            }
            let days = first.iter_days().take_while(|day| *day <= last);
            self.closed.extend(days.filter(|day| !is_weekend(*day)));
        }
        Ok(())
    }
}

fn digits(text: &str, length: usize) -> Option<u32> {
    (text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

fn month_day(year: i32, text: &str) -> Option<NaiveDate> {
    let number = digits(text, 4)?;
    NaiveDate::from_ymd_opt(year, number / 100, number % 100)
}

fn iso_date(text: &str) -> Option<NaiveDate> {
    let (year, rest) = text.split_once('-')?;
    let (month, day) = rest.split_once('-')?;
    NaiveDate::from_ymd_opt(
        digits(year, 4)?.cast_signed(),
        digits(month, 2)?,
        digits(day, 2)?,
    )
}

/// Prints the canonical text form.
pub(super) fn print(calendar: &TradingCalendar) -> String {
    let magic = if calendar.partly.is_empty() {
        MAGIC
    } else {
        MAGIC_PARTLY
    };
    let mut text = format!("{magic}\n");
    // Writing into a String cannot fail.
    for &year in calendar.years.union(&calendar.partly) {
        let _ = write!(text, "{year:04}");
        if calendar.partly.contains(&year) {
            let _ = write!(text, " {PARTLY}");
        }
        let of_year = calendar.closed.iter().filter(|date| date.year() == year);
        for (first, last) in runs(of_year.copied(), i64::MAX) {
            let _ = write!(text, " {}", first.format("%m%d"));
            if last != first {
                let _ = write!(text, "-{}", last.format("%m%d"));
            }
        }
        text.push('\n');
    }
    // Adjacent ranges become one, as long as that can be read back.
    for (first, last) in runs(calendar.no_night.iter().copied(), LONGEST_NO_NIGHT) {
        let _ = writeln!(text, "no-night {first}..{last}");
    }
    text
}

/// Sorted weekdays as ranges of neighbours, each of at most `longest` days. A weekend does not part
/// them.
fn runs(days: impl Iterator<Item = NaiveDate>, longest: i64) -> Vec<(NaiveDate, NaiveDate)> {
    let mut runs: Vec<(NaiveDate, NaiveDate)> = Vec::new();
    let days_from = |day: NaiveDate, first| day.signed_duration_since(first).num_days();
    for day in days {
        let step = if day.weekday() == Weekday::Mon { 3 } else { 1 };
        match runs.last_mut() {
            Some((first, last))
                if days_from(day, *last) == step && days_from(day, *first) < longest =>
            {
                *last = day;
            }
            _ => runs.push((day, day)),
        }
    }
    runs
}
