// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::io::{Mmio, Register};
use linux_driver::register;

register! {
    pub Id: u32 @ 0x00, ro {}
}

pub fn write(registers: &Mmio<0x100>) {
    registers.write(Id::from_bits(1)); //~ ERROR: ::io::Writable` is not satisfied
}
