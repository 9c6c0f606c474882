// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::pci;
use linux_driver::prelude::*;

/// Needs the device's lock. The core holds it during its callbacks only.
pub fn later(dev: &pci::Device<Bound>) -> Result {
    dev.enable_sriov(1) //~ ERROR: no method named `enable_sriov` found
}
