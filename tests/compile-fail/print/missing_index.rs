// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::pr_info;

pub fn log() {
    pr_info!("{3}"); //~ ERROR: the format string uses 4 arguments without a name, there are none
}
