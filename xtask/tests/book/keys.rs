// SPDX-License-Identifier: GPL-2.0-only
//! The keys of a driver's trial, generated from the types that they are read into.

use std::fmt::Write as _;

use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, Field, Fields, Item, Lit, Meta, Token, Type};

use crate::generated::{GENERATED, generated};
use crate::read;
use crate::support::repository;

/// Returns the doc comment, each paragraph on a line, without rustdoc's links.
fn docs(attributes: &[Attribute]) -> Vec<String> {
    let mut paragraphs = vec![String::new()];
    for attribute in attributes.iter().filter(|a| a.path().is_ident("doc")) {
        let Meta::NameValue(doc) = &attribute.meta else {
            continue;
        };
        let Expr::Lit(literal) = &doc.value else {
            continue;
        };
        let Lit::Str(line) = &literal.lit else {
            continue;
        };
        match (line.value().trim(), paragraphs.last_mut()) {
            ("", _) => paragraphs.push(String::new()),
            (line, Some(last)) if last.is_empty() => last.push_str(line),
            (line, Some(last)) => last.extend([" ", line]),
            (_, None) => {}
        }
    }
    paragraphs.iter().map(|text| without_links(text)).collect()
}

/// Returns the text with each link replaced by its label.
fn without_links(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("[`") {
        let (before, link) = rest.split_at(at);
        let Some((shown, after)) = link[1..].split_once(']') else {
            break;
        };
        plain += before;
        plain += shown;
        rest = match after.strip_prefix('(') {
            Some(target) => target.split_once(')').map_or("", |(_, rest)| rest),
            None => after,
        };
    }
    plain + rest
}

/// Returns the name that serde's `rename` gives, if there is one.
fn renamed(attributes: &[Attribute]) -> Option<String> {
    let serde = attributes.iter().filter(|a| a.path().is_ident("serde"));
    let all = serde.filter_map(|attribute| {
        let parse = Punctuated::<Meta, Token![,]>::parse_terminated;
        attribute.parse_args_with(parse).ok()
    });
    all.flatten().find_map(|meta| match meta {
        Meta::NameValue(rename) if rename.path.is_ident("rename") => match &rename.value {
            Expr::Lit(literal) => match &literal.lit {
                Lit::Str(name) => Some(name.value()),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    })
}

/// Returns the form of a Rust name that serde's `kebab-case` gives.
fn kebab(name: &str) -> String {
    let mut kebab = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !kebab.is_empty() {
            kebab.push('-');
        }
        kebab.extend(c.to_lowercase());
    }
    kebab.replace('_', "-")
}

/// Returns the name of a key's type for the reader.
fn type_name(of: &Type) -> String {
    let Type::Path(path) = of else {
        panic!("a type that this test does not know")
    };
    let last = path.path.segments.last().unwrap();
    let inner = match &last.arguments {
        syn::PathArguments::AngleBracketed(arguments) => {
            arguments.args.iter().find_map(|argument| match argument {
                syn::GenericArgument::Type(inner) => Some(type_name(inner)),
                _ => None,
            })
        }
        _ => None,
    };
    match (last.ident.to_string().as_str(), inner) {
        ("Option" | "Box", Some(inner)) => inner,
        ("Vec", Some(inner)) => format!("list of {inner}s"),
        ("String", _) => "string".to_owned(),
        ("u32" | "u64" | "usize", _) => "number".to_owned(),
        ("bool", _) => "`true` or `false`".to_owned(),
        ("Map", _) => "table".to_owned(),
        ("Errno", _) => "name of an error".to_owned(),
        (name, _) => kebab(name).replace('-', " "),
    }
}

fn key(field: &Field) -> String {
    let name = || kebab(&field.ident.as_ref().unwrap().to_string());
    renamed(&field.attrs).unwrap_or_else(name)
}

fn row(field: &Field) -> String {
    let text = docs(&field.attrs).join(" ").replace('|', "\\|");
    format!("| `{}` | {} | {text} |\n", key(field), type_name(&field.ty))
}

/// Returns the item with this name in a file.
fn item(file: &str, name: &str) -> Item {
    let items = syn::parse_file(&read(&repository().join(file)))
        .unwrap()
        .items;
    let is = |item: &Item| match item {
        Item::Struct(item) => item.ident == name,
        Item::Enum(item) => item.ident == name,
        _ => false,
    };
    let found = items.into_iter().find(is);
    found.unwrap_or_else(|| panic!("{file} has no {name}"))
}

const HEAD: &str = "| key | value | meaning |\n|---|---|---|\n";

fn table(page: &mut String, title: &str, file: &str, name: &str) {
    let Item::Struct(of) = item(file, name) else {
        panic!("{name} is not a struct")
    };
    write!(page, "\n## {title}\n\n{HEAD}").unwrap();
    // The action has its own keys.
    let fields = of.fields.iter().filter(|field| key(field) != "action");
    page.extend(fields.map(row));
}

fn actions(page: &mut String) {
    let Item::Enum(of) = item("vm/src/action.rs", "Action") else {
        panic!("Action is not an enum")
    };
    page.push_str("\n## The actions\n");
    for variant in &of.variants {
        let name = variant.ident.to_string();
        // This variant has no key: it is a step without an action.
        if name == "Expect" {
            continue;
        }
        let name = renamed(&variant.attrs).unwrap_or_else(|| kebab(&name));
        let text = docs(&variant.attrs).join("\n\n");
        write!(page, "\n### {name}\n\n{text}\n").unwrap();
        if let Fields::Named(fields) = &variant.fields
            && !fields.named.is_empty()
        {
            write!(page, "\n{HEAD}").unwrap();
            page.extend(fields.named.iter().map(row));
        }
    }
}

#[test]
fn the_keys_of_a_trial_are_those_that_are_read() {
    let mut page = format!("{GENERATED}# Keys of a trial\n");
    page.push_str("\n[How a driver is tried](manifest.md) has an overview and an example.\n");
    table(&mut page, "The driver", "trial/src/settings.rs", "Settings");
    table(&mut page, "A scenario", "trial/src/scenario.rs", "Scenario");
    table(&mut page, "A step", "vm/src/plan.rs", "Step");
    actions(&mut page);
    generated("reference/trial-keys.md", &page);
}

#[test]
fn names_and_links_are_plain() {
    assert_eq!(kebab("needs_config"), "needs-config");
    assert_eq!(kebab("LoadByAlias"), "load-by-alias");
    assert_eq!(
        without_links("see [`A::b`](crate::A::b), [`c`] and [d]"),
        "see `A::b`, `c` and [d]"
    );
}
