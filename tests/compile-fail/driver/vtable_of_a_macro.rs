// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::pci;
use linux_driver::pm;
use linux_driver::prelude::*;

struct Nic;

macro_rules! suspend {
    () => {
        fn suspend(_dev: &pci::Device<Core>, _this: Pin<&Self>) -> Result {
            Ok(())
        }
    };
}

#[vtable]
impl pm::Operations for Nic {
    type Bus = pci::Bus;

    suspend!(); //~ ERROR: `#[vtable]` does not see which functions a macro makes
}
