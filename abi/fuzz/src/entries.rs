// SPDX-License-Identifier: GPL-2.0-only
//! The functions that the fuzz targets call with any bytes. Tests call the same functions with the
//! corpus.

use std::collections::BTreeMap;

use linux_driver_abi::btf::{Btf, declare, extract};
use linux_driver_abi::btf_file::BtfFile;
use linux_driver_abi::dwarf;
use linux_driver_abi::history::History;
use linux_driver_abi::kallsyms;
use linux_driver_abi::model::{Abi, Scope};
use linux_driver_abi::symvers::Symvers;
use linux_driver_abi::usage::{Usage, by_value};

/// Opens BTF, spells every type, and extracts everything that has a name. Then does the same with
/// the bytes as a module's BTF on top of themselves.
pub fn btf(data: &[u8]) {
    let Ok(btf) = Btf::open(data, "fuzz") else {
        return;
    };
    everything(&btf);
    if let Ok(module) = Btf::open_module(data, "fuzz", &btf) {
        everything(&module);
    }
}

fn everything(btf: &Btf<'_>) {
    let mut scope = Scope::default();
    for id in btf.ids().take(1000) {
        if let Ok(Some((name, is_function))) = btf.named(id) {
            let names = if is_function {
                &mut scope.functions
            } else {
                &mut scope.types
            };
            names.push(name.to_owned());
        }
        // A type that cannot be spelled must be an error.
        let _ = declare(btf, id, "name");
    }
    if let Ok(abi) = extract(btf, &scope) {
        consume(&abi);
    }
}

/// Opens a file that may contain BTF. The BTF in it can be opened, or is refused.
pub fn source(data: &[u8]) {
    if let Ok(source) = BtfFile::from_bytes(data.to_vec(), "fuzz") {
        assert!(!source.btf().is_empty(), "BTF was found that is not there");
        let is_module = source.container().to_string().starts_with("module");
        assert!(
            source.kernel().is_err() || !is_module,
            "a module's BTF passed for a kernel's"
        );
        if let Ok(btf) = Btf::open(source.btf(), source.location()) {
            assert_eq!(btf.ids().count() + 1, btf.len() as usize);
        }
    }
}

/// Reads `abi.json` and uses it as the tool does.
pub fn abi_json(data: &[u8]) {
    if let Ok(abi) = serde_json::from_slice::<Abi>(data) {
        consume(&abi);
    }
}

fn consume(abi: &Abi) {
    let usage = Usage {
        allocated: abi.types.keys().cloned().collect(),
        ..Usage::default()
    };
    usage.allocated_with_members(abi);
    for type_ in abi.types.values() {
        for field in &type_.fields {
            field.end_bits();
            by_value(&field.type_name);
            assert!(type_.field(&field.name).is_some());
        }
    }
    for (name, function) in &abi.functions {
        assert!(function.declaration(name).contains(name.as_str()));
    }
    let text = serde_json::to_string(abi).expect("the model is text");
    let again: Abi = serde_json::from_str(&text).expect("what was written can be read");
    assert_eq!(&again, abi);
}

/// Reads a `Module.symvers`.
pub fn symvers(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(symvers) = Symvers::parse(text, "fuzz") {
        for (name, export) in symvers.iter() {
            assert_eq!(symvers.get(name), Some(export));
        }
    }
}

/// Reads the debug information of an object: as the kernel's compiler writes it, and as rustc does
/// for bindings.
pub fn dwarf(data: &[u8]) {
    if let Ok(lines) = dwarf::Lines::read(data, "fuzz") {
        let _ = lines.at("probe", 1, 0x1000);
    }
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let scope = Scope {
        types: owned(&["outer", "inner", "choice", "callback_t", "absent"]),
        functions: owned(&["call", "many"]),
    };
    if let Ok(abi) = dwarf::read(data, "fuzz", &scope) {
        // Each name that was asked for is present, or recorded as missing.
        for name in &scope.types {
            assert!(
                abi.types.contains_key(name)
                    || abi.no_evidence.contains_key(&format!("type {name}")),
                "{name}"
            );
        }
        consume(&abi);
    }
    if let Ok(abi) = dwarf::read_bindings(data, "fuzz", &scope, BTreeMap::new()) {
        consume(&abi);
    }
}

/// Reads the symbols of a kernel.
pub fn kallsyms(data: &[u8]) {
    if let Ok(symbols) = kallsyms::read(data, "fuzz") {
        assert!(symbols.is_sorted_by_key(|symbol| symbol.address));
        assert!(
            symbols.iter().any(|symbol| symbol.name == "_text"),
            "the start of the code has no symbol"
        );
    }
}

/// Reads a history: its files concatenated, each from its first row on.
pub fn history(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(history) = History::of_texts(&texts(text)) else {
        return;
    };
    let order = history.in_order();
    assert_eq!(order.len(), history.len());
    for (before, after) in history.steps().into_iter().take(20) {
        history.differences(before, after);
    }
    for id in order.into_iter().take(20) {
        consume(&history.abi_of(id));
    }
}

/// Splits a text into the files of a history that it concatenates.
pub fn texts(text: &str) -> BTreeMap<String, String> {
    const FIRST: &str = "history\t1\t";
    let mut texts = BTreeMap::new();
    let mut file = String::new();
    for line in text.split_inclusive('\n') {
        if let Some(kind) = line.strip_prefix(FIRST) {
            file = format!("{}.tsv", kind.trim_end());
        }
        texts
            .entry(file.clone())
            .or_insert_with(String::new)
            .push_str(line);
    }
    texts
}
