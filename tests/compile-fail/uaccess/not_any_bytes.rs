// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::prelude::*;
use linux_driver::uaccess::Reader;

/// Reads a `bool`. User space could write a 2.
pub fn flag(from: &mut Reader<'_>) -> Result<bool> {
    from.read() //~ ERROR: `bool` has bit patterns that are not valid values
}
