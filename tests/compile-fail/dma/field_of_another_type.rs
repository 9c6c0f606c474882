// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use core::ops::Deref;

use linux_driver::dma::{self, Field};

#[repr(C)]
pub struct Large {
    room: [u32; 64],
    owner: u32,
}

static LARGE: Large = Large { room: [0; 64], owner: 0 };

#[repr(C)]
pub struct Command {
    address: u32,
}

impl Deref for Command {
    type Target = Large;

    fn deref(&self) -> &Large {
        &LARGE
    }
}

/// The offset of a field of `Large`, to which `Command` derefs. It is wrong for a `Command`.
pub const OWNER: Field<Command, u32> = dma::field!(Command, owner);
//~^ ERROR: no field `owner` on type `Command`
