// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::register;

register! {
    pub Control: u8 @ 0x00, rw { carry: 8 }
    //~^ ERROR: bit 8 is outside of the register, which has 8 bits
}
