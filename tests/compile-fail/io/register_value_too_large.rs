// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::register;

register! { //~ ERROR: the value does not fit into the bit field
    pub Control: u32 @ 0x00, rw { mode: 7:4 }
}

#[inline(never)]
pub fn control() -> Control {
    Control::ZERO.with_mode::<16>()
}
