// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::pci;
use linux_driver::pm::runtime::{self, Awake};
use linux_driver::prelude::*;

/// A device that is not known to be bound has no driver that would wake it.
pub fn wake(dev: &pci::Device<Normal>) -> Result<Awake<'_>> {
    runtime::resume_and_get(dev) //~ ERROR: `linux_driver::pci::Device` cannot be woken here
}
