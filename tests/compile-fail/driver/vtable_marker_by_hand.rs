// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::platform;
use linux_driver::prelude::*;

struct Lamp;

/// Declares the marker by hand, without the attribute: the core would never call `shutdown`.
impl platform::Driver for Lamp {
    type IdInfo = ();
    const NAME: &'static CStr = c"lamp";
    const WRITE_THE_ATTRIBUTE_vtable_BEFORE_THIS_impl: () = ();
    //~^ ERROR: `WRITE_THE_ATTRIBUTE_vtable_BEFORE_THIS_impl` has an incompatible type for trait

    fn probe(_dev: &platform::Device<Core>, _id: Option<&'static ()>) -> impl PinInit<Self, Error> {
        Ok::<_, Error>(Lamp)
    }

    fn shutdown(_dev: &platform::Device<Core>, _this: Pin<&Self>) {}
}
