//! The Markdown pages: links, paths, YAML and sentences. Sentences of comments and messages too.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use regex::Regex;

use super::source::is_test_file;
use super::{assert_none, files, files_if_any, root};

/// Every page of the repository.
pub(crate) fn pages() -> Vec<PathBuf> {
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

/// Names of files without a whole path, such as `reader.rs` or `pace/rate.rs`, that end no path of
/// `known`.
fn missing_names(text: &str, known: &[PathBuf]) -> Vec<String> {
    let current = Regex::new(r"(?m)^.* -> .*$").unwrap().replace_all(text, "");
    let names = Regex::new(r"`([a-z_/]+\.(?:rs|csv|txt|md))`").unwrap();
    names
        .captures_iter(&current)
        .map(|found| found[1].to_owned())
        .filter(|name| !known.iter().any(|path| path.ends_with(name)))
        .collect()
}

#[test]
fn architecture_names_existing_files() {
    let text = fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    assert_none(&missing_paths(&text), "paths in docs/architecture.md");
    let folders = ["src", "ffi", "sim", "tests", "docs", "fixtures", ".cargo"];
    let known: Vec<PathBuf> = folders
        .iter()
        .flat_map(|folder| ["rs", "csv", "txt", "md"].map(|end| (root().join(folder), end)))
        .flat_map(|(folder, end)| files_if_any(&folder, end))
        .collect();
    assert_none(
        &missing_names(&text, &known),
        "names in docs/architecture.md",
    );
}

#[test]
fn a_wrong_reference_is_caught() {
    let text = "See [a](README.md), [b](gone.md#part) and [c](https://host/gone.md).";
    assert_eq!(dead_links(root(), text), ["gone.md"]);
    assert_eq!(
        missing_paths("| `src/gone.rs` -> `src/core/` |\n`src/lost.rs`"),
        ["src/lost.rs"]
    );
    let known = ["src/core/pace/rate.rs", "src/core/own_rate.rs"].map(PathBuf::from);
    let text =
        "`rate.rs`, `pace/rate.rs`, `race/rate.rs`, `ate.rs` and `rates.rs`\n`x.rs` -> `y.rs`";
    assert_eq!(
        missing_names(text, &known),
        ["race/rate.rs", "ate.rs", "rates.rs"]
    );
    let text = "(field guide 5.1 and 5.3) see field\n    /// guide 9.9. guide 7";
    assert_eq!(cited_sections(text), ["5.1", "5.3", "9.9"]);
    let page = "```yaml\na: [1\n```\n```yaml\nb: 2\n```\n";
    assert_eq!(yaml_blocks(page).filter_map(yaml_error).count(), 1);
}

/// Sections of the field guide that a text cites.
fn cited_sections(text: &str) -> Vec<String> {
    let citation = Regex::new(r"field[\s/!]+guide[\s/!]+(\d[\d., and\s/!]*)").unwrap();
    let section = Regex::new(r"\d(\.\d)?").unwrap();
    citation
        .captures_iter(text)
        .flat_map(|found| {
            let sections = section.find_iter(found.get(1).unwrap().as_str());
            sections
                .map(|one| one.as_str().to_owned())
                .collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn cited_sections_of_the_field_guide_exist() {
    let guide = fs::read_to_string(root().join("docs/ctp-facts.md")).unwrap();
    let heading = Regex::new(r"(?m)^##+ (\d(\.\d)?) ").unwrap();
    let known: BTreeSet<&str> = heading
        .captures_iter(&guide)
        .map(|found| found.get(1).unwrap().as_str())
        .collect();
    let mut found = Vec::new();
    let mut citations = 0;
    for (place, text) in sources() {
        if !text.contains("guide") {
            continue;
        }
        for section in cited_sections(&text) {
            citations += 1;
            if !known.contains(section.as_str()) {
                found.push(format!("{place}: {section}"));
            }
        }
    }
    assert_none(&found, "sections that docs/ctp-facts.md does not have");
    assert!(citations > 50, "{citations} citations");
}

/// Most words that a sentence has.
const LONGEST: usize = 30;

/// What separates and abbreviates sentences.
struct Grammar {
    /// A block of code, which holds no sentences.
    fenced: Regex,
    /// Code and the target of a link. Each counts as one word.
    inline: Regex,
    /// The marker of a list item.
    item: Regex,
    /// The end of a sentence.
    end: Regex,
    /// The marker of a comment line.
    comment: Regex,
    /// Part of a style sheet or schema, not of a message.
    code: Regex,
}

impl Grammar {
    fn new() -> Self {
        Self {
            fenced: Regex::new(r"(?s)```.*?```").unwrap(),
            inline: Regex::new(r"`[^`]*`|\]\([^)]*\)").unwrap(),
            item: Regex::new(r"^([-*>]|\d+\.) +").unwrap(),
            end: Regex::new(r"[.!?][)*]*\s").unwrap(),
            comment: Regex::new(r"^\s*//[/!]?").unwrap(),
            code: Regex::new(r";\s*\}").unwrap(),
        }
    }

    /// The sentences of a text that are too long. Each cell of a table is a text. Code, headings
    /// and lists of links do not count.
    fn long_sentences(&self, text: &str) -> Vec<String> {
        let text = self.fenced.replace_all(text, "\n");
        let mut blocks = vec![String::new()];
        for line in text.lines().map(str::trim) {
            if line.starts_with('|') {
                let line = self.inline.replace_all(line, "x");
                blocks.extend(line.split('|').map(str::to_owned));
                blocks.push(String::new());
                continue;
            }
            let is_prose = !line.is_empty() && !line.starts_with('#') && !line.starts_with("- [");
            if !is_prose || self.item.is_match(line) {
                blocks.push(String::new());
            }
            if is_prose {
                let block = blocks.last_mut().unwrap();
                block.push_str(&self.item.replace(line, ""));
                block.push(' ');
            }
        }
        blocks
            .iter()
            .map(|block| self.inline.replace_all(block, "x"))
            .flat_map(|block| {
                self.end
                    .split(&block)
                    .map(str::to_owned)
                    .collect::<Vec<_>>()
            })
            .filter(|sentence| sentence.split_whitespace().count() > LONGEST)
            .collect()
    }

    /// One problem per long sentence of `text`.
    fn problems(&self, place: &str, text: &str) -> Vec<String> {
        let problem = |sentence: String| {
            let words = sentence.split_whitespace().count();
            format!("{place}: {words} words: {sentence}")
        };
        self.long_sentences(text).into_iter().map(problem).collect()
    }
}

#[test]
fn sentences_in_documents_are_short() {
    let grammar = Grammar::new();
    let mut found = Vec::new();
    for page in pages() {
        let place = page.strip_prefix(root()).unwrap().display().to_string();
        found.extend(grammar.problems(&place, &fs::read_to_string(&page).unwrap()));
    }
    assert_none(&found, "sentences over 30 words");
}

/// The comments of a Rust source, each with its first line.
fn comments(marker: &Regex, text: &str) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut is_inside = false;
    for (index, line) in text.lines().enumerate() {
        let Some(hit) = marker.find(line) else {
            is_inside = false;
            continue;
        };
        if !is_inside {
            found.push((index + 1, String::new()));
        }
        let (_, comment) = found.last_mut().unwrap();
        comment.push_str(&line[hit.end()..]);
        comment.push('\n');
        is_inside = true;
    }
    found
}

/// The string literals of production code, each with its line: messages and error texts.
pub(super) fn literals(tokens: TokenStream, found: &mut Vec<(usize, String)>) {
    let mut is_for_tests = false;
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                let inside = group.stream().to_string().replace(' ', "");
                if inside == "cfg(test)" {
                    is_for_tests = true;
                } else if is_for_tests && group.delimiter() == Delimiter::Brace {
                    is_for_tests = false;
                } else {
                    literals(group.stream(), found);
                }
            }
            TokenTree::Literal(literal) => {
                if let Ok(text) = syn::parse_str::<syn::LitStr>(&literal.to_string()) {
                    found.push((literal.span().start().line, text.value()));
                }
            }
            TokenTree::Punct(punct) if punct.as_char() == ';' => is_for_tests = false,
            TokenTree::Ident(_) | TokenTree::Punct(_) => {}
        }
    }
}

