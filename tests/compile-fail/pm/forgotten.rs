// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::prelude::*;
use linux_driver::{platform, pm};

struct Lamp;

#[vtable]
impl platform::Driver for Lamp {
    type IdInfo = ();
    const NAME: &'static CStr = c"lamp";

    fn probe(_dev: &platform::Device<Core>, _id: Option<&'static ()>) -> impl PinInit<Self, Error> {
        Ok::<_, Error>(Lamp)
    }
}

#[vtable] //~ ERROR: `pm::Operations` is implemented but would never be called
impl pm::Operations for Lamp {
    type Bus = platform::Bus;

    fn suspend(_dev: &platform::Device<Core>, _this: Pin<&Self>) -> Result {
        Ok(())
    }
}

linux_driver::module_platform_driver! {
//~^ ERROR: `pm::Operations` is implemented but would never be called
    type: Lamp,
    license: "GPL",
    author: "The linux-driver developers",
    description: "Must not compile",
}
