//! One line of a report on several checks.

use crate::check::examine::Checked;

/// How the check of one input ended, for the reports of several.
#[derive(Debug)]
pub enum Entry {
    /// It finished.
    Checked {
        /// The result.
        checked: Box<Checked>,
        /// The ways to accept what differs, for example commands, one a line.
        accept: Vec<String>,
    },
    /// It failed.
    Failed {
        /// The input.
        input: String,
        /// The reason.
        reason: String,
    },
}
