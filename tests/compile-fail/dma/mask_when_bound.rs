// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::dma::{self, DmaMask};
use linux_driver::pci;
use linux_driver::prelude::*;

pub fn later(dev: &pci::Device<Bound>) -> Result {
    dma::set_mask_and_coherent(dev, DmaMask::new::<32>())
    //~^ ERROR: the trait bound `Device<Bound>: AsRef<Device<Core>>` is not satisfied
}
