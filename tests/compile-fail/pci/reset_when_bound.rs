// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::pci;
use linux_driver::prelude::*;

pub fn reset(dev: &pci::Device<Bound>) -> Result {
    dev.reset_function() //~ ERROR: no method named `reset_function` found
}
