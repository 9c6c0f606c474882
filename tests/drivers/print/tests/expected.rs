// SPDX-License-Identifier: GPL-2.0-only
//! `expected.txt`, which the run in a kernel is compared with, holds what Rust formats.

#[path = "../src/expected.rs"]
mod lines;

use std::fs;

// In a copy of the checkout this is compiled anew: paths are compiled in.
const _: Option<&str> = option_env!("LINUX_DRIVER_CHECKOUT");

/// Set BLESS to write the file.
#[test]
fn the_expected_messages_are_what_rust_formats() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/expected.txt");
    let lines: String = lines::lines()
        .iter()
        .map(|line| format!("print: {line}\n"))
        .collect();
    if std::env::var_os("BLESS").is_some() {
        fs::write(path, &lines).unwrap();
    }
    assert_eq!(fs::read_to_string(path).unwrap(), lines);
}
