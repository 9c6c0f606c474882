// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::pci;
use linux_driver::prelude::*;

/// Reads from a device that may be unbound. It may belong to another driver, or to none.
pub fn read(dev: &pci::Device<Normal>) -> Result<u8> {
    dev.read_config_byte::<0x08>() //~ ERROR: no method named `read_config_byte` found
}
