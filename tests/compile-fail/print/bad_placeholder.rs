// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::pr_info;

pub fn log() {
    pr_info!("{:5%}", 1); //~ ERROR: `{:5%}` is not a placeholder of `core::fmt`
}
