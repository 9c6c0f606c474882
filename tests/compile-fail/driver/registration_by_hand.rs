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

/// Accesses the structure that belongs to C while it is registered.
pub fn inside(registration: &Registration<platform::Adapter<Lamp>>) {
    let _ = &registration.driver; //~ ERROR: field `driver` of struct `linux_driver
}
