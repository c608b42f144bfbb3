//! Rust sources as the rules see them: which paths a file uses, in which module, on which line.
//!
//! Sources are parsed, not read line by line. A path in the middle of an expression, inside a macro
//! call or behind a test module counts like one in a `use` item. Items under `#[cfg(test)]`
//! and the files they declare are left out: the rules are about production code.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::{Attribute, Expr, Item, UseTree};

use super::{files, root};

/// A parsed crate.
pub(super) struct Crate {
    pub(super) files: Vec<SourceFile>,
}

/// The crates whose code the rules hold for.
pub(super) const CRATES: [(&str, &str); 10] = [
    ("tickdeck_core", "src/core"),
    ("tickdeck_recording", "src/recording"),
    ("tickdeck", "src/engine"),
    ("tickdeck_cli", "src/cli"),
    ("tickdeck_ffi", "ffi/src"),
    ("tickdeck_market", "sim/market/src"),
    ("tickdeck_front", "sim/front/src"),
    ("tickdeck_sim_md", "sim/md/src"),
    ("tickdeck_sim_td", "sim/td/src"),
    ("tickdeck_clients", "sim/clients/src"),
];

/// One use of a path. `segments` are absolute: `crate`, `super`, `self` and imported names are
/// resolved, and the first segment is a crate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PathUse {
    pub(super) segments: Vec<String>,
    pub(super) line: usize,
    /// A `pub use`: it passes a name on and uses nothing itself.
    pub(super) is_reexport: bool,
}

impl PathUse {
    pub(super) fn text(&self) -> String {
        self.segments.join("::")
    }

    pub(super) fn starts_with(&self, prefix: &str) -> bool {
        let mut own = self.segments.iter();
        prefix
            .split("::")
            .all(|part| own.next().is_some_and(|segment| segment == part))
    }
}

/// The production code of one file.
#[derive(Debug, Default)]
pub(super) struct SourceFile {
    /// Path below the root of the repository.
    pub(super) place: String,
    /// The crate and the modules down to this file.
    pub(super) module: Vec<String>,
    pub(super) paths: Vec<PathUse>,
    /// Methods called, by name. Those called without an argument are there twice, once with `()`.
    pub(super) methods: Vec<(String, usize)>,
    /// Lines with an `async` function or block.
    pub(super) asyncs: Vec<usize>,
    /// Names in scope at the top of the file, with what they stand for.
    imports: BTreeMap<String, Vec<String>>,
    /// Child modules that exist for tests only.
    test_modules: BTreeSet<String>,
}

impl SourceFile {
    /// Parses `text` as the file that holds `module`.
    pub(super) fn parse(place: &str, module: &[&str], text: &str) -> Self {
        let syntax = syn::parse_file(text).unwrap_or_else(|error| panic!("{place}: {error}"));
        let module: Vec<String> = module.iter().map(|&part| part.to_owned()).collect();
        let mut names = Names {
            module: module.clone(),
            imports: BTreeMap::new(),
        };
        names.visit_file(&syntax);
        let names = names.settled();
        let mut collector = Collector {
            imports: &names.imports,
            module: module.clone(),
            scopes: BTreeSet::from(["scope".to_owned()]),
            found: Self::default(),
        };
        collector.visit_file(&syntax);
        let found = collector.found;
        Self {
            place: place.to_owned(),
            module,
            imports: names.imports,
            ..found
        }
    }
}

/// The crates in folders that begin with `folder`, parsed one after the other.
pub(super) fn crates_below(folder: &str) -> impl Iterator<Item = Crate> {
    CRATES
        .into_iter()
        .filter(move |(_, place)| place.starts_with(folder))
        .map(|(name, folder)| Crate {
            files: crate_files(name, folder),
        })
}

/// One crate by its name in paths.
pub(super) fn crate_named(name: &str) -> Crate {
    let (name, folder) = CRATES
        .into_iter()
        .find(|(known, _)| *known == name)
        .unwrap();
    Crate {
        files: crate_files(name, folder),
    }
}

