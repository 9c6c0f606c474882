// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::bus::{self, Attr, Handle};
use linux_driver::module::ThisModule;
use linux_driver::prelude::*;

struct Shelf;

#[vtable]
impl bus::BusType for Shelf {
    const NAME: &'static CStr = c"shelf";
    type DeviceData = u32;
    type DeviceId = u32;
    const ATTRIBUTES: &'static [Attr<Self>] = &[bus::attribute::<Lid>()];
    //~^ ERROR: expected `Attr<Shelf>`, found `Attr<Box>`

    fn init(_module: &'static ThisModule, _bus: &Handle<Self>) -> impl PinInit<Self, Error> {
        Ok::<_, Error>(Shelf)
    }

    fn match_id(_dev: &bus::Device<Self>, _id: &u32) -> bool {
        true
    }
}

struct Box;

#[vtable]
impl bus::BusType for Box {
    const NAME: &'static CStr = c"box";
    type DeviceData = u32;
    type DeviceId = u32;

    fn init(_module: &'static ThisModule, _bus: &Handle<Self>) -> impl PinInit<Self, Error> {
        Ok::<_, Error>(Box)
    }

    fn match_id(_dev: &bus::Device<Self>, _id: &u32) -> bool {
        true
    }
}

struct Lid;

#[vtable]
impl bus::Attribute for Lid {
    type Bus = Box;
    const NAME: &'static CStr = c"lid";
}
