// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::dma::{self, Field};

#[repr(C, packed)]
pub struct Odd {
    kind: u8,
    length: u32,
}

pub const LENGTH: Field<Odd, u32> = dma::field!(Odd, length);
//~^ ERROR: the field is not aligned in each element
