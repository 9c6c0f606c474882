// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::pci;
use linux_driver::prelude::*;

fn shared(_: &impl Sync) {}

pub fn hand_on(dev: &pci::Device<Exclusive>) {
    shared(dev); //~ ERROR: cannot be shared between threads safely
}
