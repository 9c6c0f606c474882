// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::device::{Device, Normal};
use linux_driver::devres::Devres;
use linux_driver::prelude::*;

/// Accesses a value with a device that may be unbound. This does not prove that the value exists.
pub fn read(dev: &Device<Normal>, value: &Devres<u32>) -> Result<u32> {
    value.access(dev).copied()
    //~^ ERROR: the trait bound `Device: AsRef<Device<Bound>>` is not satisfied
}
