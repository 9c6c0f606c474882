// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::pr_info;

pub fn log(x: &u8) {
    pr_info!("{x:#p}"); //~ ERROR: `{:p}` takes no options
}
