//! The length of functions. Tests may be longer: they are lists of cases.

use std::path::Path;

use proc_macro2::Span;
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};

use super::assert_none;
use super::documents::sources;
use super::source::{attributes, is_for_tests, is_test_file};

/// Most lines of a function, from its signature to its last bracket.
const LONGEST: usize = 70;

/// Where the rule holds.
const FOLDERS: [&str; 3] = ["src/", "ffi/", "sim/"];

/// Functions with their lines, also those inside of others.
#[derive(Default)]
struct Functions(Vec<(String, usize)>);

impl Functions {
    fn of(text: &str) -> Vec<(String, usize)> {
        let mut found = Self::default();
        found.visit_file(&syn::parse_file(text).unwrap());
        found.0
    }

    fn add(&mut self, signature: &syn::Signature, end: Span) {
        let lines = end.end().line - signature.span().start().line + 1;
        self.0.push((signature.ident.to_string(), lines));
    }
}

impl Visit<'_> for Functions {
    fn visit_item(&mut self, item: &syn::Item) {
        if !is_for_tests(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_fn(&mut self, item: &syn::ItemFn) {
        self.add(&item.sig, item.block.span());
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &syn::ImplItemFn) {
        self.add(&item.sig, item.block.span());
        visit::visit_impl_item_fn(self, item);
    }
}

#[test]
fn functions_are_short() {
    let mut found = Vec::new();
    for (place, text) in sources() {
        let is_library = FOLDERS.iter().any(|folder| place.starts_with(folder));
        if !is_library || is_test_file(Path::new(&place)) {
            continue;
        }
        for (name, lines) in Functions::of(&text) {
            if lines > LONGEST {
                found.push(format!("{place}: {name} has {lines} lines"));
            }
        }
    }
    assert_none(&found, "functions to split");
}

#[test]
fn a_long_function_is_caught() {
    let body = "    f();\n".repeat(LONGEST - 1);
    let text = format!(
        "/// Text.\nfn a() {{\n{body}}}\nimpl A {{\nfn b() {{\n{body}\n}}\n}}\n\
         #[cfg(test)] mod tests {{ fn c() {{}} }}"
    );
    let lines = Functions::of(&text);
    let expected = [("a", LONGEST + 1), ("b", LONGEST + 2)];
    assert_eq!(
        lines,
        expected.map(|(name, lines)| (name.to_owned(), lines))
    );
}
