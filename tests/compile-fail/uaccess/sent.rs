// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::uaccess::UserSlice;

/// Sends a slice to another thread. Its process may have other memory at this address.
pub fn sent(slice: UserSlice<'_>) -> impl Send { //~ ERROR: cannot be shared between threads safely
    slice
}