/// Every Rust source, with its place below the root.
pub(super) fn sources() -> impl Iterator<Item = (String, String)> {
    ["src", "ffi", "sim", "tests", ".cargo"]
        .into_iter()
        .flat_map(|folder| files(&root().join(folder), "rs"))
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            let place = path.strip_prefix(root()).unwrap().display().to_string();
            (place, text)
        })
}

#[test]
fn sentences_in_comments_are_short() {
    let grammar = Grammar::new();
    let mut found = Vec::new();
    for (place, text) in sources() {
        for (line, comment) in comments(&grammar.comment, &text) {
            found.extend(grammar.problems(&format!("{place}:{line}"), &comment));
        }
    }
    assert_none(&found, "sentences over 30 words");
}

#[test]
fn sentences_in_messages_are_short() {
    let grammar = Grammar::new();
    let mut found = Vec::new();
    for (place, text) in sources() {
        if is_test_file(Path::new(&place)) {
            continue;
        }
        let mut texts = Vec::new();
        literals(text.parse().unwrap(), &mut texts);
        texts.retain(|(_, text)| !grammar.code.is_match(text));
        for (line, text) in texts {
            found.extend(grammar.problems(&format!("{place}:{line}"), &text));
        }
    }
    assert_none(&found, "sentences over 30 words");
}

#[test]
fn a_long_sentence_is_caught() {
    let grammar = Grammar::new();
    let count = |text: String| grammar.long_sentences(&text).len();
    let long = "word ".repeat(31);
    let short = "word ".repeat(20);
    assert_eq!(count(long.clone()), 1);
    assert_eq!(count(format!("- {short}\n  {short}")), 1);
    assert_eq!(count(format!("{short}done. {short}")), 0);
    assert_eq!(count(format!("- {short}\n- {short}")), 0);
    assert_eq!(count(format!("```\n{long}\n```\n")), 0);
    assert_eq!(count(format!("| a | {long} |\n|---|---|\n")), 1);
    assert_eq!(count(format!("| {short} | {short} |\n| {short} |")), 0);

    let source = format!("    // {short}\n    // {short}\nfn f() {{}}\n// {short}\n");
    let counts = comments(&grammar.comment, &source)
        .into_iter()
        .map(|(line, text)| (line, count(text)));
    assert_eq!(counts.collect::<Vec<_>>(), [(1, 1), (4, 0)]);

    let source = format!(
        "#[error(\"{long}\")] struct A; #[cfg(test)] mod tests {{ const B: &str = \"{long}\"; }}
         const C: &str = \"{short}\";"
    );
    let mut texts = Vec::new();
    literals(source.parse().unwrap(), &mut texts);
    let counts = texts.into_iter().map(|(line, text)| (line, count(text)));
    assert_eq!(counts.collect::<Vec<_>>(), [(1, 1), (2, 0)]);
}
