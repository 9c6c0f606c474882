// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::platform;
use linux_driver::prelude::*;

struct Lamp;

impl platform::Driver for Lamp { //~ ERROR: missing: `WRITE_THE_ATTRIBUTE_vtable_BEFORE_THIS_impl`
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
