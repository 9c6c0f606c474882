// SPDX-License-Identifier: GPL-2.0-only
//@error-in-other-file: not aligned, or outside of the configuration space
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::pci;
use linux_driver::prelude::*;

#[inline(never)]
pub fn read(dev: &pci::Device<Bound>) -> Result<u8> {
    dev.read_config_byte::<256>()
}
