//! An error and what caused it, as text.

use std::error::Error;

/// The message of `error` and those of its causes, with colons between them.
#[must_use]
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// The messages of the causes of `error`, outermost first.
///
/// A cause that the message above it already ends with is not repeated: many libraries both show
/// their source and return it.
#[must_use]
pub fn causes(error: &dyn Error) -> Vec<String> {
    let mut above = error.to_string();
    let mut causes = Vec::new();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if !above.ends_with(&text) {
            causes.push(text.clone());
        }
        above = text;
        source = cause.source();
    }
    causes
}
