// SPDX-License-Identifier: GPL-2.0-only
//! Bindings generated from a snapshot equal those generated from the same kernel's headers:
//! layouts, constants, signatures and features.
//!
//! Needs all that `cargo xtask doctor` names, and Debian's archive for kernels that are not yet in
//! the cache.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use linux_driver_kernels::Catalogue;
use quote::ToTokens;
use regex_lite::Regex;

// Paths are compiled in, so cargo must compile this file again in a copy of the checkout.
const _: Option<&str> = option_env!("LINUX_DRIVER_CHECKOUT");

fn repository() -> &'static Path {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    dir.parent().unwrap_or(dir)
}

/// Returns the target folder that this test was built in.
fn target() -> &'static Path {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR"));
    dir.parent().unwrap_or(dir)
}

/// The bindings that `linux-driver-sys` has in this environment.
struct Bindings {
    /// Sizes, alignments and offsets, constants, functions, aliases and fields, by name.
    facts: BTreeMap<String, String>,
    /// Names of structs and unions that are defined, not only declared.
    defined: Vec<String>,
    /// The `cfg`s, and the macro that names the symbol of an ID table.
    rest: Vec<String>,
}

impl Bindings {
    fn made_with(variable: &str, value: &str) -> Self {
        let cargo = Command::new(env!("CARGO"))
            .args([
                "check",
                "-p",
                "linux-driver-sys",
                "--message-format",
                "json",
            ])
            .env_remove("LINUX_DRIVER_KERNEL")
            .env_remove("LINUX_DRIVER_KERNEL_DIR")
            .env(variable, value)
            .env("CARGO_TARGET_DIR", target())
            .current_dir(repository())
            .output()
            .unwrap();
        assert!(
            cargo.status.success(),
            "{}",
            String::from_utf8_lossy(&cargo.stderr)
        );
        let said = String::from_utf8(cargo.stdout).unwrap();
        let messages = said
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let built = messages
            .filter(|message| message["reason"] == "build-script-executed")
            .find(|message| {
                message["package_id"]
                    .as_str()
                    .is_some_and(|id| id.contains("/sys#"))
            })
            .expect("the build script of linux-driver-sys");
        let out = PathBuf::from(built["out_dir"].as_str().unwrap());
        let mut rest = vec![fs::read_to_string(out.join("device_table.rs")).unwrap()];
        rest.extend(
            built["cfgs"]
                .as_array()
                .unwrap()
                .iter()
                .map(ToString::to_string),
        );
        Self::of(&fs::read_to_string(out.join("bindings.rs")).unwrap(), rest)
    }

    fn of(text: &str, rest: Vec<String>) -> Self {
        let (mut facts, mut defined) = (BTreeMap::new(), Vec::new());
        for item in syn::parse_file(text).unwrap().items {
            match item {
                syn::Item::Const(item) if item.ident == "_" => {
                    layouts(&text_of(&item.expr), &mut facts)
                }
                syn::Item::Const(item) => {
                    facts.insert(
                        format!("const {}", item.ident),
                        format!("{} = {}", text_of(&item.ty), text_of(&item.expr)),
                    );
                }
                syn::Item::Type(item) => {
                    facts.insert(format!("type {}", item.ident), text_of(&item.ty));
                }
                syn::Item::Struct(item) => {
                    let name = item.ident.to_string();
                    fields(&name, item.fields.iter(), &mut facts, &mut defined);
                }
                syn::Item::Union(item) => {
                    let name = item.ident.to_string();
                    fields(&name, item.fields.named.iter(), &mut facts, &mut defined);
                }
                syn::Item::ForeignMod(block) => {
                    for item in block.items {
                        let name = match &item {
                            syn::ForeignItem::Fn(function) => function.sig.ident.to_string(),
                            syn::ForeignItem::Static(variable) => variable.ident.to_string(),
                            _ => continue,
                        };
                        facts.insert(format!("extern {name}"), text_of(&item));
                    }
                }
                _ => {}
            }
        }
        Self {
            facts,
            defined,
            rest,
        }
    }
}

/// Returns tokens as text.
fn text_of(of: &impl ToTokens) -> String {
    of.to_token_stream().to_string()
}

/// Reads bindgen's layout tests: `["Size of device"][size_of::<device>() - 768usize];` and so on.
fn layouts(text: &str, facts: &mut BTreeMap<String, String>) {
    for test in text.split(';') {
        if let Some((_, rest)) = test.split_once("[\"")
            && let Some((what, rest)) = rest.split_once("\"]")
            && let Some((_, number)) = rest.rsplit_once("- ")
        {
            facts.insert(
                what.to_owned(),
                number.trim_end_matches([' ', ']']).to_owned(),
            );
        }
    }
}

