// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::ioctl::Argument;
use linux_driver::uaccess::UserSlice;

/// Keeps a slice of user space. After the call, the memory may be gone.
pub fn kept(argument: Argument<'_>) -> UserSlice<'static> {
    argument.slice(4) //~ ERROR: lifetime may not live long enough
}
