// SPDX-License-Identifier: GPL-2.0-only
//! Tests that sizes and offsets equal those that pahole (package dwarves) reads from the same BTF,
//! for all types of the history.
//!
//! `LINUX_DRIVER_TEST_BTF` names the files, in the form of PATH; `cargo xtask test` sets it to the
//! BTF of the fetched kernels.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use linux_driver_abi::btf::{Btf, extract};
use linux_driver_abi::btf_file::BtfFile;
use linux_driver_abi::history::Watched;
use linux_driver_abi::model::{Abi, Kind, Scope};
use linux_driver_abi::needed::Needed;

// Paths are compiled in, so cargo must compile this file again in a copy of the checkout.
const _: Option<&str> = option_env!("LINUX_DRIVER_CHECKOUT");

/// A field's offset and size in bits.
type Bits = (u64, u64);

/// A type as pahole prints it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Printed {
    size: u64,
    fields: BTreeSet<(String, Bits)>,
}

fn scope() -> Scope {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let needed = Needed::read(&root.join("sys/needed.toml")).unwrap();
    Watched::read(&root.join("headers/watched.toml"))
        .unwrap()
        .scope(&needed)
}

/// Returns the files to compare.
fn files() -> Vec<PathBuf> {
    let paths = std::env::var_os("LINUX_DRIVER_TEST_BTF")
        .expect("LINUX_DRIVER_TEST_BTF: files that hold BTF");
    let files: Vec<PathBuf> = std::env::split_paths(&paths).collect();
    assert!(!files.is_empty());
    files
}