fn crate_files(name: &str, folder: &str) -> Vec<SourceFile> {
    let base = root().join(folder);
    let mut parsed: Vec<SourceFile> = files(&base, "rs")
        .into_iter()
        .filter(|path| !is_test_file(path))
        .map(|path| {
            let inside = path.strip_prefix(&base).unwrap();
            let module = module_of(name, inside);
            let module: Vec<&str> = module.iter().map(String::as_str).collect();
            let place = Path::new(folder).join(inside).display().to_string();
            SourceFile::parse(&place, &module, &fs::read_to_string(&path).unwrap())
        })
        .collect();
    let for_tests: BTreeSet<Vec<String>> = parsed
        .iter()
        .flat_map(|file| {
            let inside = |name: &String| [file.module.clone(), vec![name.clone()]].concat();
            file.test_modules.iter().map(inside)
        })
        .collect();
    parsed.retain(|file| !(1..=file.module.len()).any(|n| for_tests.contains(&file.module[..n])));
    parsed
}

/// `pace/control.rs` of `tickdeck_core` is `tickdeck_core::pace::control`.
fn module_of(name: &str, inside: &Path) -> Vec<String> {
    let mut module = vec![name.to_owned()];
    let stem = inside.with_extension("");
    module.extend(stem.iter().map(|part| part.to_str().unwrap().to_owned()));
    if module
        .last()
        .is_some_and(|last| ["mod", "lib"].contains(&last.as_str()))
    {
        module.pop();
    }
    module
}

/// Tests and examples by their name or folder; those that only a `#[cfg(test)] mod` declares are found by
/// that declaration.
pub(super) fn is_test_file(path: &Path) -> bool {
    let stem = path.file_stem().unwrap().to_string_lossy();
    stem == "tests"
        || stem.ends_with("_tests")
        || path
            .iter()
            .any(|part| ["tests", "examples"].iter().any(|folder| part == *folder))
}

/// Where a path leads inside a crate: the file that defines the name, through re-exports.
pub(super) fn definition<'a>(
    files: &'a [SourceFile],
    segments: &[String],
) -> Option<&'a SourceFile> {
    let by_module: BTreeMap<&[String], &SourceFile> = files
        .iter()
        .map(|file| (file.module.as_slice(), file))
        .collect();
    let mut segments = segments.to_vec();
    // A chain of re-exports is short; the bound is for two that name each other.
    for _ in 0..8 {
        let depth = (1..=segments.len())
            .rev()
            .find(|&n| by_module.contains_key(&segments[..n]))?;
        let file = by_module[&segments[..depth]];
        let Some(target) = segments.get(depth).and_then(|next| file.imports.get(next)) else {
            return Some(file);
        };
        let next = [target.as_slice(), &segments[depth + 1..]].concat();
        if next == segments {
            return Some(file);
        }
        segments = next;
    }
    None
}

/// Whether an item exists for tests only.
pub(super) fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute
                .meta
                .require_list()
                .is_ok_and(|list| list.tokens.to_string() == "test")
    })
}

/// The attributes of an item.
pub(super) fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// `segments` as they are written in `module`, made absolute.
fn absolute(module: &[String], segments: &[String]) -> Vec<String> {
    let mut at = module.to_vec();
    let mut rest = segments;
    match rest.first().map(String::as_str) {
        Some("crate") => {
            at.truncate(1);
            rest = &rest[1..];
        }
        Some("self") => rest = &rest[1..],
        Some("super") => {}
        _ => return segments.to_vec(),
    }
    while rest.first().is_some_and(|first| first == "super") {
        at.pop();
        rest = &rest[1..];
    }
    at.extend_from_slice(rest);
    at
}

