//! The styles of a comparison on a terminal.

use clap::builder::styling::{AnsiColor, Effects, Style as Ansi};
use tickdeck::check::report::{Style, Styles};

/// Red for what was, green for what is now; nothing without `colour`.
pub(crate) fn styles(colour: bool) -> Styles {
    if !colour {
        return Styles::default();
    }
    let style = |style: Ansi| Style {
        start: style.to_string(),
        end: format!("{style:#}"),
    };
    let (red, green) = (AnsiColor::Red.on_default(), AnsiColor::Green.on_default());
    Styles {
        good: style(green.bold()),
        bad: style(red.bold()),
        heading: style(Ansi::new().bold()),
        before: style(red),
        after: style(green),
        context: style(Effects::DIMMED.into()),
    }
}
