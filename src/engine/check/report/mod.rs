//! Results for people and for the machines of a CI: text, JUnit XML, HTML. Each is made in memory
//! from results that are already there, and depends on nothing else.

pub mod html;
pub mod junit;
pub mod text;

use std::borrow::Cow;

use super::examine::Checked;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_act_on_a_terminal_or_break_xml_is_shown_as_its_escape() {
        let text = "a\u{1b}[31m\0\u{fffe}\n\tb\u{7}";
        assert_eq!(printable(text), "a\\u{1b}[31m\\u{0}\\u{fffe}\n\tb\\u{7}");
        assert!(matches!(printable("SHFE 螺纹钢\n"), Cow::Borrowed(_)));
    }
}
