// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::pci;
use linux_driver::prelude::*;

pub struct Nic;

#[vtable]
impl pci::ErrorHandlers for Nic {
    fn reset_prepare(dev: &pci::Device<Core>, _this: Pin<&Self>) {
    //~^ ERROR: method `reset_prepare` has an incompatible type for trait
        let _ = dev.reset_function();
    }
}
