//! However a session is rolled, its events and their digest are the same.

use std::path::PathBuf;

use chrono::{NaiveDate, TimeZone as _, Utc};
use proptest::prelude::*;
use tickdeck_core::event::{Event, EventKind, Seq, SessionEvent};
use tickdeck_core::time::UnixNanos;

use crate::segment_reader::SegmentReader;
use crate::storage::local;
use crate::tests::{options, read_all, some_ticks};
use crate::{EventFilter, Manifest, Recording, RecordingWriter, Rolling, verify};

const HOUR: i64 = 3_600_000_000_000;

/// Noon in Shanghai on a Monday, a trading day.
pub(super) fn noon() -> UnixNanos {
    let day = NaiveDate::from_ymd_opt(2026, 1, 5).unwrap();
    let at = Utc.from_utc_datetime(&day.and_hms_opt(4, 0, 0).unwrap());
    UnixNanos(at.timestamp_nanos_opt().unwrap())
}

fn note(seq: u64, recv_ts: UnixNanos) -> Event {
    let text = seq.to_string();
    let kind = EventKind::Session(SessionEvent::Note { text });
    Event {
        seq: Seq(seq),
        recv_ts,
        kind,
    }
}

/// Events so many hours after noon.
pub(super) fn at_hours(hours: &[i64]) -> Vec<Event> {
    let times = hours.iter().map(|hours| UnixNanos(noon().0 + hours * HOUR));
    (0..).zip(times).map(|(seq, at)| note(seq, at)).collect()
}

fn record(events: &[Event], rolling: Rolling) -> (Manifest, Vec<Event>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rec");
    let mut writer = RecordingWriter::create(&path, options(rolling)).unwrap();
    writer.write(events).unwrap();
    let manifest = writer.finish().unwrap();
    let recording = Recording::open(&path).unwrap();
    assert_eq!(verify(&recording, &mut |_| {}).findings, vec![]);
    let read = read_all(&recording, EventFilter::default(), 64);
    (manifest, read)
}

fn rows(manifest: &Manifest) -> Vec<u64> {
    manifest.segments.iter().map(|part| part.rows).collect()
}

#[test]
fn a_segment_ends_with_its_trading_day() {
    let rolling = Rolling {
        by_trading_day: true,
        ..Rolling::default()
    };
    // 15:00; 21:00 and 01:00 of the night that belongs to Tuesday; Tuesday 10:00; 21:00.
    let events = at_hours(&[0, 3, 9, 13, 22, 33]);
    let (manifest, read) = record(&events, rolling);
    assert_eq!(rows(&manifest), [2, 3, 1]);
    assert_eq!(read, events);
}

#[test]
fn a_clock_that_goes_back_ends_no_trading_day() {
    let rolling = Rolling {
        by_trading_day: true,
        ..Rolling::default()
    };
    let (manifest, _) = record(&at_hours(&[0, 9, 0, 9, 0, 33]), rolling);
    assert_eq!(rows(&manifest), [1, 4, 1]);
}

#[test]
fn a_segment_ends_at_its_size() {
    let events = at_hours(&[0; 100]);
    let sized = |max_bytes| Rolling {
        max_bytes: Some(max_bytes),
        row_group_rows: 10,
        ..Rolling::default()
    };
    // The smallest size ends a segment with each row group.
    assert_eq!(rows(&record(&events, sized(1)).0), [10; 10]);
    let group = record(&events[..10], sized(1)).0.segments[0].bytes;
    let (manifest, _) = record(&events, sized(2 * group));
    assert!((2..6).contains(&manifest.segments.len()), "{manifest:?}");
    assert_eq!(record(&events, sized(u64::MAX)).0.segments.len(), 1);
}

#[test]
fn only_the_first_row_group_of_a_recording_is_split() {
    let groups = |row_group_rows| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rec");
        let events = some_ticks(17_500);
        let rolling = Rolling {
            max_rows: 12_000,
            row_group_rows,
            ..Rolling::default()
        };
        crate::tests::record(&path, &events, rolling);
        let recording = Recording::open(&path).unwrap();
        let read = read_all(&recording, EventFilter::default(), 4096);
        assert_eq!(read, events);
        let of_segment = |segment: &PathBuf| {
            let reader = SegmentReader::open(&*local(), segment).unwrap();
            let rows = (0..reader.row_groups()).map(|group| reader.group_rows(group));
            rows.collect()
        };
        let segments = recording.segments().iter();
        segments.map(of_segment).collect::<Vec<Vec<_>>>()
    };
    let others = vec![5_000, 500];
    assert_eq!(groups(5_000), [vec![4_096, 904, 5_000, 2_000], others]);
    assert_eq!(groups(4_000), [vec![4_000; 3], vec![4_000, 1_500]]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn prop_every_kind_of_rolling_is_invisible(
        hours in prop::collection::vec(-40_i64..200, 1..30),
        max_rows in 1_u64..30,
        max_span in prop::option::of(1_i64..60),
        max_bytes in prop::option::of(1_u64..20_000),
        by_trading_day in any::<bool>(),
        row_group_rows in 1_usize..20,
    ) {
        let events = at_hours(&hours);
        let whole = record(&events, Rolling::default());
        let rolled = record(&events, Rolling {
            max_rows,
            max_span: max_span.map(|hours| hours * HOUR),
            max_bytes,
            by_trading_day,
            row_group_rows,
        });
        prop_assert_eq!(&rolled.1, &events);
        prop_assert_eq!(&rolled.0.digest, &whole.0.digest);
        prop_assert_eq!(&rolled.0.trading_days, &whole.0.trading_days);
    }
}
