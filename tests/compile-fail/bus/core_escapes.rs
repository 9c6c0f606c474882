// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::bus::{self, Handle};
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

    fn remove(dev: &bus::Device<Shelf, Core>, _this: Pin<&Self>) {
        keep(dev); //~ ERROR: `dev` escapes the associated function body here
    }
}

/// Accepts only a device that may be kept. The core holds the device's lock during the callback
/// only.
fn keep(_: &'static bus::Device<Shelf, Core>) {}
