// SPDX-License-Identifier: GPL-2.0-only
//@error-in-other-file: the register is outside of the mapping
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::io::Mmio;
use linux_driver::register;

register! {
    pub Last: u64 @ 0xf8, ro {}
    pub Next: u32 @ 0x100, ro {}
}

#[inline(never)]
pub fn last(registers: &Mmio<0x100>) -> Last {
    registers.read()
}

#[inline(never)]
pub fn next(registers: &Mmio<0x100>) -> Next {
    registers.read_relaxed()
}
