//! Files of a crate that use each other in a circle.
//!
//! Files in a circle can only be read, tested and moved together. A parent module may use its
//! children. A re-export is not a use: a path counts as an edge to the file that defines the name.

use std::collections::{BTreeMap, BTreeSet};

use super::assert_none;
use super::source::{SourceFile, crates_below, definition};

type Graph<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

fn graph(files: &[SourceFile]) -> Graph<'_> {
    files
        .iter()
        .map(|file| {
            let used = file
                .paths
                .iter()
                .filter(|path| !path.is_reexport && path.segments.first() == file.module.first())
                .filter_map(|path| definition(files, &path.segments))
                .filter(|other| !other.module.starts_with(&file.module))
                .map(|other| other.place.as_str())
                .collect();
            (file.place.as_str(), used)
        })
        .collect()
}

fn reachable<'a>(graph: &Graph<'a>, from: &'a str) -> BTreeSet<&'a str> {
    let mut seen = BTreeSet::new();
    let mut next: Vec<&str> = graph[from].iter().copied().collect();
    while let Some(file) = next.pop() {
        if seen.insert(file) {
            next.extend(&graph[file]);
        }
    }
    seen
}

/// Groups of files that all reach each other, each in name order.
fn circles(files: &[SourceFile]) -> Vec<Vec<String>> {
    let graph = graph(files);
    let reach: BTreeMap<&str, BTreeSet<&str>> = graph
        .keys()
        .map(|&file| (file, reachable(&graph, file)))
        .collect();
    let groups: BTreeSet<Vec<String>> = reach
        .iter()
        .filter(|(file, reached)| reached.contains(*file))
        .map(|(file, reached)| {
            let mutual = reached.iter().filter(|other| reach[*other].contains(file));
            mutual.map(|&other| other.to_owned()).collect()
        })
        .collect();
    groups.into_iter().collect()
}

#[test]
fn files_of_a_crate_form_no_circles() {
    let found: Vec<String> = crates_below("")
        .flat_map(|krate| circles(&krate.files))
        .map(|circle| circle.join(" <-> "))
        .collect();
    assert_none(&found, "circles of files");
}

#[test]
fn a_circle_is_caught_through_a_reexport() {
    let parse = |place, module: &[&str], text| SourceFile::parse(place, module, text);
    let files = |back| {
        [
            parse("lib.rs", &["c"], "mod a; mod b; use a::run;"),
            parse("a.rs", &["c", "a"], "fn f() { crate::b::Thing::new() }"),
            parse("b/mod.rs", &["c", "b"], "mod inner; pub use inner::Thing;"),
            parse("b/inner.rs", &["c", "b", "inner"], back),
        ]
    };
    let expected = vec!["a.rs".to_owned(), "b/inner.rs".to_owned()];
    assert_eq!(circles(&files("use crate::run;")), [expected]);
    assert!(circles(&files("use super::other;")).is_empty());
}
