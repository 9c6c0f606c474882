// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::pci::{self, ErsResult, PowerState};
use linux_driver::prelude::*;

pub struct Nic;

#[vtable]
impl pci::ErrorHandlers for Nic {
    fn slot_reset(dev: &pci::Device<Exclusive>, _this: Pin<&Self>) -> ErsResult {
        match dev.set_power_state(PowerState::D0) {
        //~^ ERROR: no method named `set_power_state` found
            Ok(()) => ErsResult::Recovered,
            Err(_) => ErsResult::Disconnect,
        }
    }
}
