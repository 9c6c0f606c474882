// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::prelude::*;
use linux_driver::uaccess::Writer;

#[repr(C)]
pub struct Padded {
    pub a: u8,
    pub b: u64,
}

macro_rules! swallow {
    ($($check:tt)*) => {};
}

// This condition ends the function that checks the fields, and `swallow!` removes the checks.
linux_driver::__derive_into_bytes! { [] [] [{} swallow!] Padded { a: u64, b: u64 } }
//~^ ERROR: no rules expected

/// Writes padding, which contains data of the kernel's stack.
pub fn write(to: &mut Writer<'_>, value: &Padded) -> Result {
    to.write(value)
}
