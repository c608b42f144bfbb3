//! The Markdown pages: links, paths, YAML and sentences.

use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

use super::{assert_none, files, root};

/// Every page of the repository.
pub(super) fn pages() -> Vec<PathBuf> {
    let mut pages = vec![root().join("README.md"), root().join("CHANGELOG.md")];
    for folder in ["docs", "fixtures", "recordings"] {
        pages.extend(files(&root().join(folder), "md"));
    }
    pages
}

/// Links to files that do not exist, as seen from `folder`.
fn dead_links(folder: &Path, text: &str) -> Vec<String> {
    text.split("](")
        .skip(1)
        .filter_map(|link| link.split([')', '#']).next())
        .filter(|target| !target.is_empty() && !target.contains("://"))
        .filter(|target| !folder.join(target).exists())
        .map(str::to_owned)
        .collect()
}

#[test]
fn documents_link_to_files_that_exist() {
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        let dead = dead_links(page.parent().unwrap(), &text);
        assert_none(&dead, &format!("dead links in {}", page.display()));
    }
}

fn yaml_blocks(text: &str) -> impl Iterator<Item = &str> {
    text.split("```yaml\n")
        .skip(1)
        .map(|part| part.split("```").next().unwrap())
}

fn yaml_error(block: &str) -> Option<String> {
    saphyr_parser::Parser::new_from_str(block)
        .find_map(Result::err)
        .map(|error| format!("{error} in\n{block}"))
}

#[test]
fn yaml_in_documents_is_yaml() {
    let mut blocks = 0;
    for page in files(&root().join("docs"), "md") {
        let text = fs::read_to_string(&page).unwrap();
        let errors: Vec<String> = yaml_blocks(&text).filter_map(yaml_error).collect();
        assert_none(&errors, &page.display().to_string());
        blocks += yaml_blocks(&text).count();
    }
    assert!(blocks >= 4, "{blocks} blocks");
}

/// Paths of the repository that a text names and that do not exist.
fn missing_paths(text: &str) -> Vec<String> {
    // The left side of `old -> new` names files that have moved.
    let current = Regex::new(r"(?m)^.* -> ").unwrap().replace_all(text, "");
    let paths = Regex::new(r"`((?:src|ffi|sim|tests|docs|fixtures|\.cargo)/[^`<> ]*)`").unwrap();
    paths
        .captures_iter(&current)
        .map(|found| found[1].to_owned())
        .filter(|path| !root().join(path).exists())
        .collect()
}

#[test]
fn architecture_names_existing_files() {
    let text = fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    assert_none(&missing_paths(&text), "paths in docs/architecture.md");
}

#[test]
fn a_wrong_reference_is_caught() {
    let text = "See [a](README.md), [b](gone.md#part) and [c](https://host/gone.md).";
    assert_eq!(dead_links(root(), text), ["gone.md"]);
    assert_eq!(
        missing_paths("| `src/gone.rs` -> `src/core/` |\n`src/lost.rs`"),
        ["src/lost.rs"]
    );
    let page = "```yaml\na: [1\n```\n```yaml\nb: 2\n```\n";
    assert_eq!(yaml_blocks(page).filter_map(yaml_error).count(), 1);
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
            found.push(format!("{place}: {words} words: {sentence}"));
        }
    }
    assert_none(&found, "sentences over 30 words");
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
