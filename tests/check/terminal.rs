//! Colour: on a terminal only.

use std::path::Path;

use super::{falsify, folder, published, write_lines};
use crate::support::cli::{Ended, binary};
use crate::support::recordings::Folder;
use crate::support::shell;

const RED: &str = "\u{1b}[31m";
const GREEN: &str = "\u{1b}[32m";
const RESET: &str = "\u{1b}[0m";

/// Two streams that differ in one field, and a golden of the first one.
fn streams() -> Folder {
    let folder = folder();
    let mut lines = published();
    write_lines(&folder.join("a.jsonl"), &lines);
    falsify(&mut lines, "CZCE");
    write_lines(&folder.join("b.jsonl"), &lines);
    super::ends(&folder, 0, "check rec --update");
    folder
}

/// The output of `words` in a terminal.
fn on_a_terminal(folder: &Path, words: &str, variables: &[(&str, &str)]) -> Ended {
    let line = format!("{} {words} -q", binary().display());
    shell::on_a_terminal(folder, &line, variables)
}

#[test]
fn a_terminal_has_colour_and_a_pipe_has_none() {
    let folder = streams();
    for words in [
        "check b.jsonl --golden rec.golden.json",
        "diff a.jsonl b.jsonl",
    ] {
        let coloured = on_a_terminal(folder.path(), words, &[]);
        assert_eq!(coloured.code, Some(1), "{coloured:?}");
        for value in [
            format!("{RED}741190.0{RESET}"),
            format!("{GREEN}1741190.0{RESET}"),
        ] {
            assert!(coloured.stdout.contains(&value), "{value} in {coloured:?}");
        }
        let plain = super::ends(&folder, 1, words).stdout;
        assert!(!plain.contains('\u{1b}'), "{plain}");
        let quiet = on_a_terminal(folder.path(), words, &[("NO_COLOR", "1")]).stdout;
        assert_eq!(quiet.replace("\r\n", "\n"), plain, "{words}");
        let json = on_a_terminal(folder.path(), &format!("{words} --json"), &[]).stdout;
        assert!(!json.contains('\u{1b}'), "{json}");
    }
}
