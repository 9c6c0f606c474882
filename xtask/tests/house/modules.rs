// SPDX-License-Identifier: GPL-2.0-only
//! Modules: within a crate they do not import each other in circles.
//!
//! A module is a file of a crate's `src/` with the folder of its name. The imports of a module are
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

/// Returns the pairs of files of different modules that import each other, in one crate.
pub(crate) fn pairs(name: &str) -> Vec<String> {
    let all = files(&["rs"]);
    let files: Vec<(&str, &str, &File)> = all
        .iter()
        .filter_map(|file| {
            let (of, below) = in_source(&file.path)?;
            (of == name && below != "lib.rs").then_some((module_of(below), below, file))
        })
        .collect();
    pairs_of(&files)
}

fn pairs_of(files: &[(&str, &str, &File)]) -> Vec<String> {
    let mut imported = BTreeSet::new();
    for (module, below, file) in files {
        let mut paths = BTreeSet::new();
        imports(file.text.parse().unwrap(), &mut paths);
        for path in paths {
            // `device::Device` is in the file of `device` that defines `Device`; after
            // `use crate::device`, each `device::Device` is.
            let [to, rest @ ..] = &*path else { continue };
            let names = match rest {
                [] => after(&file.text, &format!("{to}::")),
                names => names.to_vec(),
            };
            for (other, target, file) in files {
                let defines = || names.iter().any(|name| defines(&file.text, name));
                if other == to && other != module && defines() {
                    imported.insert((*below, *target));
                }
            }
        }
    }
    let both = imported
        .iter()
        .filter(|(a, b)| a < b && imported.contains(&(*b, *a)));
    both.map(|(a, b)| format!("{a} and {b} import each other"))
        .collect()
}

/// Returns the names that follow `path` in the code.
fn after(text: &str, path: &str) -> Vec<String> {
    let code = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    code.flat_map(|line| line.split(path).skip(1))
        .map(|rest| {
            let end = rest.find(|char: char| !char.is_alphanumeric() && char != '_');
            rest[..end.unwrap_or(rest.len())].to_owned()
        })
        .collect()
}

/// Returns whether a file defines this item, outside of any other.
fn defines(text: &str, name: &str) -> bool {
    let kinds = [
        "struct", "enum", "union", "trait", "fn", "const", "static", "type",
    ];
    let lines = text
        .lines()
        .filter(|line| line.starts_with(char::is_alphabetic));
    let mut words = lines.map(|line| {
        line.split(|char: char| !char.is_alphanumeric() && char != '_')
            .collect::<Vec<&str>>()
    });
    words.any(|words| {
        words
            .windows(2)
            .any(|pair| kinds.contains(&pair[0]) && pair[1] == name)
    })
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
        let mut paths = BTreeSet::new();
        imports(tokens, &mut paths);
        for path in paths {
            let Some(name) = path.first() else { continue };
            let to = reexports.get(name).unwrap_or(name);
            if to != from && modules.contains(to.as_str()) {
                graph.entry(from.to_owned()).or_default().insert(to.clone());
            }
        }
    }
    graph
}

/// Collects the paths that begin with `crate::`, without that word: `device::Device`.
fn imports(tokens: TokenStream, paths: &mut BTreeSet<Vec<String>>) {
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
            at = path(&tokens, at + 3, &mut Vec::new(), paths);
            continue;
        } else if let TokenTree::Group(group) = &tokens[at] {
            imports(group.stream(), paths);
        }
        at += 1;
    }
}

/// Collects the paths that begin at `at` and continue `before`: more than one for `a::{b, c::d}`.
/// Returns where they end.
fn path(
    tokens: &[TokenTree],
    mut at: usize,
    before: &mut Vec<String>,
    paths: &mut BTreeSet<Vec<String>>,
) -> usize {
    let length = before.len();
    while let Some(token) = tokens.get(at) {
        match token {
            TokenTree::Ident(name) => {
                before.push(name.to_string());
                at += 1;
                let colon =
                    |at: usize| tokens.get(at).is_some_and(|token| token.to_string() == ":");
                if colon(at) && colon(at + 1) {
                    at += 2;
                    continue;
                }
                paths.insert(before.clone());
            }
            TokenTree::Group(group) if is_braces(token) => {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                let mut inside = 0;
                while inside < inner.len() {
                    inside = path(&inner, inside, before, paths);
                    while inside < inner.len() && inner[inside].to_string() != "," {
                        inside += 1;
                    }
                    inside += 1;
                }
                at += 1;
            }
            _ => {
                paths.insert(before.clone());
            }
        }
        break;
    }
    before.truncate(length);
    at
}

fn is_braces(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace)
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

#[test]
fn a_pair_is_found() {
    let file = |path: &str, text: &str| File {
        path: path.into(),
        text: text.to_owned(),
    };
    let a = file(
        "safe/src/a.rs",
        "use crate::{b::{Thing, deep::Other}, c}; struct A;",
    );
    let b = file(
        "safe/src/b.rs",
        "pub struct Thing; pub fn f() -> crate::a::A { todo!() }",
    );
    let deep = file(
        "safe/src/b/deep.rs",
        "pub struct Other; fn g(_: crate::a::Absent) {}",
    );
    let files = [
        ("a", "a.rs", &a),
        ("b", "b.rs", &b),
        ("b", "b/deep.rs", &deep),
    ];
    assert_eq!(pairs_of(&files), ["a.rs and b.rs import each other"]);
    assert!(pairs_of(&files[..1]).is_empty());
}
