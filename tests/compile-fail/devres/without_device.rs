// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::device::{Device, Normal};
use linux_driver::devres::Devres;
use linux_driver::prelude::*;

/// A device that may be unbound says nothing of a value's binding.
pub fn read(dev: &Device<Normal>, value: &Devres<u32>) -> Result<u32> {
    value.access(dev).copied()
    //~^ ERROR: the trait bound `Device: AsRef<Device<Bound>>` is not satisfied
}
