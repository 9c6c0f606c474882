// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

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

linux_driver::module_platform_driver! {
    type: Lamp,
    license: "GPL",
    author: "The linux-driver developers",
    description: "Must not compile",
}

linux_driver::module_platform_driver! {
//~^ ERROR: `a_crate_is_one_module_so_that_module_or_module_driver_is_called_once` is defined
    type: Lamp,
    license: "GPL",
    author: "The linux-driver developers",
    description: "Must not compile",
}
