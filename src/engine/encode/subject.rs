//! NATS subjects: `market.tick.SHFE.rb2601`.
//!
//! A subject token cannot carry a space, `.`, `*` or `>`, and instrument ids of combinations do
//! (`SPD RM601&RM605`). Such bytes are percent-encoded in the subject only; the payload keeps the
//! exact id. The encoding is reversible, so that two instruments never share a subject.

use tickdeck_core::contract::Exchange;

/// The prefix that is used unless another one is given.
pub const DEFAULT_PREFIX: &str = "market.tick";

/// First word of the subjects that tickdeck keeps for itself, such as those of
/// [control messages](super::control). No prefix begins with it.
pub const RESERVED_WORD: &str = "tickdeck";

/// First word of the subjects for answers. Those of the server itself begin with `$`.
const INBOX_WORD: &str = "_INBOX";

/// A subject prefix cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PrefixError {
    /// A token is empty: the prefix is empty, starts or ends with a dot, or has two in a row.
    #[error(
        "subject prefix {prefix:?} has an empty token, expected tokens with single dots between \
         them, such as \"market.tick\""
    )]
    EmptyToken {
        /// The prefix as given.
        prefix: String,
    },
    /// A character that a subject to publish on cannot have.
    #[error(
        "subject prefix {prefix:?} contains {found:?}: wildcards (* and >), blanks and control \
         characters are not allowed, expected something like \"market.tick\""
    )]
    Forbidden {
        /// The prefix as given.
        prefix: String,
        /// The first offending character.
        found: char,
    },
    /// The first word is the one that control messages use.
    #[error(
        "subject prefix {prefix:?} begins with \"{RESERVED_WORD}\", which is reserved for control \
         messages, expected something like \"market.tick\""
    )]
    Reserved {
        /// The prefix as given.
        prefix: String,
    },
    /// The first word is one that NATS uses itself.
    #[error(
        "subject prefix {prefix:?} begins with {word:?}, which NATS keeps for itself, expected \
         something like \"market.tick\""
    )]
    OfServer {
        /// The prefix as given.
        prefix: String,
        /// Its first word.
        word: String,
    },
}

/// Checks a subject prefix.
///
/// # Errors
/// [`PrefixError`] when the subjects made with it could not be published on.
pub fn validate_prefix(prefix: &str) -> Result<(), PrefixError> {
    if let Some(found) = prefix
        .chars()
        .find(|&c| matches!(c, '*' | '>') || c.is_whitespace() || c.is_control())
    {
        return Err(PrefixError::Forbidden {
            prefix: prefix.to_owned(),
            found,
        });
    }
    if prefix.split('.').any(str::is_empty) {
        return Err(PrefixError::EmptyToken {
            prefix: prefix.to_owned(),
        });
    }
    let word = prefix.split('.').next().unwrap_or_default();
    if word == RESERVED_WORD {
        return Err(PrefixError::Reserved {
            prefix: prefix.to_owned(),
        });
    }
    if word.starts_with('$') || word == INBOX_WORD {
        return Err(PrefixError::OfServer {
            prefix: prefix.to_owned(),
            word: word.to_owned(),
        });
    }
    Ok(())
}

/// The subject of one instrument; `prefix` passed [`validate_prefix`].
#[must_use]
pub fn subject(prefix: &str, exchange: Exchange, symbol: &str) -> String {
    let mut subject = String::with_capacity(prefix.len() + symbol.len() + 8);
    subject.push_str(prefix);
    subject.push('.');
    subject.push_str(exchange.as_str());
    subject.push('.');
    push_token(&mut subject, symbol.as_bytes());
    subject
}

/// Appends an id as one token of a subject.
pub(crate) fn push_token(subject: &mut String, id: &[u8]) {
    for &byte in id {
        if needs_encoding(byte) {
            const HEX: &[u8; 16] = b"0123456789ABCDEF";
            subject.push('%');
            subject.push(char::from(HEX[usize::from(byte >> 4)]));
            subject.push(char::from(HEX[usize::from(byte & 15)]));
        } else {
            subject.push(char::from(byte));
        }
    }
}

