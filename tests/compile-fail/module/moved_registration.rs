// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::driver::Registration;
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

type Registered = Registration<platform::Adapter<Lamp>>;

/// Moves a registration. A pinned one gives no `&mut`.
pub fn moved(registration: Pin<&mut Registered>) -> &mut Registered {
    Pin::into_inner(registration) //~ ERROR: `PhantomPinned` cannot be unpinned
}
