// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::driver::DeviceDriver;
use linux_driver::pci;
use linux_driver::platform;
use linux_driver::pm;
use linux_driver::prelude::*;

struct Lamp;

#[vtable]
impl platform::Driver for Lamp {
    type IdInfo = ();
    const NAME: &'static CStr = c"lamp";
    const DRIVER: DeviceDriver<Self, platform::Bus> = DeviceDriver::new().pm();
    //~^ ERROR: type mismatch resolving `<Lamp as

    fn probe(_dev: &platform::Device<Core>, _id: Option<&'static ()>) -> impl PinInit<Self, Error> {
        Ok::<_, Error>(Lamp)
    }
}

#[vtable]
impl pm::Operations for Lamp {
    type Bus = pci::Bus;
}

linux_driver::module_platform_driver! {
    type: Lamp,
    license: "GPL",
    author: "The linux-driver developers",
    description: "Must not compile",
}