#[test]
fn sizes_and_offsets_are_those_of_pahole() {
    let files = files();
    let scope = scope();
    let mut wrong = Vec::new();
    let (mut types, mut fields) = (0, 0);
    for path in &files {
        let source = BtfFile::open(path).unwrap();
        let abi = extract(&Btf::open(source.btf(), path.display()).unwrap(), &scope).unwrap();
        // pahole reads a kernel's BTF from a separate file.
        let dir = tempfile::tempdir().unwrap();
        let raw = dir.path().join("btf");
        fs::write(&raw, source.btf()).unwrap();
        let printed = pahole(&raw, &abi);
        for (name, type_) in &abi.types {
            if !matches!(type_.kind, Kind::Struct | Kind::Union) {
                continue;
            }
            types += 1;
            fields += type_.fields.len();
            let ours = Printed {
                size: type_.size,
                fields: type_
                    .fields
                    .iter()
                    .map(|f| (f.name.clone(), (f.offset_bits, f.size_bits)))
                    .collect(),
            };
            match printed.get(name) {
                Some(theirs) if *theirs == ours => {}
                Some(theirs) => wrong.push(format!(
                    "{}: {name}: {} bytes, pahole says {}; only here {:?}; only there {:?}",
                    path.display(),
                    ours.size,
                    theirs.size,
                    ours.fields.difference(&theirs.fields).collect::<Vec<_>>(),
                    theirs.fields.difference(&ours.fields).collect::<Vec<_>>()
                )),
                None => wrong.push(format!(
                    "{}: {name}: pahole does not print it",
                    path.display()
                )),
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {types} types differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(
        files.is_empty() || fields > 500 * files.len(),
        "only {fields} fields were compared"
    );
    println!(
        "{} files, {types} types, {fields} fields are the same",
        files.len()
    );
}

fn pahole(raw: &Path, abi: &Abi) -> BTreeMap<String, Printed> {
    let names = abi
        .types
        .iter()
        .filter(|(_, type_)| matches!(type_.kind, Kind::Struct | Kind::Union));
    let names: Vec<&str> = names.map(|(name, _)| name.as_str()).collect();
    let output = Command::new("pahole")
        .arg("-C")
        .arg(names.join(","))
        .arg(raw)
        .output()
        .expect("pahole runs: install the package dwarves");
    parse(&String::from_utf8_lossy(&output.stdout))
}

/// Parses the output of `pahole -C`.
fn parse(text: &str) -> BTreeMap<String, Printed> {
    let mut all = BTreeMap::new();
    let mut name = String::new();
    let mut size = 0;
    // The open braces, outermost first, each with its fields.
    let mut open: Vec<Vec<(String, Bits)>> = Vec::new();
    for line in text.lines() {
        let line = line.trim();
        if let Some(rest) = line.strip_prefix("/* size: ").filter(|_| open.len() == 1) {
            size = rest.split(',').next().unwrap().parse().unwrap();
        }
        if line.starts_with("/*") || line.is_empty() {
            continue;
        }
        if let Some(head) = line.strip_suffix('{') {
            if open.is_empty() {
                name = head.trim().rsplit(' ').next().unwrap().to_owned();
            }
            open.push(Vec::new());
            continue;
        }
        let (code, comment) = match line.rsplit_once("/*") {
            Some((code, comment)) => (code.trim(), comment.trim_end_matches("*/").trim()),
            None => (line, ""),
        };
        let code = code
            .split(" __attribute__")
            .next()
            .unwrap()
            .trim_end_matches(';')
            .trim();
        if let Some(rest) = code.strip_prefix('}') {
            let inner = open.pop().unwrap_or_default();
            let Some(outer) = open.last_mut() else {
                let fields = inner.into_iter().collect();
                all.insert(std::mem::take(&mut name), Printed { size, fields });
                continue;
            };
            let rest = rest.trim();
            if rest.is_empty() {
                outer.extend(inner);
            } else {
                let (field, _) = declared(rest);
                let dot = if rest.contains('[') { "[]." } else { "." };
                outer.push((field.clone(), location(comment, None)));
                outer.extend(
                    inner
                        .into_iter()
                        .map(|(path, location)| (format!("{field}{dot}{path}"), location)),
                );
            }
            continue;
        }
        let Some(fields) = open.last_mut().filter(|_| !comment.is_empty()) else {
            continue;
        };
        let (field, bits) = declared(code);
        if !field.is_empty() {
            fields.push((field, location(comment, bits)));
        }
    }
    all
}

/// Returns the name in a declaration, and the size of a bit field in bits.
fn declared(code: &str) -> (String, Option<u64>) {
    let name = |text: &str| -> String {
        text.chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect()
    };
    if let Some((_, rest)) = code.split_once("(*") {
        return (name(rest.trim_start_matches('*')), None);
    }
    let (code, bits) = match code.rsplit_once(':') {
        Some((code, bits)) => (code, bits.trim().parse().ok()),
        None => (code, None),
    };
    let last = code
        .split('[')
        .next()
        .unwrap()
        .trim_end()
        .rsplit([' ', '*'])
        .next()
        .unwrap();
    (name(last), bits)
}

/// Parses `OFFSET SIZE` in bytes, `OFFSET: BIT SIZE` of a bit field, or `SIZE` in a union.
fn location(comment: &str, bits: Option<u64>) -> Bits {
    let numbers = comment.split([' ', ':']).filter(|word| !word.is_empty());
    let numbers: Vec<u64> = numbers.map(|word| word.parse().unwrap()).collect();
    match (numbers.as_slice(), bits) {
        ([offset, bit, _], Some(bits)) => (offset * 8 + bit, bits),
        ([offset, _], Some(bits)) => (offset * 8, bits),
        ([offset, size], None) => (offset * 8, size * 8),
        ([_], Some(bits)) => (0, bits),
        ([size], None) => (0, size * 8),
        other => panic!("{comment}: {other:?}"),
    }
}

#[test]
fn the_output_of_pahole_is_parsed() {
    let text = "struct a \
                {\n\tint x:3; /*     4: 2  4 */\n\n\t/* XXX 1 bit hole */\n\tunion {\n\t\tvoid * p; /*     8     8 */\n\
                \t\tint (*f)(int, int); /*     8     8 */\n\t}; /*     8     8 */\n\tstruct \
                {\n\t\tu8 y[2]; /*    16     2 */\n\
                \t} s[3] __attribute__((__aligned__(2))); /*    16     6 */\n\n\t/* size: 24, \
                cachelines: 1, members: 3 */\n};\n";
    let found = &parse(text)["a"];
    assert_eq!(found.size, 24);
    let fields = [
        ("f", (64, 64)),
        ("p", (64, 64)),
        ("s", (128, 48)),
        ("s[].y", (128, 16)),
        ("x", (34, 3)),
    ];
    assert_eq!(
        found.fields,
        fields
            .map(|(name, location)| (name.to_owned(), location))
            .into()
    );
}
