//! Values of Parquet columns as the text of a CSV dump, by the type of the column.

use std::fmt::Write as _;

use chrono::{DateTime, NaiveDate, NaiveTime};
use parquet::basic::{ConvertedType, LogicalType, TimeUnit, Type};
use parquet::schema::types::ColumnDescriptor;
use tickdeck_core::time::{TradingDay, UnixNanos};

/// How a value becomes text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Numbers and texts as they are.
    Plain,
    /// Days since 1970.
    Date,
    /// Units since midnight, with the number of units in a second.
    Time(i64),
    /// Units since 1970 of UTC, or of an unnamed wall clock: Shanghai's.
    Instant { per_second: i64, utc: bool },
    /// A type that is not read.
    Unsupported(&'static str),
}

/// An integer by its meaning. What is out of range stays a number, which its column refuses.
pub(crate) fn print_int(form: Form, value: i64, text: &mut String) {
    let printed = match form {
        Form::Date => date(value),
        Form::Time(per_second) => time(value, per_second),
        Form::Instant { per_second, utc } => instant(value, per_second, utc),
        Form::Plain | Form::Unsupported(_) => None,
    };
    match printed {
        Some(printed) => text.push_str(&printed),
        None => drop(write!(text, "{value}")),
    }
}

fn date(days: i64) -> Option<String> {
    let days = i32::try_from(days).ok()?;
    NaiveDate::from_epoch_days(days).map(|date| TradingDay(date).to_ctp())
}

fn time(value: i64, per_second: i64) -> Option<String> {
    let seconds = u32::try_from(value.div_euclid(per_second)).ok()?;
    let nanos = value.rem_euclid(per_second) * (1_000_000_000 / per_second);
    let time = NaiveTime::from_num_seconds_from_midnight_opt(seconds, u32::try_from(nanos).ok()?)?;
    // Without a fraction where there is none, as CTP prints times.
    Some(time.format("%H:%M:%S%.f").to_string())
}

fn instant(value: i64, per_second: i64, utc: bool) -> Option<String> {
    let nanos = value.checked_mul(1_000_000_000 / per_second)?;
    let form = "%Y-%m-%d %H:%M:%S%.9f";
    Some(if utc {
        UnixNanos(nanos).to_shanghai().format(form).to_string()
    } else {
        DateTime::from_timestamp_nanos(nanos)
            .format(form)
            .to_string()
    })
}

/// How the values of a column become text.
pub(crate) fn form_of(column: &ColumnDescriptor) -> Form {
    if column.max_rep_level() > 0 {
        return Form::Unsupported("a list");
    }
    if column.physical_type() == Type::INT96 {
        return Form::Unsupported("an INT96 time, which has no time zone");
    }
    let per_second = |unit: &TimeUnit| match unit {
        TimeUnit::MILLIS => 1000,
        TimeUnit::MICROS => 1_000_000,
        TimeUnit::NANOS => 1_000_000_000,
    };
    match column.logical_type_ref() {
        Some(LogicalType::Date) => return Form::Date,
        Some(LogicalType::Time(time)) => return Form::Time(per_second(&time.unit)),
        Some(LogicalType::Timestamp(timestamp)) => {
            return Form::Instant {
                per_second: per_second(&timestamp.unit),
                utc: timestamp.is_adjusted_to_u_t_c,
            };
        }
        Some(LogicalType::Decimal(_)) => return Form::Unsupported("a decimal"),
        _ => {}
    }
    let utc = true;
    match column.converted_type() {
        ConvertedType::DATE => Form::Date,
        ConvertedType::TIME_MILLIS => Form::Time(1000),
        ConvertedType::TIME_MICROS => Form::Time(1_000_000),
        ConvertedType::TIMESTAMP_MILLIS => Form::Instant {
            per_second: 1000,
            utc,
        },
        ConvertedType::TIMESTAMP_MICROS => Form::Instant {
            per_second: 1_000_000,
            utc,
        },
        ConvertedType::DECIMAL => Form::Unsupported("a decimal"),
        _ => Form::Plain,
    }
}
