//! The blocks of code in a page, each with the heading above it.

use crate::support::recordings::repository;

/// A block between two fences.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// The last heading before it, without `#`.
    pub(super) heading: String,
    /// The word after the opening fence.
    pub(super) language: String,
    /// Its lines, without the indent of the opening fence.
    pub(super) text: String,
}

/// The blocks of a page of the repository.
pub(super) fn blocks(page: &str) -> Vec<Block> {
    blocks_in(&std::fs::read_to_string(repository(page)).unwrap())
}

/// The only block of a language under a heading.
///
/// # Panics
/// When there is none, or several.
#[track_caller]
pub(super) fn block(page: &str, heading: &str, language: &str) -> String {
    let mut found: Vec<Block> = blocks(page)
        .into_iter()
        .filter(|block| block.heading == heading && block.language == language)
        .collect();
    assert_eq!(
        found.len(),
        1,
        "{language} blocks under `{heading}` in {page}"
    );
    found.remove(0).text
}

/// The headings of a page's text, without `#`.
pub(super) fn headings(page: &str) -> impl Iterator<Item = &str> {
    let mut is_code = false;
    page.lines().filter_map(move |line| {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        }
        (!is_code && line.starts_with('#')).then(|| line.trim_start_matches('#').trim())
    })
}

fn blocks_in(page: &str) -> Vec<Block> {
    let mut heading = String::new();
    let mut found = Vec::new();
    let mut open: Option<(usize, Block)> = None;
    for line in page.lines() {
        let fence = line.trim_start().strip_prefix("```");
        match (&mut open, fence) {
            (Some(_), Some("")) => found.extend(open.take().map(|(_, block)| block)),
            (Some((indent, block)), _) => {
                block.text.push_str(line.get(*indent..).unwrap_or_default());
                block.text.push('\n');
            }
            (None, Some(language)) => {
                let block = Block {
                    heading: heading.clone(),
                    language: language.to_owned(),
                    text: String::new(),
                };
                open = Some((line.len() - line.trim_start().len(), block));
            }
            (None, None) if line.starts_with('#') => {
                line.trim_start_matches('#').trim().clone_into(&mut heading);
            }
            (None, None) => {}
        }
    }
    assert_eq!(open, None, "a block that does not end");
    found
}

#[test]
fn blocks_have_heading_language_and_text() {
    let page = "# A\n```sh\n# not a heading\nx\n```\n## B c\n- item:\n\n  ```python\n  if y:\n\n      z\n  ```\n";
    let block = |heading: &str, language: &str, text: &str| Block {
        heading: heading.to_owned(),
        language: language.to_owned(),
        text: text.to_owned(),
    };
    let expected = [
        block("A", "sh", "# not a heading\nx\n"),
        block("B c", "python", "if y:\n\n    z\n"),
    ];
    assert_eq!(blocks_in(page), expected);
}
