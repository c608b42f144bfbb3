//! One line of a report on several checks.

use crate::check::examine::Checked;

/// How the check of one input ended, for the reports of several.
#[derive(Debug)]
pub enum Entry {
    /// It finished.
    Checked(Box<Checked>),
    /// It failed.
    Failed {
        /// The input.
        input: String,
        /// The reason.
        reason: String,
    },
}
