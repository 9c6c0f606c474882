// SPDX-License-Identifier: GPL-2.0-only
//@error-in-other-file: the register's offset is not aligned to its size
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::io::Mmio;
use linux_driver::register;

register! {
    pub Odd: u32 @ 0x06, rw {}
}

#[inline(never)]
pub fn clear(registers: &Mmio<0x100>) {
    registers.write(Odd::ZERO);
}
