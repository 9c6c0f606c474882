// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::pci;
use linux_driver::pm::runtime::{self, Awake};
use linux_driver::prelude::*;

/// Wakes a device that may be unbound. It may have no driver to wake it.
pub fn wake(dev: &pci::Device<Normal>) -> Result<Awake<'_>> {
    runtime::resume_and_get(dev) //~ ERROR: `linux_driver::pci::Device` cannot be woken here
}
