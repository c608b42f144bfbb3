//! Links into the middle of a page lead to a heading. `tidy` checks that the page exists.

use std::path::Path;

use regex::Regex;

use super::blocks::headings;
use crate::tidy::documents::pages;

/// The anchor that GitHub and GitLab make of a heading.
fn anchor(heading: &str) -> String {
    let letters = heading.to_lowercase();
    let kept = letters.chars().filter_map(|letter| match letter {
        ' ' => Some('-'),
        '-' | '_' => Some(letter),
        _ => Some(letter).filter(|letter| letter.is_alphanumeric()),
    });
    kept.collect()
}

/// Links of a page to headings that do not exist.
fn dead_anchors(page: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(page).unwrap();
    let link = Regex::new(r"\]\(([^)#:]*)#([^)]+)\)").unwrap();
    let mut dead = Vec::new();
    for found in link.captures_iter(&text) {
        let target = match &found[1] {
            "" => page.to_owned(),
            path => page.parent().unwrap().join(path),
        };
        let text = std::fs::read_to_string(target).unwrap();
        if !headings(&text).any(|heading| anchor(heading) == found[2]) {
            dead.push(format!("{}: {}", page.display(), &found[0]));
        }
    }
    dead
}

#[test]
fn links_lead_to_headings() {
    let dead: Vec<String> = pages().iter().flat_map(|page| dead_anchors(page)).collect();
    assert!(dead.is_empty(), "{dead:#?}");
}

#[test]
fn a_dead_anchor_is_caught() {
    assert_eq!(
        anchor("`contracts.parquet`, 2 files"),
        "contractsparquet-2-files"
    );
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page.md");
    std::fs::write(
        &page,
        "# One two\n```sh\n# not one\n```\n[a](#one-two) [b](#not-one) [c](page.md#one-two) [d](page.md#no)",
    )
    .unwrap();
    let dead = dead_anchors(&page);
    assert_eq!(dead.len(), 2, "{dead:?}");
    assert!(dead[0].ends_with("](#not-one)") && dead[1].ends_with("](page.md#no)"));
}
