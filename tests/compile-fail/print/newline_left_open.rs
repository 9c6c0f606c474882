// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

pub fn say() {
    linux_driver::pr_info!("a line\n", ..);
    //~^ ERROR: the newline ends the line that `..` would leave open
}
