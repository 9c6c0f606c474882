// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::bytes::IntoBytes;

mod fake {
    pub use linux_driver::*;
}

/// A struct whose attribute would make the derive look for its checks in `fake`.
#[derive(IntoBytes)] //~ ERROR: the struct has padding
#[zerocopy(crate = "crate::fake")] //~ ERROR: cannot find attribute `zerocopy` in this scope
#[repr(C)]
pub struct Padded {
    pub a: u8,
    pub b: u64,
}
