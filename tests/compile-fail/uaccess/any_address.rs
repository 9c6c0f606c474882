// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::uaccess::UserSlice;

/// Invents an address. Only user space may supply addresses of its memory.
pub fn any() -> usize {
    UserSlice::new(0x1000, 4).len() //~ ERROR: associated function `new` is private
}
