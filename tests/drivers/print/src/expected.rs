// SPDX-License-Identifier: GPL-2.0-only
//! The expected log messages of the driver, formatted by Rust. `expected.txt` contains the same
//! lines.

use std::fmt;

include!("cases.rs");

/// Returns the lines in order, without the driver's name in front. Those of `zero_cases!` come
/// last.
pub(crate) fn lines() -> Vec<String> {
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
