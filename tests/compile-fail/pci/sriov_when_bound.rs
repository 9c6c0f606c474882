// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::pci;
use linux_driver::prelude::*;

/// The device's lock is held in the core's callbacks alone.
pub fn later(dev: &pci::Device<Bound>) -> Result {
    dev.enable_sriov(1) //~ ERROR: no method named `enable_sriov` found
}
