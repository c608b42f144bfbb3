//! Reports how far a long run is. Displaying it is up to the caller: nothing here prints.

use tickdeck_core::time::UnixNanos;

/// A point in a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Position {
    /// Events done so far.
    pub events: u64,
    /// Receive time of the newest event; `None` where there are no events.
    pub time: Option<UnixNanos>,
    /// How late the newest event was released against its due time, ns; `None` in an unpaced run.
    pub lag_ns: Option<i64>,
}

/// Receives the progress of a run. Calls come at most once a batch and must be cheap.
pub trait Progress: Send {
    /// The run has reached `position`.
    fn at(&mut self, position: Position);

    /// The run has ended, well or not. Nothing follows.
    fn finish(&mut self);
}

/// Displays nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn at(&mut self, _: Position) {}

    fn finish(&mut self) {}
}
