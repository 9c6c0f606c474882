// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::pr_info;

pub fn log() {
    pr_info!("{} and {}", 1);
    //~^ ERROR: the format string uses 2 arguments without a name, there is one
}
