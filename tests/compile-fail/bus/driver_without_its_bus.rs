// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::bus::{self, Handle};
use linux_driver::driver::Registration;
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

struct Reader;

#[vtable]
impl bus::Driver for Reader {
    type Bus = Shelf;
    type IdInfo = ();
    const NAME: &'static CStr = c"reader";
    const ID_TABLE: bus::IdTable<Shelf, ()> = &[(1, ())];

    fn probe(_dev: &bus::Device<Shelf, Core>, _id: Option<&'static ()>) -> impl PinInit<Self, Error> {
        Ok::<_, Error>(Reader)
    }
}

/// Registers a driver from the module's state. The state of the driver's bus must contain it.
pub fn wrong(module: &'static ThisModule) -> impl PinInit<Registration<bus::Adapter<Reader>>, Error> {
    Registration::<bus::Adapter<Reader>>::new(module)
    //~^ ERROR: ::bus::Adapter<Reader>>`, but its trait bounds were not satisfied
}
