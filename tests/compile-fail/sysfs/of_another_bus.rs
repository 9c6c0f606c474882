// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::pci;
use linux_driver::platform;
use linux_driver::prelude::*;
use linux_driver::sysfs;

struct Lamp;

#[vtable]
impl platform::Driver for Lamp {
    type IdInfo = ();
    const NAME: &'static CStr = c"lamp";
    const DEV_GROUPS: sysfs::DeviceGroups<Self, platform::Bus> = sysfs::device_groups![Colour];
    //~^ ERROR: ::platform::Bus`, found `linux_driver

    fn probe(_dev: &platform::Device<Core>, _id: Option<&'static ()>) -> impl PinInit<Self, Error> {
        Ok::<_, Error>(Lamp)
    }
}

struct Colour;

#[vtable]
impl sysfs::DeviceAttribute for Colour {
    type Data = Lamp;
    type Bus = pci::Bus;
    const NAME: &'static CStr = c"colour";
}

linux_driver::module_platform_driver! {
    type: Lamp,
    license: "GPL",
    author: "The linux-driver developers",
    description: "Must not compile",
}
