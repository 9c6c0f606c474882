// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::register;

register! {
    pub Control: u32 @ 0x00, rw { high: 7:4, low: 4:0 }
    //~^ ERROR: `low` has a bit in common with `high`
}
