// SPDX-License-Identifier: GPL-2.0-only
//! Checks that `expected.txt`, with which the kernel's log is compared, contains what Rust formats.

#[path = "../src/expected.rs"]
mod lines;

use std::fs;

// Paths are compiled in, so cargo must compile this file again in a copy of the checkout.
const _: Option<&str> = option_env!("LINUX_DRIVER_CHECKOUT");

/// Writes the file instead if BLESS is set.
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
