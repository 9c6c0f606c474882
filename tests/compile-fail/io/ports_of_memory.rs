// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::pci;
use linux_driver::prelude::*;

#[inline(never)]
pub fn read(dev: &pci::Device<Bound>) -> Result<u8> {
    Ok(dev.iomap_region::<0x10>(0)?.access(dev)?.inb::<0>()) //~ ERROR: no method named `inb` found
}
