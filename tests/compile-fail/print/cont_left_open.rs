// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

pub fn more() {
    linux_driver::pr_cont!("more", ..); //~ ERROR: there is nothing to leave open
}
