// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::bus::NewDevice;
use linux_driver::bus::{self, Handle};
use linux_driver::module::ThisModule;
use linux_driver::pm::runtime;
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

/// Uses runtime power management on a device that is not bound.
pub fn wake(bus: &Handle<Shelf>) -> Result {
    let device = NewDevice::new(bus, c"book", None, 300)?;
    let normal: &bus::Device<Shelf> = &device;
    let _awake = runtime::resume_and_get(normal)?;
    //~^ ERROR: `linux_driver::bus::Device<Shelf>` cannot be woken here
    Ok(())
}
