// SPDX-License-Identifier: GPL-2.0-only
//@error-in-other-file: BARs are the bus's to write
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::pci;
use linux_driver::prelude::*;

#[inline(never)]
pub fn move_bar(dev: &pci::Device<Bound>) -> Result {
    dev.write_config_dword::<0x10>(0xfe00_0000)
}
