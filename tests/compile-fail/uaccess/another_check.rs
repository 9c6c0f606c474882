//~ ERROR cannot find attribute `zerocopy` in this scope
// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::bytes::IntoBytes;

mod fake {
    pub use linux_driver::*;
}

/// The derive would look for its checks there.
#[derive(IntoBytes)]
#[zerocopy(crate = "crate::fake")]
#[repr(C)]
pub struct Padded {
    pub a: u8,
    pub b: u64,
}
