// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::uaccess::UserSlice;

/// Only what user space hands over is an address of its.
pub fn any() -> usize {
    UserSlice::new(0x1000, 4).len() //~ ERROR: associated function `new` is private
}
