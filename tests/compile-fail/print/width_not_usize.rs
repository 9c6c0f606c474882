// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::pr_info;

pub fn log(width: u8) {
    pr_info!("{:width$}", 1); //~ ERROR: expected `&usize`, found `&u8`
}
