//! The Markdown pages: links, paths, YAML and sentences.

use std::fs;
use std::path::PathBuf;

use regex::Regex;

use super::pending::{LONG_SENTENCES, settle};
use super::{assert_none, files, root};

/// Every page of the repository.
pub(super) fn pages() -> Vec<PathBuf> {
    let mut pages = vec![root().join("README.md"), root().join("CHANGELOG.md")];
    for folder in ["docs", "fixtures", "recordings"] {
        pages.extend(files(&root().join(folder), "md"));
    }
    pages
}

#[test]
fn documents_link_to_files_that_exist() {
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for link in text.split("](").skip(1) {
            let target = link.split([')', '#']).next().unwrap();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            let path = page.parent().unwrap().join(target);
            assert!(path.exists(), "{} links to {target}", page.display());
        }
    }
}

#[test]
fn yaml_in_documents_is_yaml() {
    let mut blocks = 0;
    for page in files(&root().join("docs"), "md") {
        let text = fs::read_to_string(&page).unwrap();
        for part in text.split("```yaml\n").skip(1) {
            let block = part.split("```").next().unwrap();
            for event in saphyr_parser::Parser::new_from_str(block) {
                event.unwrap_or_else(|error| panic!("{}: {error} in\n{block}", page.display()));
            }
            blocks += 1;
        }
    }
    assert!(blocks >= 4, "{blocks} blocks");
}

#[test]
fn architecture_names_existing_files() {
    let text = fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    // The first column of the table of moved files names files that are gone.
    let text: String = text
        .lines()
        .map(|line| line.split_once(" -> ").map_or(line, |(_, new)| new))
        .collect::<Vec<_>>()
        .join("\n");
    let paths = Regex::new(r"`((?:src|ffi|sim|tests|docs|fixtures|\.cargo)/[^`<> ]*)`").unwrap();
    for path in paths.captures_iter(&text) {
        let path = &path[1];
        assert!(
            root().join(path).exists(),
            "docs/architecture.md names {path}"
        );
    }
}

/// Most words that a sentence has.
const LONGEST: usize = 30;

/// The sentences of a page that are too long. Tables, code, headings and lists of links do not count.
fn long_sentences(text: &str) -> Vec<String> {
    let code = Regex::new(r"(?s)```.*?```").unwrap();
    let inline = Regex::new(r"`[^`]*`|\]\([^)]*\)").unwrap();
    let item = Regex::new(r"^([-*>]|\d+\.) +").unwrap();
    let end = Regex::new(r"[.!?][)*]*\s").unwrap();
    let text = code.replace_all(text, "\n");
    let mut blocks = vec![String::new()];
    for line in text.lines().map(str::trim) {
        let is_prose =
            !line.is_empty() && !line.starts_with(['|', '#']) && !line.starts_with("- [");
        if !is_prose || item.is_match(line) {
            blocks.push(String::new());
        }
        if is_prose {
            let block = blocks.last_mut().unwrap();
            block.push_str(&item.replace(line, ""));
            block.push(' ');
        }
    }
    blocks
        .iter()
        .map(|block| inline.replace_all(block, "x"))
        .flat_map(|block| end.split(&block).map(str::to_owned).collect::<Vec<_>>())
        .filter(|sentence| sentence.split_whitespace().count() > LONGEST)
        .collect()
}

#[test]
fn sentences_in_documents_are_short() {
    let mut found = Vec::new();
    for page in pages() {
        let place = page.strip_prefix(root()).unwrap().display().to_string();
        for sentence in long_sentences(&fs::read_to_string(&page).unwrap()) {
            let words = sentence.split_whitespace().count();
            found.push((place.clone(), format!("{place}: {words} words: {sentence}")));
        }
    }
    let rule = "sentences over 30 words";
    assert_none(&settle(found, &LONG_SENTENCES), rule);
}

#[test]
fn a_long_sentence_is_caught() {
    let long = "word ".repeat(31);
    let short = "word ".repeat(20);
    assert_eq!(long_sentences(&long).len(), 1);
    assert_eq!(long_sentences(&format!("- {short}\n  {short}")).len(), 1);
    assert_eq!(long_sentences(&format!("{short}done. {short}")).len(), 0);
    assert_eq!(long_sentences(&format!("- {short}\n- {short}")).len(), 0);
    assert_eq!(
        long_sentences(&format!("| {long} |\n\n```\n{long}\n```\n")).len(),
        0
    );
}
