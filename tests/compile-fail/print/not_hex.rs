// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::pr_info;

pub fn log(name: &str) {
    pr_info!("{name:x}"); //~ ERROR: the trait bound `str: LowerHex` is not satisfied
}
