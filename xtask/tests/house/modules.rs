// SPDX-License-Identifier: GPL-2.0-only
//! Modules: within a crate they do not import each other in circles.
//!
//! A module is a file of a crate's `src/` with the folder of its name. What a module imports is
//! read from its tokens: each path that begins with `crate::`. Tests are left out, and so are the
//! macros' `$crate::`, which name what a driver sees.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::{File, files};

type Graph = BTreeMap<String, BTreeSet<String>>;

/// Returns each circle of modules, as `crate: a -> b -> a`.
pub(crate) fn circles() -> Vec<String> {
    let mut crates: BTreeMap<String, Vec<File>> = BTreeMap::new();
    for file in files(&["rs"]) {
        let Some((name, _)) = in_source(&file.path) else {
            continue;
        };
        crates.entry(name.to_owned()).or_default().push(file);
    }
    assert!(crates.len() > 5, "{:?}", crates.keys());
    let circle = |(name, files): (&String, &Vec<File>)| {
        circle(&graph(files)).map(|path| format!("{name}: {}", path.join(" -> ")))
    };
    crates.iter().filter_map(circle).collect()
}

/// Divides `kbuild/src/check/elf.rs` into `kbuild` and `check/elf.rs`.
fn in_source(path: &Path) -> Option<(&str, &str)> {
    let path = path.to_str()?;
    (!path.starts_with("tests/") && !path.starts_with("samples/")).then_some(())?;
    path.split_once("/src/")
}

/// Returns the name of the module that a file belongs to.
fn module_of(path: &str) -> &str {
    let first = path.split('/').next().unwrap_or(path);
    first.strip_suffix(".rs").unwrap_or(first)
}

fn graph(files: &[File]) -> Graph {
    let modules: BTreeSet<&str> = files
        .iter()
        .filter_map(|file| Some(module_of(in_source(&file.path)?.1)))
        .filter(|module| !["lib", "main"].contains(module))
        .collect();
    let root = files.iter().find(|file| {
        in_source(&file.path).is_some_and(|(_, below)| ["lib.rs", "main.rs"].contains(&below))
    });
    let reexports = root.map(|root| reexports(&root.text)).unwrap_or_default();
    let mut graph = Graph::new();
    for file in files {
        let Some((_, below)) = in_source(&file.path) else {
            continue;
        };
        let from = module_of(below);
        if !modules.contains(from) {
            continue;
        }
        let tokens: TokenStream = file.text.parse().unwrap();
        let mut names = BTreeSet::new();
        imports(tokens, &mut names);
        for name in names {
            let to = reexports.get(&name).unwrap_or(&name);
            if to != from && modules.contains(to.as_str()) {
                graph.entry(from.to_owned()).or_default().insert(to.clone());
            }
        }
    }
    graph
}

/// Collects the first names of the paths that begin with `crate::`.
fn imports(tokens: TokenStream, names: &mut BTreeSet<String>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let is = |at: usize, text: &str| {
        tokens
            .get(at)
            .is_some_and(|token| token.to_string() == text)
    };
    let mut at = 0;
    while at < tokens.len() {
        if is(at, "#") && is(at + 1, "[cfg (test)]") {
            // The item that follows is a test.
            at += 2;
            while at < tokens.len() && !is(at, ";") && !is_braces(&tokens[at]) {
                at += 1;
            }
        } else if is(at, "crate") && is(at + 1, ":") && !(at > 0 && is(at - 1, "$")) {
            match tokens.get(at + 3) {
                Some(TokenTree::Ident(name)) => drop(names.insert(name.to_string())),
                Some(TokenTree::Group(group)) => names.extend(heads(group.stream())),
                _ => {}
            }
            at += 3;
            continue;
        } else if let TokenTree::Group(group) = &tokens[at] {
            imports(group.stream(), names);
        }
        at += 1;
    }
}

fn is_braces(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace)
}

/// Returns the first name of each path in `{a::b, c::{d, e}}`.
fn heads(tokens: TokenStream) -> Vec<String> {
    let mut heads = Vec::new();
    let mut first = true;
    for token in tokens {
        match token {
            TokenTree::Ident(name) if first => {
                heads.push(name.to_string());
                first = false;
            }
            TokenTree::Punct(punct) if punct.as_char() == ',' => first = true,
            _ => {}
        }
    }
    heads
}

/// Returns the modules behind the names that a crate's root re-exports.
fn reexports(root: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let file = syn::parse_file(root).unwrap();
    for item in file.items {
        if let syn::Item::Use(item) = item {
            collect(&item.tree, None, &mut found);
        }
    }
    found
}

fn collect(tree: &syn::UseTree, module: Option<&str>, found: &mut BTreeMap<String, String>) {
    match tree {
        syn::UseTree::Path(path) => {
            let name = path.ident.to_string();
            let skipped = ["self", "crate"].contains(&name.as_str());
            let module = module.or((!skipped).then_some(name.as_str()));
            collect(&path.tree, module, found);
        }
        syn::UseTree::Group(group) => {
            group
                .items
                .iter()
                .for_each(|tree| collect(tree, module, found));
        }
        syn::UseTree::Name(name) => {
            let name = name.ident.to_string();
            found.extend(module.map(|module| (name, module.to_owned())));
        }
        syn::UseTree::Rename(rename) => {
            let name = rename.rename.to_string();
            found.extend(module.map(|module| (name, module.to_owned())));
        }
        syn::UseTree::Glob(_) => {}
    }
}

/// Returns a circle, if there is one.
fn circle(graph: &Graph) -> Option<Vec<String>> {
    let mut done = BTreeSet::new();
    graph
        .keys()
        .find_map(|start| visit(graph, start, &mut Vec::new(), &mut done))
}

fn visit(
    graph: &Graph,
    module: &str,
    path: &mut Vec<String>,
    done: &mut BTreeSet<String>,
) -> Option<Vec<String>> {
    if let Some(at) = path.iter().position(|on| on == module) {
        let mut circle = path[at..].to_vec();
        circle.push(module.to_owned());
        return Some(circle);
    }
    if !done.insert(module.to_owned()) {
        return None;
    }
    path.push(module.to_owned());
    for next in graph.get(module).into_iter().flatten() {
        let circle = visit(graph, next, path, done);
        if circle.is_some() {
            return circle;
        }
    }
    path.pop();
    None
}

#[test]
fn a_circle_is_found() {
    let file = |path: &str, text: &str| File {
        path: path.into(),
        text: text.to_owned(),
    };
    let root = file(
        "host/src/lib.rs",
        "mod a; mod b; mod c; pub use b::{Thing, Other};",
    );
    let a = file("host/src/a.rs", "use crate::{Thing, c::X};");
    let in_test = "#[cfg(test)] mod tests { use crate::a::Z; }";
    let b = file("host/src/b/deep.rs", in_test);
    let c = file("host/src/c.rs", "fn f() { m!(crate::b::g()) }");
    let mut files = vec![root, a, b, c];
    assert_eq!(circle(&graph(&files)), None);
    files.push(file("host/src/b.rs", "use crate::a;"));
    let found = circle(&graph(&files)).unwrap();
    assert_eq!(found, ["a", "b", "a"]);
}
