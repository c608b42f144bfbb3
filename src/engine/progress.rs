//! How far a long run is, as the library tells it. Who shows it, and how, is the command line's
//! affair: nothing here prints.

/// A point in a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Position {
    /// Events done so far.
    pub events: u64,
    /// How late the newest event was released against its due time, ns; `None` in an unpaced run.
    pub lag_ns: Option<i64>,
}

/// Is told now and then how far a run is. Calls come once per batch at most and must be cheap.
pub trait Progress: Send {
    /// The run has reached `position`.
    fn at(&mut self, position: Position);

    /// The run is over, well or not; nothing follows.
    fn finish(&mut self);
}

/// Shows nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn at(&mut self, _: Position) {}

    fn finish(&mut self) {}
}
