// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::prelude::*;
use linux_driver::uaccess::Writer;

#[repr(C)]
pub struct Padded {
    byte: u8,
    word: u32,
}

/// Writes three padding bytes, which contain data of the kernel.
pub fn out(to: &mut Writer<'_>, value: &Padded) -> Result {
    to.write(value) //~ ERROR: `Padded` may contain uninitialised bytes
}
