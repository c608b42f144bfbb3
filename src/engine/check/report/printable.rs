//! Text that is safe to show.

use std::borrow::Cow;

/// Text as a terminal, XML and HTML can show it: control characters, which payloads may hold and
/// which could act on a terminal, as their escapes.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    let is_hidden = |c: char| {
        (c.is_control() && !matches!(c, '\n' | '\t')) || matches!(c, '\u{fffe}' | '\u{ffff}')
    };
    if !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_hidden(c) {
            shown.extend(c.escape_unicode());
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
    fn control_characters_are_escaped_in_reports() {
        let text = "a\u{1b}[31m\0\u{fffe}\n\tb\u{7}";
        assert_eq!(printable(text), "a\\u{1b}[31m\\u{0}\\u{fffe}\n\tb\\u{7}");
        assert!(matches!(printable("SHFE 螺纹钢\n"), Cow::Borrowed(_)));
    }
}
