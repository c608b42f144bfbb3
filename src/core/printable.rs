//! Untrusted text, made safe to show.
//!
//! Instrument ids, session names, file names and payloads may hold anything: an escape sequence that
//! acts on a terminal, or a mark that shows `abc` as `cba`. Such characters are shown as their JSON
//! escapes, so that JSON stays the same JSON.

use std::borrow::Cow;

/// Whether a character is invisible and changes what a reader sees: control characters, marks of
/// direction, characters without width, and those that XML cannot hold.
#[must_use]
pub const fn is_hidden(c: char) -> bool {
    matches!(c,
        '\0'..='\u{1f}'
        | '\u{7f}'..='\u{9f}'
        | '\u{ad}'
        | '\u{61c}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{fffe}'
        | '\u{ffff}'
        | '\u{e0000}'..='\u{e007f}')
}

/// Text of any number of lines as a terminal, JSON, XML and HTML can show it. The ends of its lines
/// and tabs stay.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    escaped(text, |c| is_hidden(c) && !matches!(c, '\n' | '\t'))
}

/// A value that is part of a line. It cannot begin another one.
#[must_use]
pub fn printable_value(text: &str) -> Cow<'_, str> {
    escaped(text, is_hidden)
}

fn escaped(text: &str, is_escaped: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&is_escaped) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_escaped(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                shown.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_on_a_terminal_is_escaped() {
        let text = "a\u{1b}[31m\0\u{9b}2J\u{fffe}\n\tb\u{7}\r\u{7f}";
        assert_eq!(
            printable(text),
            "a\\u001b[31m\\u0000\\u009b2J\\ufffe\n\tb\\u0007\\u000d\\u007f"
        );
        assert_eq!(printable_value("a\n\tb"), "a\\u000a\\u0009b");
    }

    #[test]
    fn what_changes_the_order_or_is_invisible_is_escaped() {
        assert_eq!(
            printable("rb\u{202e}1062\u{2066}\u{200b}\u{feff}\u{e0041}"),
            "rb\\u202e1062\\u2066\\u200b\\ufeff\\udb40\\udc41"
        );
    }

    #[test]
    fn visible_text_is_not_copied() {
        assert!(matches!(printable("SHFE 螺纹钢 é\n"), Cow::Borrowed(_)));
        assert!(matches!(
            printable_value("SPD RM601&RM605"),
            Cow::Borrowed(_)
        ));
    }

    #[test]
    fn json_stays_the_same_json() {
        let value = serde_json::json!({ "a\u{9b}": "\u{202e}\u{1b}\u{e0041}\u{ffff}" });
        let shown = printable(&value.to_string()).into_owned();
        assert!(shown.is_ascii(), "{shown}");
        let read: serde_json::Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(read, value);
    }
}
