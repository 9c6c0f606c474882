// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::bus::{self, Handle, Registration};
use linux_driver::module::ThisModule;
use linux_driver::prelude::*;

struct Shelf;

#[vtable]
impl bus::BusType for Shelf {
    const NAME: &'static CStr = c"shelf";
    type DeviceData = u32;
    type DeviceId = u32;

    fn init(_module: &'static ThisModule, _bus: &Handle<Self>) -> impl PinInit<Self, Error> {
        Ok::<_, Error>(Shelf)
    }

    fn match_id(_dev: &bus::Device<Self>, _id: &u32) -> bool {
        true
    }
}

/// Moves a registered bus. C keeps pointers to it.
pub fn moved(registration: Pin<&mut Registration<Shelf>>) -> &mut Registration<Shelf> {
    Pin::into_inner(registration) //~ ERROR: `PhantomPinned` cannot be unpinned
}
