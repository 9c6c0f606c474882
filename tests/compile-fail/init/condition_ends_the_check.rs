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
linux_driver::__derive_zeroable! { [] [] [{} swallow!] Reference { to: u64 } }
//~^ ERROR: a `where` clause contains a block

/// Returns a null reference.
pub fn null() -> Reference {
    linux_driver::init::zeroed()
}
