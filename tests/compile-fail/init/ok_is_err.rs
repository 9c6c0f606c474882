// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use core::result::Result::Err as Ok;

use linux_driver::prelude::*;

pub struct Data {
    pub number: u32,
}

/// All is initialised, nothing is dropped, and an error is returned: the place would be freed.
pub fn data() {
    let _ = try_init!(Data { number: 1 }? __InitOk); //~ ERROR: mismatched types
}
