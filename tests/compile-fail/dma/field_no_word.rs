// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::dma::{self, Field};

#[repr(C)]
pub struct Pair {
    first: [u8; 8],
}

pub const FIRST: Field<Pair, [u8; 8]> = dma::field!(Pair, first);
//~^ ERROR: the trait bound `[u8; 8]: Word` is not satisfied
