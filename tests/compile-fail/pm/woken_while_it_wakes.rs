// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::pci;
use linux_driver::pm::{self, runtime};
use linux_driver::prelude::*;

pub struct Nic;

#[vtable] //~ ERROR: `pm::Operations` is implemented but would never be called
impl pm::Operations for Nic {
    type Bus = pci::Bus;

    fn runtime_resume(dev: &pci::Device<Transition>, _this: Pin<&Self>) -> Result {
        let _awake = runtime::resume_and_get(dev)?; //~ ERROR: cannot be woken here
        Ok(())
    }
}
