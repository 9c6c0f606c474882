// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

pub struct Reference {
    pub to: &'static u64,
}

macro_rules! swallow {
    ($($check:tt)*) => {};
}

// This condition ends the function that checks the fields, and `swallow!` removes the checks.
linux_driver::__derive_from_bytes! { [] [] [{} swallow!] Reference { to: u64 } }
//~^ ERROR: a `where` clause contains a block

/// Reads a reference, which could contain any address.
pub fn read(from: &mut linux_driver::uaccess::Reader<'_>) -> linux_driver::error::Result<Reference> {
    from.read()
}
