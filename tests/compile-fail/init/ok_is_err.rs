// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use core::result::Result::Err as Ok;

use linux_driver::prelude::*;

pub struct Data {
    pub number: u32,
}

/// Returns an error although the fields are initialised: the memory would be freed without dropping
/// them.
pub fn data() {
    let _ = try_init!(Data { number: 1 }? __InitOk); //~ ERROR: mismatched types
}
