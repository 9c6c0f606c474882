// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use core::ops::Deref;

use linux_driver::dma::{self, Field};

/// A type without bytes that derefs to one with four.
pub struct Empty;

impl Deref for Empty {
    type Target = u32;

    fn deref(&self) -> &u32 {
        &0
    }
}

#[repr(C)]
pub struct Command {
    address: u32,
    end: Empty,
}

/// A field that would be after the end of `Command`.
pub const END: Field<Command, u32> = dma::field!(Command, end);
//~^ ERROR: expected `*const u32`, found `*const Empty`
