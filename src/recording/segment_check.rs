//! What a manifest states of each segment, compared with what is in it.

use std::path::PathBuf;

use tickdeck_core::event::Event;

use super::finding::Finding;
use super::manifest::{Manifest, SegmentEntry};
use super::reader::Recording;
use super::segment_info::SegmentInfo;
use super::segment_reader::SegmentReader;

/// The segments of a recording whose events are read in order.
#[derive(Debug)]
pub(super) struct SegmentCheck {
    segments: Vec<Counted>,
    /// The segment of the next event.
    current: usize,
}

/// A segment and what was read of it.
#[derive(Debug)]
struct Counted {
    path: PathBuf,
    /// Session id in its footer, if it can be opened and has one.
    session: Option<String>,
    /// Events by its footer; none of one that cannot be opened.
    rows: u64,
    read: SegmentInfo,
}

impl SegmentCheck {
    pub(super) fn of(recording: &Recording) -> Self {
        let segments = recording.segments().iter().map(|path| {
            let opened = SegmentReader::open(&**recording.storage(), path).ok();
            let rows = |reader: &SegmentReader| {
                let groups = 0..reader.row_groups();
                groups.map(|group| reader.group_rows(group) as u64).sum()
            };
            Counted {
                path: path.clone(),
                session: opened
                    .as_ref()
                    .and_then(|reader| reader.footer_value("tickdeck.session"))
                    .map(str::to_owned),
                rows: opened.as_ref().map_or(0, rows),
                read: SegmentInfo::empty(),
            }
        });
        Self {
            segments: segments.collect(),
            current: 0,
        }
    }

    /// Counts the next event. Those behind the last segment are in the journal.
    pub(super) fn on(&mut self, event: &Event) {
        let is_read = |segment: &Counted| segment.read.rows == segment.rows;
        while self.segments.get(self.current).is_some_and(is_read) {
            self.current += 1;
        }
        if let Some(segment) = self.segments.get_mut(self.current) {
            segment.read.add(event);
        }
    }

    /// Where the manifest differs. Where parts could not be read, the segment of an event is not known,
    /// and only the sessions are compared.
    pub(super) fn compare(&self, manifest: &Manifest, is_whole: bool) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (segment, entry) in self.segments.iter().zip(&manifest.segments) {
            let mut add = |problem: String| {
                findings.push(Finding {
                    file: segment.path.clone(),
                    problem,
                });
            };
            if let Some(session) = &segment.session
                && *session != manifest.session
            {
                let stated = &manifest.session;
                add(format!(
                    "it is of session {session:?}, the manifest says {stated:?}"
                ));
            }
            if is_whole {
                segment.differences(entry).into_iter().for_each(add);
            }
        }
        findings
    }
}

impl Counted {
    fn differences(&self, entry: &SegmentEntry) -> Vec<String> {
        let read = &self.read;
        let mut differences = Vec::new();
        let mut compare = |what: &str, found: String, stated: String| {
            if found != stated {
                differences.push(format!("{what} {found}, the manifest says {stated}"));
            }
        };
        let mut count = |what: &str, found: u64, stated: u64| {
            compare(what, found.to_string(), stated.to_string());
        };
        count("its rows are", read.rows, entry.rows);
        count("its ticks are", read.ticks, entry.ticks);
        if read.rows > 0 {
            count("its first event is", read.first_seq, entry.first_seq);
            count("its last event is", read.last_seq, entry.last_seq);
            compare(
                "it begins at",
                read.start.to_string(),
                entry.start.to_string(),
            );
            compare("it ends at", read.end.to_string(), entry.end.to_string());
        }
        differences
    }
}