/// Every name that a `use` item brings in, with the path it stands for and its line.
fn leaves(tree: &UseTree, prefix: &[String], each: &mut dyn FnMut(String, Vec<String>, usize)) {
    let with = |name: &syn::Ident| [prefix, &[name.to_string()]].concat();
    match tree {
        UseTree::Path(path) => leaves(&path.tree, &with(&path.ident), each),
        UseTree::Group(group) => group
            .items
            .iter()
            .for_each(|item| leaves(item, prefix, each)),
        UseTree::Name(name) if name.ident == "self" => {
            let own = prefix.last().cloned().unwrap_or_default();
            each(own, prefix.to_vec(), name.ident.span().start().line);
        }
        UseTree::Name(name) => each(
            name.ident.to_string(),
            with(&name.ident),
            name.ident.span().start().line,
        ),
        UseTree::Rename(rename) => each(
            rename.rename.to_string(),
            with(&rename.ident),
            rename.ident.span().start().line,
        ),
        UseTree::Glob(glob) => each(
            "*".to_owned(),
            [prefix, &["*".to_owned()]].concat(),
            glob.star_token.span().start().line,
        ),
    }
}

/// First pass: what the names of a file stand for.
struct Names {
    module: Vec<String>,
    imports: BTreeMap<String, Vec<String>>,
}

impl Visit<'_> for Names {
    fn visit_item(&mut self, item: &Item) {
        if !is_for_tests(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &syn::ItemMod) {
        self.module.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.module.pop();
        // A declared child is in scope like an import.
        let child = [self.module.clone(), vec![item.ident.to_string()]].concat();
        self.imports.insert(item.ident.to_string(), child);
    }

    fn visit_item_use(&mut self, item: &syn::ItemUse) {
        let (module, imports) = (&self.module, &mut self.imports);
        leaves(&item.tree, &[], &mut |name, path, _| {
            imports.insert(name, absolute(module, &path));
        });
    }
}

impl Names {
    /// `use child::Name` names a child of this module and not a crate.
    fn settled(mut self) -> Self {
        let known = self.imports.clone();
        for path in self.imports.values_mut() {
            *path = through_imports(&known, path);
        }
        self
    }
}

/// Replaces an imported first segment by what it stands for.
fn through_imports(imports: &BTreeMap<String, Vec<String>>, path: &[String]) -> Vec<String> {
    match path.split_first() {
        Some((first, rest)) => match imports.get(first) {
            Some(target) if target.as_slice() != std::slice::from_ref(first) => {
                [target.as_slice(), rest].concat()
            }
            _ => path.to_vec(),
        },
        None => Vec::new(),
    }
}

/// Second pass: every path, method and `async`.
struct Collector<'a> {
    imports: &'a BTreeMap<String, Vec<String>>,
    module: Vec<String>,
    /// What the parameters of `thread::scope` closures are called.
    scopes: BTreeSet<String>,
    found: SourceFile,
}

impl Collector<'_> {
    fn add(&mut self, segments: &[String], line: usize, is_reexport: bool) {
        let written = absolute(&self.module, segments);
        self.found.paths.push(PathUse {
            segments: through_imports(self.imports, &written),
            line,
            is_reexport,
        });
    }

    /// Paths and method names in the tokens of a macro call, which are not parsed.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut line = 0;
        let (mut colons, mut is_method) = (0, false);
        for token in tokens {
            match &token {
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.flush(&mut path, line);
                    }
                    if is_method {
                        let at = ident.span().start().line;
                        self.found.methods.push((ident.to_string(), at));
                    }
                    line = ident.span().start().line;
                    path.push(ident.to_string());
                    (colons, is_method) = (0, false);
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Group(group) => {
                    self.flush(&mut path, line);
                    self.tokens(group.stream());
                    (colons, is_method) = (0, false);
                }
                TokenTree::Punct(punct) => {
                    is_method = punct.as_char() == '.';
                    self.flush(&mut path, line);
                    colons = 0;
                }
                TokenTree::Literal(_) => {
                    self.flush(&mut path, line);
                    (colons, is_method) = (0, false);
                }
            }
        }
        self.flush(&mut path, line);
    }

    fn flush(&mut self, path: &mut Vec<String>, line: usize) {
        if path.len() > 1 {
            self.add(path, line, false);
        }
        path.clear();
    }
}

impl Visit<'_> for Collector<'_> {
    fn visit_item(&mut self, item: &Item) {
        if !is_for_tests(attributes(item)) {
            visit::visit_item(self, item);
        } else if let Item::Mod(module) = item
            && module.content.is_none()
        {
            self.found.test_modules.insert(module.ident.to_string());
        }
    }

