// SPDX-License-Identifier: GPL-2.0-only
//! Tests that run the fuzzers' entry points on their corpus.

#[path = "../fuzz/src/entries.rs"]
#[expect(
    unreachable_pub,
    reason = "the fuzz crate has the same file as its library"
)]
mod entries;

use std::fs;
use std::path::Path;

use linux_driver_abi::btf::{Btf, extract};
use linux_driver_abi::dwarf;
use linux_driver_abi::history::History;
use linux_driver_abi::kallsyms;
use linux_driver_abi::model::{Abi, Scope};

// Paths are compiled in, so cargo must compile this file again in a copy of the checkout.
const _: Option<&str> = option_env!("LINUX_DRIVER_CHECKOUT");

fn replay(target: &str, entry: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target);
    let mut count = 0;
    for file in fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
        let path = file.expect("a folder can be read").path();
        entry(&fs::read(&path).expect("a file can be read"));
        count += 1;
    }
    assert!(count > 0, "{} is empty", folder.display());
}

#[test]
fn btf() {
    replay("btf", entries::btf);
}

#[test]
fn source() {
    replay("source", entries::source);
}

#[test]
fn abi_json() {
    replay("abi_json", entries::abi_json);
}

#[test]
fn dwarf() {
    replay("dwarf", entries::dwarf);
}

#[test]
fn kallsyms() {
    replay("kallsyms", entries::kallsyms);
}

#[test]
fn history() {
    replay("history", entries::history);
}

#[test]
fn symvers() {
    replay("symvers", entries::symvers);
}

/// Checks that files from real tools are read completely, so that the fuzzer starts from useful
/// input.
#[test]
fn files_of_real_tools_are_read() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let bytes = |name: &str| fs::read(corpus.join(name)).expect("a file can be read");
    let scope = Scope {
        types: vec!["outer".to_owned()],
        functions: Vec::new(),
    };
    let of_gcc = dwarf::read(&bytes("dwarf/gcc"), "gcc", &scope).expect("it is whole");
    let of_pahole = bytes("btf/pahole");
    let of_pahole = extract(
        &Btf::open(&of_pahole, "pahole").expect("it is whole"),
        &scope,
    )
    .expect("it is sound");
    let locations = |abi: &Abi| -> Vec<(String, u64)> {
        let fields = abi.types["outer"].fields.iter();
        fields
            .map(|field| (field.name.clone(), field.offset_bits))
            .collect()
    };
    assert_eq!(locations(&of_gcc), locations(&of_pahole));
    assert_eq!(of_gcc.types["outer"].size, 192);
    let of_rustc = dwarf::read(&bytes("dwarf/rustc"), "rustc", &scope).expect("it is whole");
    assert_eq!(of_rustc.types["outer"].size, 32);
    let text = String::from_utf8(bytes("history/six-kernels")).expect("it is text");
    let history = History::of_texts(&entries::texts(&text)).expect("it is a history");
    assert_eq!(history.len(), 6);
    let symbols = kallsyms::read(&bytes("kallsyms/small"), "small").expect("it is whole");
    assert_eq!(symbols.len(), 1000);
    assert_eq!((symbols[7].name.as_str(), symbols[7].kind), ("f007", 't'));
}
