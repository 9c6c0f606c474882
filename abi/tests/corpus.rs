// SPDX-License-Identifier: GPL-2.0-only
//! The fuzzers' corpus, handed to the same functions.

#[path = "../fuzz/src/entries.rs"]
#[expect(unreachable_pub, reason = "the fuzz crate has the same file as its library")]
mod entries;

use std::fs;
use std::path::Path;

fn replay(target: &str, entry: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
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
fn symvers() {
    replay("symvers", entries::symvers);
}
