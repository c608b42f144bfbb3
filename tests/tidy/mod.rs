//! What reviewers would otherwise have to look for: module edges, doors to the world, dead links.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// Files below `folder` that end with `extension`, in name order.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(
        !found.is_empty(),
        "no .{extension} files below {}",
        folder.display()
    );
    found
}

/// The lines of a source file before its tests.
fn production_lines(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    let end = text.find("#[cfg(test)]").unwrap_or(text.len());
    text[..end].lines().map(str::to_owned).collect()
}

fn is_test_file(path: &Path) -> bool {
    let name = path.file_name().unwrap().to_string_lossy();
    let is_named_so = ["tests.rs", "testing.rs"].contains(&name.as_ref());
    let is_inside = path.components().any(|part| part.as_os_str() == "tests");
    is_named_so || is_inside || name.ends_with("_tests.rs")
}

#[test]
fn stages_import_the_vocabulary_and_never_another_stage() {
    const STAGES: [&str; 8] = [
        "normalize",
        "encode",
        "sink",
        "import",
        "export",
        "nats",
        "live",
        "capture",
    ];
    // What a stage may use besides the vocabulary, each with its reason.
    let allowed = |stage: &str, other: &str| match (stage, other) {
        // The encoder writes what the normalizer yields.
        ("encode", "normalize")
        // Both directions of the same files.
        | ("export", "import")
        // The receiving end: the publisher's end marker and digest, and subjects with wildcards.
        | ("capture", "encode" | "sink" | "nats")
        // The sink that publishes, and the message type of a subscriber.
        | ("sink", "nats")
        | ("nats", "sink") => true,
        _ => stage == other,
    };
    let mut edges = Vec::new();
    for stage in STAGES {
        let folder = root().join("src/engine").join(stage);
        for path in files(&folder, "rs")
            .into_iter()
            .filter(|path| !is_test_file(path))
        {
            for line in production_lines(&path) {
                let Some(rest) = line.trim_start().strip_prefix("use crate::") else {
                    continue;
                };
                let other = rest.split([':', ';', '{', ' ']).next().unwrap();
                let is_top = ["pipeline", "check", "testing"].contains(&other);
                if is_top || (STAGES.contains(&other) && !allowed(stage, other)) {
                    edges.push(format!("{}: {line}", path.display()));
                }
            }
        }
    }
    assert!(
        edges.is_empty(),
        "edges between stages:\n{}",
        edges.join("\n")
    );
}

#[test]
fn pure_stages_know_no_io_no_threads_and_no_environment() {
    const DOORS: [&str; 7] = [
        "std::fs",
        "std::net",
        "std::env",
        "std::thread",
        "std::io",
        "async fn",
        "tokio::",
    ];
    let mut found = Vec::new();
    for stage in ["normalize", "encode"] {
        for path in files(&root().join("src/engine").join(stage), "rs") {
            if is_test_file(&path) {
                continue;
            }
            for line in production_lines(&path) {
                if !line.trim_start().starts_with("//")
                    && DOORS.iter().any(|door| line.contains(door))
                {
                    found.push(format!("{}: {line}", path.display()));
                }
            }
        }
    }
    assert!(
        found.is_empty(),
        "doors in pure stages:\n{}",
        found.join("\n")
    );
}

#[test]
fn nats_is_named_in_two_places_only() {
    for path in files(&root().join("src"), "rs") {
        let Ok(place) = path.strip_prefix(root().join("src/engine")) else {
            continue;
        };
        if place.starts_with("nats")
            || place.starts_with("sink/nats")
            || place == Path::new("sink/nats.rs")
        {
            continue;
        }
        for line in production_lines(&path) {
            let is_comment = line.trim_start().starts_with("//");
            // The log filter names the library to silence it.
            let is_name = line.contains("async_nats=");
            assert!(
                is_comment || is_name || !line.contains("async_nats"),
                "{}: {line}",
                path.display()
            );
        }
    }
}

#[test]
fn documents_link_to_files_that_exist() {
    let mut pages = files(&root().join("docs"), "md");
    pages.extend(["README.md", "CHANGELOG.md"].map(|page| root().join(page)));
    for page in pages {
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
fn the_architecture_page_names_files_that_exist() {
    let text = fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    for word in text.split('`').skip(1).step_by(2) {
        let is_path = [
            "src/",
            "ffi/",
            "sim/",
            "tests/",
            "docs/",
            "fixtures/",
            ".cargo/",
        ]
        .iter()
        .any(|top| word.starts_with(top));
        if is_path && !word.contains(['<', ' ']) {
            assert!(
                root().join(word).exists(),
                "docs/architecture.md names {word}"
            );
        }
    }
}

#[test]
fn no_source_file_has_grown_past_a_thousand_lines() {
    for folder in ["src", "ffi", "sim", "tests", ".cargo/xtask"] {
        for path in files(&root().join(folder), "rs") {
            let lines = fs::read_to_string(&path).unwrap().lines().count();
            assert!(
                lines <= 1000,
                "{} has {lines} lines: is there a seam?",
                path.display()
            );
        }
    }
}
