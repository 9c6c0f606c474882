// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::prelude::*;
use linux_driver::driver::Callbacks;
use linux_driver::platform;

struct Lamp;

#[vtable]
impl platform::Driver for Lamp {
    type IdInfo = ();
    const NAME: &'static CStr = c"lamp";

    fn probe(_dev: &platform::Device<Core>, _id: Option<&'static ()>) -> impl PinInit<Self, Error> {
        Ok::<_, Error>(Lamp)
    }
}

#[vtable] //~ ERROR: `driver::Callbacks` is implemented but would never be called
impl Callbacks for Lamp {
    type Bus = platform::Bus;

    fn sync_state(_dev: &platform::Device<Core>, _this: Pin<&Self>) {}
}

linux_driver::module_platform_driver! {
//~^ ERROR: `driver::Callbacks` is implemented but would never be called
    type: Lamp,
    license: "GPL",
    author: "The linux-driver developers",
    description: "Must not compile",
}
