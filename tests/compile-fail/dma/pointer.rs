// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::alloc::GFP_KERNEL;
use linux_driver::dma::Coherent;
use linux_driver::pci;
use linux_driver::prelude::*;

pub fn pointers(dev: &pci::Device<Bound>) {
    let _ = Coherent::<&'static u8>::zeroed(dev, GFP_KERNEL);
    //~^ ERROR: `zeroed` exists for struct `Coherent<&'static u8>`, but its trait bounds were not
}