fn fields<'f>(
    name: &str,
    fields: impl Iterator<Item = &'f syn::Field>,
    facts: &mut BTreeMap<String, String>,
    defined: &mut Vec<String>,
) {
    let mut is_declared_only = false;
    for field in fields {
        let ident = field
            .ident
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default();
        is_declared_only |= ident == "_unused";
        facts.insert(format!("field {name}::{ident}"), text_of(&field.ty));
    }
    if !is_declared_only {
        defined.push(name.to_owned());
    }
}

/// Returns whether the fact is about this type.
fn is_about(fact: &str, name: &str) -> bool {
    let of = fact
        .rsplit_once(": ")
        .or_else(|| fact.rsplit_once("Size of "))
        .or_else(|| fact.rsplit_once("Alignment of "));
    let of = of
        .or_else(|| fact.split_once("field "))
        .map_or("", |(_, of)| of);
    of.split("::").next() == Some(name)
}

/// Returns the text without the differences that do not count. Parameters have no names in a
/// snapshot. A long line is broken, and then ends with a comma. bindgen sometimes drops the `const`
/// of a pointer in a field, where BTF keeps it.
fn essence(text: &str) -> String {
    static NAMES: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"([(,]\s*)[A-Za-z_]\w* : ").unwrap());
    static COMMAS: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\s*,\s*([>)])").unwrap());
    static CLOSED: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\s+([>)])").unwrap());
    let text = NAMES.replace_all(text, "$1");
    let text = COMMAS.replace_all(&text, "$1");
    CLOSED.replace_all(&text, "$1").replace("* const", "* mut")
}

fn same(kernel: &str, snapshot: &Bindings, headers: &Bindings) -> Vec<String> {
    let mut wrong = Vec::new();
    for (what, value) in &snapshot.facts {
        let declared_only =
            what.ends_with("::_unused") || what.starts_with("Size of") && value == "0usize";
        match headers.facts.get(what) {
            _ if declared_only => {}
            Some(other) if essence(other) == essence(value) => {}
            other => wrong.push(format!(
                "{kernel}: {what}: {value} in the snapshot, {other:?} in the headers"
            )),
        }
    }
    for name in &snapshot.defined {
        for (what, value) in headers
            .facts
            .iter()
            .filter(|(what, _)| is_about(what, name))
        {
            if !snapshot.facts.contains_key(what) {
                wrong.push(format!("{kernel}: {what}: {value} in the headers alone"));
            }
        }
    }
    if snapshot.rest != headers.rest {
        wrong.push(format!(
            "{kernel}: {:?} is not {:?}",
            snapshot.rest, headers.rest
        ));
    }
    wrong
}

#[test]
fn a_snapshot_gives_the_bindings_that_the_headers_give() {
    let catalogue = Catalogue::read(&repository().join("headers/kernels.toml")).unwrap();
    let mut wrong = Vec::new();
    for spec in catalogue.stock() {
        let env = Command::new(env!("CARGO_BIN_EXE_xtask"))
            .args(["env", "--kernel", &spec.name])
            .output()
            .unwrap();
        assert!(
            env.status.success(),
            "{}",
            String::from_utf8_lossy(&env.stderr)
        );
        let line = String::from_utf8(env.stdout).unwrap();
        let (variable, dir) = line.trim().split_once('=').unwrap();
        let headers = Bindings::made_with(variable, dir);
        let snapshot = Bindings::made_with("LINUX_DRIVER_KERNEL", &spec.name);
        assert!(
            snapshot.facts.len() > 1000,
            "{}: {}",
            spec.name,
            snapshot.facts.len()
        );
        assert!(snapshot.facts.contains_key("Offset of field: pci_dev::dev"));
        assert!(snapshot.facts.contains_key("extern pci_unregister_driver"));
        assert_eq!(
            snapshot.facts.get("const EPERM").map(String::as_str),
            Some("u32 = 1")
        );
        wrong.extend(same(&spec.name, &snapshot, &headers));
        // A machine without libclang gets the stored bindings. They are compared item by item,
        // because each libclang prints them a little differently.
        let stored = repository()
            .join("headers/snapshots")
            .join(&spec.name)
            .join("bindings.rs");
        let stored = Bindings::of(&fs::read_to_string(stored).unwrap(), snapshot.rest.clone());
        wrong.extend(same(&spec.name, &stored, &snapshot));
        wrong.extend(same(&spec.name, &snapshot, &stored));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_difference_is_seen() {
    let of = |text: &str| Bindings::of(text, Vec::new());
    let one = "pub const A: u32 = 1; #[repr(C)] pub struct s { pub f: u32 } \
               const _: () = { [\"Size of s\"][::core::mem::size_of::<s>() - 4usize]; };";
    assert!(same("k", &of(one), &of(one)).is_empty());
    for (from, to) in [
        ("= 1", "= 2"),
        ("f: u32", "f: i32"),
        ("- 4usize", "- 8usize"),
        ("f: u32", "f: u32, pub g: u32"),
    ] {
        assert_eq!(
            same("k", &of(one), &of(&one.replace(from, to))).len(),
            1,
            "{to}"
        );
    }
}