    fn visit_impl_item_fn(&mut self, function: &syn::ImplItemFn) {
        if !is_for_tests(&function.attrs) {
            visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_item_mod(&mut self, item: &syn::ItemMod) {
        self.module.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.module.pop();
    }

    fn visit_item_use(&mut self, item: &syn::ItemUse) {
        let is_reexport = !matches!(item.vis, syn::Visibility::Inherited);
        let mut used = Vec::new();
        leaves(&item.tree, &[], &mut |_, path, line| {
            used.push((path, line));
        });
        for (path, line) in used {
            self.add(&path, line, is_reexport);
        }
    }

    fn visit_path(&mut self, path: &syn::Path) {
        let segments: Vec<String> = path
            .segments
            .iter()
            .map(|segment| segment.ident.to_string())
            .collect();
        self.add(&segments, path.span().start().line, false);
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &syn::Macro) {
        self.visit_path(&call.path);
        self.tokens(call.tokens.clone());
    }

    fn visit_expr_call(&mut self, call: &syn::ExprCall) {
        if let Expr::Path(function) = &*call.func
            && function.path.segments.last().unwrap().ident == "scope"
            && let Some(Expr::Closure(closure)) = call.args.first()
            && let Some(syn::Pat::Ident(parameter)) = closure.inputs.first()
        {
            self.scopes.insert(parameter.ident.to_string());
        }
        visit::visit_expr_call(self, call);
    }

    fn visit_expr_method_call(&mut self, call: &syn::ExprMethodCall) {
        let line = call.method.span().start().line;
        let is_scope = match &*call.receiver {
            Expr::Path(receiver) => receiver
                .path
                .get_ident()
                .is_some_and(|ident| self.scopes.contains(&ident.to_string())),
            _ => false,
        };
        let name = if is_scope {
            format!("scope.{}", call.method)
        } else {
            call.method.to_string()
        };
        if call.args.is_empty() {
            self.found.methods.push((format!("{name}()"), line));
        }
        self.found.methods.push((name, line));
        visit::visit_expr_method_call(self, call);
    }

    fn visit_signature(&mut self, signature: &syn::Signature) {
        if let Some(word) = &signature.asyncness {
            self.found.asyncs.push(word.span().start().line);
        }
        visit::visit_signature(self, signature);
    }

    fn visit_expr_async(&mut self, block: &syn::ExprAsync) {
        self.found
            .asyncs
            .push(block.async_token.span().start().line);
        visit::visit_expr_async(self, block);
    }
}

/// Whether `place` is `prefix` or a file in the folder of that name.
pub(super) fn is_within(place: &str, prefix: &str) -> bool {
    let path = PathBuf::from(place);
    path.starts_with(prefix) || path.with_extension("").starts_with(prefix)
}

#[test]
fn paths_are_seen_wherever_they_stand() {
    let text = "
        use std::thread;
        use super::sibling::{self, Name as Other};
        #[cfg(test)]
        mod tests { use crate::hidden::X; }
        fn f() {
            let x = crate::far::away(1);
            thread::sleep(x);
            log!(crate::in_macro::A, b.recv_timeout(1));
            thread::scope(|s| { s.spawn(|| sibling::g()); });
        }
    ";
    let file = SourceFile::parse("x.rs", &["tickdeck", "room", "here"], text);
    let paths: Vec<(String, usize)> = file.paths.iter().map(|p| (p.text(), p.line)).collect();
    for expected in [
        ("tickdeck::room::sibling::Name", 3),
        ("tickdeck::far::away", 7),
        ("std::thread::sleep", 8),
        ("tickdeck::in_macro::A", 9),
        ("tickdeck::room::sibling::g", 10),
    ] {
        let expected = (expected.0.to_owned(), expected.1);
        assert!(paths.contains(&expected), "{expected:?} in {paths:?}");
    }
    assert!(!paths.iter().any(|(path, _)| path.contains("hidden")));
    assert!(file.methods.contains(&("recv_timeout".to_owned(), 9)));
    assert!(file.methods.contains(&("scope.spawn".to_owned(), 10)));
}
