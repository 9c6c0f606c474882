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

/// Keeps the bus for longer than it is registered.
pub fn kept(dev: &bus::Device<Shelf>) -> &'static Handle<Shelf> {
    dev.bus() //~ ERROR: lifetime may not live long enough
}
