// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::pr_info;

pub fn log(address: usize) {
    pr_info!("{address:p}"); //~ ERROR: `usize` is not a pointer
}
