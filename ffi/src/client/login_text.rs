//! Texts of requests, which must fit the vendor's fixed fields.

use super::RequestError;
use crate::text::{Text, TextTooLong};

/// The text as a field of `N` bytes, the last of which stays NUL.
pub(crate) fn login_text<const N: usize>(
    request: &'static str,
    field: &'static str,
    text: &str,
) -> Result<Text<N>, RequestError> {
    let bad = || RequestError::BadText {
        request,
        field,
        len: text.len(),
        max: N - 1,
    };
    if text.len() >= N || text.contains('\0') {
        return Err(bad());
    }
    Text::new(text.as_bytes()).map_err(|_| bad())
}

/// Converts the error of a text that does not fit its field.
pub(crate) fn bad_text(
    request: &'static str,
    field: &'static str,
) -> impl Fn(TextTooLong) -> RequestError {
    move |error| RequestError::BadText {
        request,
        field,
        len: error.len,
        max: error.capacity,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_does_not_fit_is_not_repeated() {
        assert_eq!(
            login_text::<5>("R", "f", "9999").unwrap().as_bytes(),
            b"9999"
        );
        let refused = login_text::<5>("ReqUserLogin", "password", "hunter2").unwrap_err();
        assert_eq!(
            refused.to_string(),
            "ReqUserLogin: the password must be at most 4 bytes without a NUL, it has 7"
        );
        assert!(login_text::<5>("R", "f", "a\0b").is_err());
    }
}
