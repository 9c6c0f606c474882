// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::pr_info;

pub fn log() {
    pr_info!("{a}", a = 1, a = 2); //~ ERROR: there are two arguments named `a`
}
