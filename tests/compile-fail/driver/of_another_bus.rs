// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::driver::Registration;
use linux_driver::module::ThisModule;
use linux_driver::pci;
use linux_driver::platform;
use linux_driver::prelude::*;

struct Lamp;

#[vtable]
impl platform::Driver for Lamp {
    type IdInfo = ();
    const NAME: &'static CStr = c"lamp";

    fn probe(_dev: &platform::Device<Core>, _id: Option<&'static ()>) -> impl PinInit<Self, Error> {
        Ok::<_, Error>(Lamp)
    }
}

/// Registers a platform driver as a PCI driver.
pub fn wrong(module: &'static ThisModule) -> impl PinInit<Registration<pci::Adapter<Lamp>>, Error> {
    Registration::new(module) //~ ERROR: the trait bound `Lamp: linux_driver
}
