//! Spans in which ticks are missing, by what the session events say: the front was lost, or the queue
//! was full. Pure: events in, gaps out.

use serde::{Serialize, Serializer};
use tickdeck_core::event::{Event, EventKind, SessionEvent};
use tickdeck_core::time::UnixNanos;

/// A span without ticks, or with some of them dropped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// Receive time of the last event before it.
    #[serde(serialize_with = "text")]
    pub from: UnixNanos,
    /// Receive time of the event that ended it; `None` if the recording ends in it.
    #[serde(serialize_with = "optional_text")]
    pub to: Option<UnixNanos>,
    /// Why, for example `front_disconnected (reason 4097)` or `overflow (7 ticks dropped)`.
    pub reason: String,
}

fn text<S: Serializer>(at: &UnixNanos, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(at)
}

#[expect(clippy::ref_option, reason = "serde passes the field by reference")]
fn optional_text<S: Serializer>(at: &Option<UnixNanos>, to: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => text(at, to),
        None => to.serialize_none(),
    }
}

/// Finds the gaps of a recording. Feed it every event in `seq` order.
#[derive(Debug, Default)]
pub struct GapFinder {
    gaps: Vec<Gap>,
    /// Whether the last gap is still open: there was no login since.
    is_lost: bool,
    last: Option<UnixNanos>,
}

impl GapFinder {
    /// The next event.
    pub fn on(&mut self, event: &Event) {
        let at = event.recv_ts;
        if let EventKind::Session(session) = &event.kind {
            match session {
                SessionEvent::FrontDisconnected { reason } => {
                    self.lost(at, format!("front_disconnected (reason {reason})"));
                }
                SessionEvent::HeartbeatLost {} => self.lost(at, "heartbeat_lost".into()),
                SessionEvent::LoginOk { .. } => {
                    if std::mem::take(&mut self.is_lost)
                        && let Some(gap) = self.gaps.last_mut()
                    {
                        gap.to = Some(at);
                    }
                }
                SessionEvent::Overflow { dropped } if !self.is_lost => self.gaps.push(Gap {
                    from: self.last.unwrap_or(at),
                    to: Some(at),
                    reason: format!("overflow ({dropped} ticks dropped)"),
                }),
                _ => {}
            }
        }
        self.last = Some(at);
    }

    /// A loss that follows another one without a login between belongs to it.
    fn lost(&mut self, at: UnixNanos, reason: String) {
        if !std::mem::replace(&mut self.is_lost, true) {
            self.gaps.push(Gap {
                from: at,
                to: None,
                reason,
            });
        }
    }

    /// The gaps, in order.
    #[must_use]
    pub fn finish(self) -> Vec<Gap> {
        self.gaps
    }
}

#[cfg(test)]
mod tests {
    use tickdeck_core::event::{RawTick, Seq};

    use super::*;

    fn gaps(events: Vec<(i64, EventKind)>) -> Vec<(i64, Option<i64>, String)> {
        let mut finder = GapFinder::default();
        for (seq, (at, kind)) in (0..).zip(events) {
            finder.on(&Event {
                seq: Seq(seq),
                recv_ts: UnixNanos(at),
                kind,
            });
        }
        let gaps = finder.finish().into_iter();
        gaps.map(|gap| (gap.from.0, gap.to.map(|to| to.0), gap.reason))
            .collect()
    }

    fn login() -> EventKind {
        EventKind::Session(SessionEvent::LoginOk {
            trading_day: String::new(),
        })
    }

    #[test]
    fn a_lost_front_is_a_gap_until_the_next_login() {
        let lost = |reason| EventKind::Session(SessionEvent::FrontDisconnected { reason });
        let tick = || EventKind::Tick(RawTick::default());
        let found = gaps(vec![
            (0, login()),
            (1, tick()),
            (2, lost(4097)),
            (3, lost(4097)),
            (5, login()),
            (6, tick()),
            (7, EventKind::Session(SessionEvent::HeartbeatLost {})),
        ]);
        let reason = "front_disconnected (reason 4097)".to_owned();
        assert_eq!(
            found,
            [(2, Some(5), reason), (7, None, "heartbeat_lost".to_owned())]
        );
    }

    #[test]
    fn an_overflow_is_a_gap_since_the_event_before() {
        let found = gaps(vec![
            (0, login()),
            (4, EventKind::Tick(RawTick::default())),
            (9, EventKind::Session(SessionEvent::Overflow { dropped: 7 })),
        ]);
        assert_eq!(
            found,
            [(4, Some(9), "overflow (7 ticks dropped)".to_owned())]
        );
    }
}
