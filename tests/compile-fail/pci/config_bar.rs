// SPDX-License-Identifier: GPL-2.0-only
//@error-in-other-file: a driver must not write a BAR
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::pci;
use linux_driver::prelude::*;

#[inline(never)]
pub fn move_bar(dev: &pci::Device<Bound>) -> Result {
    dev.write_config_dword::<0x10>(0xfe00_0000)
}