/// Reads the last token of a subject back; `None` when [`subject`] never writes such a token.
#[must_use]
pub fn decode_symbol(token: &str) -> Option<String> {
    let mut bytes = token.bytes();
    let mut symbol = Vec::with_capacity(token.len());
    while let Some(byte) = bytes.next() {
        symbol.push(match byte {
            b'%' => {
                let decoded = hex(bytes.next()?)? << 4 | hex(bytes.next()?)?;
                needs_encoding(decoded).then_some(decoded)?
            }
            _ if needs_encoding(byte) => return None,
            _ => byte,
        });
    }
    String::from_utf8(symbol).ok()
}

/// Bytes that are not allowed in a token, the escape character itself, and all that is not
/// printable ASCII.
const fn needs_encoding(byte: u8) -> bool {
    !byte.is_ascii_graphic() || matches!(byte, b'.' | b'*' | b'>' | b'%')
}

const fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ordinary_ids_are_plain_and_combinations_encoded() {
        for (exchange, symbol, expected) in [
            (Exchange::Shfe, "rb2601", "market.tick.SHFE.rb2601"),
            (
                Exchange::Cffex,
                "IO2509-C-4000",
                "market.tick.CFFEX.IO2509-C-4000",
            ),
            (
                Exchange::Czce,
                "SPD RM601&RM605",
                "market.tick.CZCE.SPD%20RM601&RM605",
            ),
            (Exchange::Dce, "a.*>%b", "market.tick.DCE.a%2E%2A%3E%25b"),
            (Exchange::Ine, "豆\t", "market.tick.INE.%E8%B1%86%09"),
        ] {
            assert_eq!(subject(DEFAULT_PREFIX, exchange, symbol), expected);
        }
    }

    #[test]
    fn a_prefix_that_cannot_be_published_on_is_refused() {
        for good in [
            "market.tick",
            "md",
            "replay-1.tick_x",
            "a.tickdeck",
            "a.$x",
            "_INBOXES",
        ] {
            assert_eq!(validate_prefix(good), Ok(()), "{good}");
        }
        for bad in ["", ".", "a.", ".a", "a..b"] {
            assert!(
                matches!(validate_prefix(bad), Err(PrefixError::EmptyToken { .. })),
                "{bad}"
            );
        }
        for bad in ["tickdeck", "tickdeck.end"] {
            assert!(
                matches!(validate_prefix(bad), Err(PrefixError::Reserved { .. })),
                "{bad}"
            );
        }
        for bad in ["$SYS", "$JS.API", "$KV.bucket", "_INBOX", "_INBOX.a"] {
            assert!(
                matches!(validate_prefix(bad), Err(PrefixError::OfServer { .. })),
                "{bad}"
            );
        }
        for (bad, offending) in [("a b", ' '), ("a.*", '*'), ("a.>", '>'), ("a\n", '\n')] {
            let error = validate_prefix(bad).unwrap_err();
            assert!(
                error.to_string().contains(&format!("{offending:?}")),
                "{error}"
            );
        }
    }

    #[test]
    fn tokens_that_were_never_written_do_not_decode() {
        for bad in ["a b", "a%", "a%2", "%zz", "%41", "%2e", "%FF"] {
            assert_eq!(decode_symbol(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn prop_the_symbol_reads_back_from_a_legal_token(symbol in ".{1,20}") {
            let subject = subject("p", Exchange::Shfe, &symbol);
            let token = subject.strip_prefix("p.SHFE.").unwrap();
            prop_assert!(!token.contains([' ', '.', '*', '>']));
            prop_assert!(token.is_ascii());
            prop_assert_eq!(decode_symbol(token), Some(symbol));
        }
    }
}
