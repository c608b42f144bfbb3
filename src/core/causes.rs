//! An error and what caused it, as text.

use std::error::Error;

/// The message of `error` and those of its [`causes`], with colons between them.
#[must_use]
pub fn with_causes(error: &dyn Error) -> String {
    let mut texts = vec![error.to_string()];
    texts.extend(causes(error));
    texts.join(": ")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Said {
        text: &'static str,
        #[source]
        source: Option<Box<Said>>,
    }

    #[test]
    fn a_cause_that_was_said_is_not_repeated() {
        let said = |text, source: Option<Said>| Said {
            text,
            source: source.map(Box::new),
        };
        let shown = said("External: too large", Some(said("too large", None)));
        let error = said("encoding x", Some(shown));
        assert_eq!(with_causes(&error), "encoding x: External: too large");
    }
}
