//! Errors of the object store library as those of the system: the kind, and a text without what the
//! server sent. An answer of S3 may quote the access key and what was signed.

use std::error::Error as StdError;
use std::io::{self, ErrorKind};

use object_store::Error;
use object_store::client::{HttpError, HttpErrorKind};

/// Where the body of an answer begins in the text of an error.
const BODY: [&str; 3] = ["<?xml", "<Error", "{\""];
/// Around what an answer says in one word, such as `NoSuchBucket`.
const CODE: (&str, &str) = ("<Code>", "</Code>");

pub(super) fn of_store(error: Error) -> io::Error {
    let kind = match &error {
        Error::NotFound { .. } => ErrorKind::NotFound,
        Error::AlreadyExists { .. } | Error::Precondition { .. } => ErrorKind::AlreadyExists,
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => {
            ErrorKind::PermissionDenied
        }
        Error::NotSupported { .. } | Error::NotImplemented { .. } => ErrorKind::Unsupported,
        Error::InvalidPath { .. } => ErrorKind::InvalidInput,
        error => transport_of(error).unwrap_or(ErrorKind::Other),
    };
    io::Error::new(kind, without_body(&text_of(&error)))
}

/// Where no answer came: that it took too long, or that the connection could not be made or was lost.
fn transport_of(error: &Error) -> Option<ErrorKind> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<HttpError>() {
            return Some(match error.kind() {
                HttpErrorKind::Timeout => ErrorKind::TimedOut,
                _ => ErrorKind::ConnectionAborted,
            });
        }
        cause = error.source();
    }
    None
}

/// The text of the cause, which the error itself repeats, and what is behind that: `Connection refused`
/// rather than `error sending request` alone.
fn text_of(error: &Error) -> String {
    let cause = error.source().map(ToString::to_string);
    let text = match cause {
        Some(cause) if !cause.is_empty() => cause,
        _ => error.to_string(),
    };
    let mut first: Option<&dyn StdError> = error.source();
    while let Some(source) = first.and_then(StdError::source) {
        first = Some(source);
    }
    match first.map(ToString::to_string) {
        Some(first) if !first.is_empty() && !text.contains(&first) => format!("{text}: {first}"),
        _ => text,
    }
}

/// The text up to the body of an answer, and the code in that.
fn without_body(text: &str) -> String {
    let begins = BODY.iter().filter_map(|mark| text.find(mark)).min();
    let shown = text.get(..begins.unwrap_or(text.len())).unwrap_or_default();
    let shown = shown.trim_end_matches([' ', ':', '\n']);
    let code = text
        .split_once(CODE.0)
        .and_then(|(_, rest)| rest.split_once(CODE.1));
    match code {
        Some((code, _)) => format!("{shown}: {code}"),
        None => shown.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_quotes_is_not_shown() {
        let answer = "Error performing GET http://store/rec in 1ms - Server returned non-2xx status \
                      code: 403 Forbidden: <?xml version=\"1.0\"?><Error><Code>SignatureDoesNotMatch\
                      </Code><AWSAccessKeyId>AKIAMARK</AWSAccessKeyId></Error>";
        let source = answer.to_owned().into();
        let shown = of_store(Error::PermissionDenied {
            path: "rec".into(),
            source,
        });
        assert_eq!(shown.kind(), ErrorKind::PermissionDenied);
        let shown = shown.to_string();
        assert!(!shown.contains("AKIAMARK"), "{shown}");
        assert!(
            shown.ends_with("403 Forbidden: SignatureDoesNotMatch"),
            "{shown}"
        );
    }
}
