// SPDX-License-Identifier: GPL-2.0-only
//! What the driver logs, as Rust formats it: what a kernel has to log stands in `expected.txt`.

use std::{fmt, fs};

include!("../src/cases.rs");

/// The lines in order, without the driver's name in front. Those of `zero_cases!` come last.
fn lines() -> Vec<String> {
    let mut lines = Vec::new();
    macro_rules! expect {
        ($($case:tt)*) => {
            lines.push(format!($($case)*))
        };
    }
    macro_rules! expect_special {
        ($expected:literal; $($case:tt)*) => {
            lines.push($expected.to_string())
        };
    }
    cases!(expect);
    let value = 0xfeed_u32;
    generic_cases!(expect, value);
    special_cases!(expect_special);
    zero_cases!(expect);
    lines
}

/// What a kernel has to log stands in a file, for the run in the machine; it is what Rust formats. Set BLESS to write it.
#[test]
fn the_expected_messages_are_what_rust_formats() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/expected.txt");
    let lines: String = lines().iter().map(|line| format!("print: {line}\n")).collect();
    if std::env::var_os("BLESS").is_some() {
        fs::write(path, &lines).unwrap();
    }
    assert_eq!(fs::read_to_string(path).unwrap(), lines);
}
