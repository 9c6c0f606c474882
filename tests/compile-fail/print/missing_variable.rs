// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::pr_info;

pub fn log() {
    pr_info!("at {speed}"); //~ ERROR: cannot find value `speed` in this scope
}
