// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

pub struct Reference {
    pub to: &'static u64,
}

macro_rules! swallow {
    ($($check:tt)*) => {};
}

// A condition that ends the function which checks the fields, and swallows what it would check.
linux_driver::__derive_from_bytes! { [] [] [{} swallow!] Reference { to: u64 } }
//~^ ERROR: a `where` clause contains a block

/// A reference to any address.
pub fn read(from: &mut linux_driver::uaccess::Reader<'_>) -> linux_driver::error::Result<Reference> {
    from.read()
}
