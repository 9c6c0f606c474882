// SPDX-License-Identifier: GPL-2.0-only
//! Checks `safe/NAMES.md`, the table of Rust and C names, against the bindings, the shims and the
//! sources of the safe layer.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

// Paths are compiled in, so cargo must compile this file again in a copy of the checkout.
const _: Option<&str> = option_env!("LINUX_DRIVER_CHECKOUT");

/// A row of the table.
struct Row {
    ours: String,
    c: String,
    why: String,
}

/// A public type of the safe layer with an alias.
struct Type {
    name: String,
    file: String,
    aliases: Vec<String>,
}

fn safe() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../safe")
}

fn rows() -> Vec<Row> {
    let text = fs::read_to_string(safe().join("NAMES.md")).unwrap();
    let rows: Vec<Row> = text
        .lines()
        .filter(|line| line.starts_with("| [`"))
        .map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            let [ours, c, why] = cells[..] else {
                panic!("a row has three cells: {line}");
            };
            let (name, link) = ours.trim_matches(['[', ')']).split_once("](").unwrap();
            let name = name.trim_matches('`');
            assert_eq!(
                link,
                format!("crate::{name}"),
                "the link's target must match its text"
            );
            Row {
                ours: name.to_owned(),
                c: c.trim_matches('`').to_owned(),
                why: why.to_owned(),
            }
        })
        .collect();
    assert!(rows.len() > 20, "the table was read: {} rows", rows.len());
    rows
}

/// Returns all words in the bindings and the shims, which contain the C names.
fn words_of_c() -> BTreeSet<String> {
    let c = Path::new(env!("CARGO_MANIFEST_DIR")).join("c");
    let shims = fs::read_to_string(c.join("shims.c")).unwrap();
    let bindings = include_str!(concat!(env!("OUT_DIR"), "/bindings.rs"));
    words(bindings)
        .chain(words(&shims))
        .map(str::to_owned)
        .collect()
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
}

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Returns the public types of the safe layer, with the `#[doc(alias = "…")]` before them.
fn types() -> Vec<Type> {
    let root = safe().join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut types = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let file = file
            .strip_prefix(&root)
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        for item in syn::parse_file(&text).unwrap().items {
            let (attrs, vis, ident) = match item {
                syn::Item::Struct(item) => (item.attrs, item.vis, item.ident),
                syn::Item::Enum(item) => (item.attrs, item.vis, item.ident),
                syn::Item::Trait(item) => (item.attrs, item.vis, item.ident),
                syn::Item::Type(item) => (item.attrs, item.vis, item.ident),
                _ => continue,
            };
            let aliases: Vec<String> = attrs
                .iter()
                .filter(|attr| attr.path().is_ident("doc"))
                .filter_map(|attr| attr.parse_args::<syn::MetaNameValue>().ok())
                .filter(|value| value.path.is_ident("alias"))
                .filter_map(|value| match value.value {
                    syn::Expr::Lit(syn::ExprLit {
                        lit: syn::Lit::Str(text),
                        ..
                    }) => Some(text.value()),
                    _ => None,
                })
                .collect();
            if matches!(vis, syn::Visibility::Public(_)) {
                types.push(Type {
                    name: ident.to_string(),
                    file: file.clone(),
                    aliases,
                });
            }
        }
    }
    assert!(
        types.len() > 50,
        "the sources were read: {} types",
        types.len()
    );
    types
}

/// Returns true if the row names the type: `bus::NewDevice` is `NewDevice` in `bus.rs` or in a file
/// of the folder `bus`.
fn is_of(row: &Row, ty: &Type) -> bool {
    let Some((module, name)) = row.ours.rsplit_once("::") else {
        return false;
    };
    let folder = module.replace("::", "/");
    name == ty.name
        && (ty.file == format!("{folder}.rs") || ty.file.starts_with(&format!("{folder}/")))
}

#[test]
fn c_names_in_the_table_exist() {
    let words = words_of_c();
    let unknown: Vec<String> = rows()
        .into_iter()
        .map(|row| row.c)
        .filter(|c| !words.contains(c))
        .collect();
    assert!(
        unknown.is_empty(),
        "neither in the bindings nor in the shims: {unknown:?}"
    );
}

#[test]
fn rust_names_in_the_table_exist_and_have_the_c_name_as_an_alias() {
    let types = types();
    for row in rows() {
        let found = types.iter().filter(|ty| is_of(&row, ty));
        let found: Vec<&Type> = found.collect();
        assert!(
            !found.is_empty(),
            "{} is in the table, but is not a public type",
            row.ours
        );
        let by_alias = found.iter().any(|ty| ty.aliases.contains(&row.c));
        assert!(
            by_alias,
            "{} has no #[doc(alias = \"{}\")], by which readers find it",
            row.ours, row.c
        );
    }
}

#[test]
fn a_name_that_differs_has_a_reason() {
    for row in rows() {
        let spelled: String = row.ours.chars().fold(String::new(), |mut text, c| {
            if c.is_uppercase() && !text.is_empty() && !text.ends_with(':') {
                text.push('_');
            }
            text.extend(c.to_lowercase());
            text
        });
        let last = spelled.rsplit("::").next().unwrap();
        let same = row.c == last || row.c == spelled.replace("::", "_");
        // Only a different name needs a reason. A reason for the same name comes from a copied row.
        assert_eq!(
            same,
            row.why.is_empty(),
            "{} and {}: {:?}",
            row.ours,
            row.c,
            row.why
        );
    }
}

#[test]
fn every_public_type_with_a_c_name_is_in_the_table() {
    let (rows, words) = (rows(), words_of_c());
    let mut missing = BTreeMap::new();
    for ty in types() {
        let known: Vec<&String> = ty
            .aliases
            .iter()
            .filter(|alias| words.contains(*alias))
            .collect();
        if !known.is_empty() && !rows.iter().any(|row| is_of(row, &ty)) {
            missing.insert(format!("{} in {}", ty.name, ty.file), format!("{known:?}"));
        }
    }
    assert!(
        missing.is_empty(),
        "add a row to safe/NAMES.md for each of: {missing:#?}"
    );
}
