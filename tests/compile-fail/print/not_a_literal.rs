// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::pr_info;

pub fn log(text: &str) {
    pr_info!(text); //~ ERROR: expected a format string, as a literal
}
