// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::pr_info;

pub fn log() {
    pr_info!("{:d}", 1); //~ ERROR: unknown format type `d` in `{:d}`
}
