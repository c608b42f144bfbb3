//! vn.py's `vt_symbol`, such as `rb2601.SHFE`, alone and in the list that `CTP_SYMBOL` holds.
//!
//! Invariant: what is written decides; nothing is completed or corrected. Whether the exchange is
//! the right one is the contract table's business.

use super::Exchange;

/// A `vt_symbol` is not one.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{found}`: {problem}; expected INSTRUMENT.EXCHANGE such as rb2601.SHFE")]
pub struct VtSymbolError {
    /// The text as given.
    pub found: String,
    /// What is wrong with it.
    pub problem: &'static str,
}

/// Splits a `vt_symbol` at its last dot, without surrounding blanks: `rb2601.SHFE` is instrument
/// `rb2601` on SHFE. The case of the exchange does not matter, that of the instrument does.
///
/// # Errors
/// When a part is missing, the exchange is none of the six, or the instrument cannot be an id.
pub fn parse_vt_symbol(text: &str) -> Result<(String, Exchange), VtSymbolError> {
    let text = text.trim();
    let error = |problem| VtSymbolError {
        found: text.to_owned(),
        problem,
    };
    let (id, code) = text.rsplit_once('.').ok_or_else(|| error("no exchange"))?;
    let exchange = Exchange::parse(code)
        .ok_or_else(|| error("the exchange is none of SHFE, INE, DCE, CZCE, GFEX, CFFEX"))?;
    check_id(id).map_err(error)?;
    Ok((id.to_owned(), exchange))
}

/// Reads an instrument with its exchange or without, `rb2601.SHFE` or `rb2601`, without surrounding
/// blanks. The text after a dot must be an exchange: no id contains a dot.
///
/// # Errors
/// When the exchange is none of the six, or the instrument cannot be an id.
pub fn parse_instrument(text: &str) -> Result<(String, Option<Exchange>), VtSymbolError> {
    if text.contains('.') {
        return parse_vt_symbol(text).map(|(id, exchange)| (id, Some(exchange)));
    }
    let id = text.trim();
    check_id(id).map_err(|problem| VtSymbolError {
        found: id.to_owned(),
        problem,
    })?;
    Ok((id.to_owned(), None))
}

/// What is wrong with an id.
fn check_id(id: &str) -> Result<(), &'static str> {
    if id.is_empty() {
        return Err("no instrument");
    }
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b" &-._".contains(&byte);
    if id.len() > 80 || !id.bytes().all(legal) {
        return Err(
            "the instrument is not up to 80 ASCII letters, digits, `&`, `-`, `.` or blanks",
        );
    }
    Ok(())
}

/// Reads a comma-separated list of `vt_symbol`s, in order and without repetitions; empty entries
/// (a trailing comma) are passed over.
///
/// # Errors
/// When an entry is not a `vt_symbol`, when one instrument is given two exchanges, or when there is no
/// entry at all.
pub fn parse_vt_symbols(text: &str) -> Result<Vec<(String, Exchange)>, VtSymbolError> {
    let mut symbols: Vec<(String, Exchange)> = Vec::new();
    for entry in text.split(',').filter(|entry| !entry.trim().is_empty()) {
        let (id, exchange) = parse_vt_symbol(entry)?;
        match symbols.iter().find(|(other, _)| *other == id) {
            Some((_, other)) if *other != exchange => {
                return Err(VtSymbolError {
                    found: entry.trim().to_owned(),
                    problem: "the instrument is listed twice with different exchanges",
                });
            }
            Some(_) => {}
            None => symbols.push((id, exchange)),
        }
    }
    if symbols.is_empty() {
        return Err(VtSymbolError {
            found: text.to_owned(),
            problem: "no symbol",
        });
    }
    Ok(symbols)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vt_symbol_is_split_at_its_last_dot() {
        for (text, id, exchange) in [
            ("rb2601.SHFE", "rb2601", Exchange::Shfe),
            (" IF2312.cffex ", "IF2312", Exchange::Cffex),
            ("SPD RM601&RM605.CZCE", "SPD RM601&RM605", Exchange::Czce),
            ("a.b.DCE", "a.b", Exchange::Dce),
        ] {
            assert_eq!(parse_vt_symbol(text), Ok((id.to_owned(), exchange)));
        }
    }

    #[test]
    fn what_is_no_vt_symbol_is_refused_with_the_reason() {
        for (text, part) in [
            ("rb2601", "no exchange"),
            ("rb2601.", "none of SHFE"),
            ("rb2601.SSE", "none of SHFE"),
            (".SHFE", "no instrument"),
            ("", "no exchange"),
            ("螺纹.SHFE", "ASCII"),
        ] {
            let error = parse_vt_symbol(text).unwrap_err().to_string();
            assert!(
                error.contains(part) && error.contains("rb2601.SHFE"),
                "{error}"
            );
        }
    }

    #[test]
    fn the_exchange_is_optional_but_must_be_right() {
        for (text, id, exchange) in [
            (" IF2601", "IF2601", None),
            ("RB2610.shfe", "RB2610", Some(Exchange::Shfe)),
            ("SPD RM601&RM605", "SPD RM601&RM605", None),
        ] {
            assert_eq!(parse_instrument(text), Ok((id.to_owned(), exchange)));
        }
        for (text, part) in [
            ("rb2601.SHEF", "none of SHFE"),
            (" ", "no instrument"),
            ("螺纹", "ASCII"),
            (&"x".repeat(81), "up to 80"),
        ] {
            let error = parse_instrument(text).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn a_list_keeps_its_order_and_forgives_a_trailing_comma() {
        let list = parse_vt_symbols(" rb2601.SHFE, MA601.CZCE,rb2601.SHFE,").unwrap();
        let ids: Vec<&str> = list.iter().map(|(id, _)| id.as_str()).collect();
        assert_eq!(ids, ["rb2601", "MA601"]);
        for (text, part) in [
            ("", "no symbol"),
            (" , ", "no symbol"),
            ("rb2601.SHFE;MA601.CZCE", "ASCII"),
            ("rb2601.SHFE,rb2601.DCE", "twice"),
        ] {
            let error = parse_vt_symbols(text).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
