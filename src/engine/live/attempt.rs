//! One attempt to bring a session up.

/// An attempt. Numbers and names are never reused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// 1 for the first.
    pub number: u32,
    /// Session name, also the name of the flow folder.
    pub session: String,
}
