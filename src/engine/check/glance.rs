//! A message in short: what a reader recognises it by.

use std::str::FromStr;

use serde::Serialize;
use tickdeck_core::time::UnixNanos;

use super::payload::Members;
use super::times::{
    MILLIS_FIELD, PRICE_FIELDS, RECEIPT_FIELDS, TIME_FIELDS, VOLUME_FIELDS, nanos_of,
};

/// Number of the event that a message was made of.
const SEQ_FIELD: &[u8] = b"seq";
/// Longest payload that stands for itself, in characters.
const PAYLOAD_CHARS: usize = 120;
/// CTP's number for "no value", as raw events have it.
const NO_VALUE: &[u8] = b"1.7976931348623157e308";

/// When a message is from, and its price and volume.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Glance {
    /// Its position in its stream, from 0.
    pub position: u64,
    /// Its `seq`, where the payload has one.
    pub seq: Option<u64>,
    /// The exchange's time, `+08:00` with milliseconds. As it is written where it is not a moment: raw
    /// events have a time of day only.
    pub exchange_time: Option<String>,
    /// When it was received, `+08:00` with nanoseconds.
    pub recv_time: Option<String>,
    /// Last price.
    pub price: Option<String>,
    /// Cumulative volume.
    pub volume: Option<String>,
    /// The beginning of the payload, where it has neither price nor volume.
    pub payload: Option<String>,
}

impl Glance {
    /// What `payload` says. Fields may have the names of any payload that tickdeck writes or reads.
    pub(super) fn of(position: u64, payload: &[u8]) -> Self {
        let mut glance = Self {
            position,
            ..Self::default()
        };
        let (mut time_rank, mut receipt_rank) = (usize::MAX, usize::MAX);
        let mut millis = None;
        let mut members = Members::of(payload);
        for member in members.by_ref() {
            let rank = |fields: &[&[u8]]| fields.iter().position(|name| *name == member.key);
            let value = || Some(text(unquoted(member.value)));
            if let Some(rank) = rank(&TIME_FIELDS).filter(|rank| *rank < time_rank) {
                time_rank = rank;
                glance.exchange_time = Some(moment(member.value));
            } else if let Some(rank) = rank(&RECEIPT_FIELDS).filter(|rank| *rank < receipt_rank) {
                receipt_rank = rank;
                glance.recv_time = Some(receipt(member.value));
            } else if PRICE_FIELDS.contains(&member.key) && member.value != NO_VALUE {
                glance.price = glance.price.or_else(value);
            } else if VOLUME_FIELDS.contains(&member.key) {
                glance.volume = glance.volume.or_else(value);
            } else if member.key == MILLIS_FIELD {
                millis = number::<u16>(member.value);
            } else if member.key == SEQ_FIELD {
                glance.seq = glance.seq.or_else(|| number(member.value));
            }
        }
        if !members.is_object() {
            glance = Self {
                position,
                ..Self::default()
            };
        }
        if let (Some(time), Some(millis)) = (&mut glance.exchange_time, millis) {
            time.push_str(&format!(".{millis:03}"));
        }
        if glance.price.is_none() && glance.volume.is_none() {
            glance.payload = Some(beginning(&text(payload)));
        }
        glance
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn number<N: FromStr>(digits: &[u8]) -> Option<N> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn unquoted(value: &[u8]) -> &[u8] {
    let inner = value.strip_prefix(b"\"");
    inner
        .and_then(|inner| inner.strip_suffix(b"\""))
        .unwrap_or(value)
}

fn unix_nanos(value: &[u8]) -> Option<UnixNanos> {
    let nanos = nanos_of(unquoted(value))?;
    i64::try_from(nanos).ok().map(UnixNanos)
}

/// A time of the exchange in milliseconds, as it is written if it is not a moment.
fn moment(value: &[u8]) -> String {
    match unix_nanos(value) {
        Some(time) => time
            .to_shanghai()
            .to_rfc3339_opts(chrono::SecondsFormat::Millis, false),
        None => beginning(&text(unquoted(value))),
    }
}

/// A time of receipt: a moment, or nanoseconds.
fn receipt(value: &[u8]) -> String {
    let nanos = || number(value).map(UnixNanos);
    match unix_nanos(value).or_else(nanos) {
        Some(time) => time.to_string(),
        None => beginning(&text(unquoted(value))),
    }
}

/// The first characters of a text.
fn beginning(text: &str) -> String {
    match text.char_indices().nth(PAYLOAD_CHARS) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(payload: &str) -> [Option<String>; 4] {
        let found = Glance::of(7, payload.as_bytes());
        assert_eq!(found.position, 7);
        assert_eq!(
            found.payload.is_none(),
            found.price.is_some() || found.volume.is_some()
        );
        [
            found.exchange_time,
            found.recv_time,
            found.price,
            found.volume,
        ]
    }

    fn some<const N: usize>(texts: [&str; N]) -> [Option<String>; N] {
        texts.map(|text| (!text.is_empty()).then(|| text.to_owned()))
    }

    #[test]
    fn every_payload_shows_time_price_and_volume() {
        let vnpy = r#"{"timestamp":"2025-09-12T09:29:57.500+08:00","last_price":3151.0,"volume":7,"local_time":"2025-09-12T09:29:58.060134003+08:00","seq":12}"#;
        let received = "2025-09-12T09:29:58.060134003+08:00";
        let time = "2025-09-12T09:29:57.500+08:00";
        assert_eq!(said(vnpy), some([time, received, "3151.0", "7"]));
        assert_eq!(Glance::of(0, vnpy.as_bytes()).seq, Some(12));
        let decimal = r#"{"timestamp":"2025-09-12T09:29:57.5","price":"3151.0","volume":"7"}"#;
        assert_eq!(said(decimal), some([time, "", "3151.0", "7"]));
        let raw = r#"{"seq":3,"recv_ts":1757640598060134003,"LastPrice":3151.0,"Volume":7,"UpdateTime":"09:29:57","UpdateMillisec":500}"#;
        let time_of_day = "09:29:57.500";
        assert_eq!(said(raw), some([time_of_day, received, "3151.0", "7"]));
        assert_eq!(Glance::of(0, raw.as_bytes()).seq, Some(3));
        let closed = raw.replace("3151.0", "1.7976931348623157e308");
        assert_eq!(said(&closed), some([time_of_day, received, "", "7"]));
        let utc = r#"{"datetime":"2025-09-12T01:29:57.5Z","volume":7}"#;
        assert_eq!(said(utc), some([time, "", "", "7"]));
    }

    #[test]
    fn any_other_payload_shows_its_beginning() {
        assert_eq!(said("7"), some(["", "", "", ""]));
        assert_eq!(said(r#"{"volume":7"#), some(["", "", "", ""]));
        let odd = r#"{"timestamp":1757640597500,"local_time":"soon"}"#;
        assert_eq!(said(odd), some(["1757640597500", "soon", "", ""]));
        let long = format!("{{\"text\":\"{}\"}}", "螺".repeat(200));
        let shown = Glance::of(0, long.as_bytes()).payload.unwrap();
        assert_eq!(shown.chars().count(), PAYLOAD_CHARS + 3);
        assert!(shown.starts_with("{\"text\":\"螺") && shown.ends_with("螺..."));
    }
}
