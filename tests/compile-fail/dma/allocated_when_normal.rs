// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::alloc::GFP_KERNEL;
use linux_driver::dma::Coherent;
use linux_driver::pci;
use linux_driver::prelude::*;

/// Allocates memory for a device that may be unbound. The memory must be freed while it is bound.
pub fn early(dev: &pci::Device<Normal>) -> impl PinInit<Coherent<u32>, Error> {
//~^ ERROR: AsRef<linux_driver::device::Device<linux_driver::device::Bound>>` is not satisfied
    Coherent::zeroed(dev, GFP_KERNEL)
    //~^ ERROR: AsRef<linux_driver::device::Device<linux_driver::device::Bound>>` is not satisfied
    //~| ERROR: AsRef<linux_driver::device::Device<linux_driver::device::Bound>>` is not satisfied
}
