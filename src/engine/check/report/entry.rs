//! One line of a report on several checks.

use crate::check::examine::Checked;

/// How the check of one input ended, for the reports of several.
#[derive(Debug)]
pub enum Entry {
    /// It could be made.
    Checked(Box<Checked>),
    /// It could not.
    Failed {
        /// What was to be checked.
        input: String,
        /// Why not.
        reason: String,
    },
}
