// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::prelude::*;
use linux_driver::uaccess::Reader;

/// User space could hand over a 2.
pub fn flag(from: &mut Reader<'_>) -> Result<bool> {
    from.read() //~ ERROR: `bool` has bit patterns that are not valid values
}
