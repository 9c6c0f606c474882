// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::miscdevice::{self, Call};
use linux_driver::prelude::*;

pub struct Files;

#[vtable]
impl miscdevice::Operations for Files {
    type File = ();

    fn open(_this: Pin<&Self>, _call: &Call<'_>) -> impl PinInit<(), Error> {
        Ok(())
    }
}

/// Registers a misc device for a device that may be unbound. Only a bound device can have files.
pub fn early(dev: &linux_driver::device::Device<Normal>) -> impl PinInit<miscdevice::Registration<Files>, Error> {
//~^ ERROR: AsRef<Device<Bound>>` is not satisfied
    miscdevice::Registration::new(dev, c"early", Files)
    //~^ ERROR: AsRef<Device<Bound>>` is not satisfied
}
