// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::bus::{self, Handle};
use linux_driver::module::ThisModule;
use linux_driver::prelude::*;

struct Shelf;

impl bus::BusType for Shelf { //~ ERROR: missing: `WRITE_THE_ATTRIBUTE_vtable_BEFORE_THIS_impl`
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
