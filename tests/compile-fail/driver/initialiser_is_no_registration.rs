// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::driver::Registration;
use linux_driver::module::ThisModule;
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

/// Takes an initialiser for a registration. It only becomes one when registering has succeeded.
pub fn early(module: &'static ThisModule) -> Result<Registration<platform::Adapter<Lamp>>> {
    let registration: Registration<platform::Adapter<Lamp>> = Registration::new(module);
    //~^ ERROR: expected `Registration<Adapter<Lamp>>`, found opaque type
    Ok(registration)
}
