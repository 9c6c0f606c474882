// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::pci;
use linux_driver::prelude::*;

/// The device's lock is held in the core's callbacks alone.
pub fn later(dev: &pci::Device<Bound>) {
    dev.set_master(); //~ ERROR: no method named `set_master` found
}
