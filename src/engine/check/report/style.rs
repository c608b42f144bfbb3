//! How a report marks its parts, on a terminal that can.

/// What goes before and after a piece of text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Style {
    /// Switches the style on.
    pub start: String,
    /// Switches it off.
    pub end: String,
}

/// The styles of a report. The default marks nothing: for files and pipes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Styles {
    /// Verdicts that passed.
    pub good: Style,
    /// Verdicts that failed.
    pub bad: Style,
    /// Titles.
    pub heading: Style,
    /// What the first side has.
    pub before: Style,
    /// What the second side has.
    pub after: Style,
    /// Context.
    pub context: Style,
}
