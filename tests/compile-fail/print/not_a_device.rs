// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::dev_info;

pub fn log(irq: u32) {
    dev_info!(irq, "interrupt"); //~ ERROR: `u32` is not a device
    //~^ ERROR: `u32` is not a device
}
