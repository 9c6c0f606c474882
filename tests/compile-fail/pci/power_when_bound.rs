// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::pci::{self, PowerState};
use linux_driver::prelude::*;

pub fn sleep(dev: &pci::Device<Bound>) -> Result {
    dev.set_power_state(PowerState::D3hot) //~ ERROR: no method named `set_power_state` found
}
