// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::pci;
use linux_driver::prelude::*;

/// Needs the device's lock. The core holds it during its callbacks only.
pub fn later(dev: &pci::Device<Bound>) {
    dev.set_master(); //~ ERROR: no method named `set_master` found
}
