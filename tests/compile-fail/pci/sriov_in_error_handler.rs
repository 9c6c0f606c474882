// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::pci::{self, ErsResult};
use linux_driver::prelude::*;

pub struct Nic;

#[vtable]
impl pci::ErrorHandlers for Nic {
    fn slot_reset(dev: &pci::Device<Exclusive>, _this: Pin<&Self>) -> ErsResult {
        match dev.enable_sriov(1) { //~ ERROR: no method named `enable_sriov` found
            Ok(()) => ErsResult::Recovered,
            Err(_) => ErsResult::Disconnect,
        }
    }
}
