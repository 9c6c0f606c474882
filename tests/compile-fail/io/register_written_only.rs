// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::io::Mmio;
use linux_driver::register;

register! {
    pub Ack: u32 @ 0x64, wo {}
}

pub fn read(registers: &Mmio<0x100>) -> Ack {
    registers.read() //~ ERROR: ::io::Readable` is not satisfied
}
