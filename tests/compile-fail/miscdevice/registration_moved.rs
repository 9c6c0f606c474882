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

/// Moves a registered misc device. C has its address.
pub fn moved(misc: Pin<&mut miscdevice::Registration<Files>>) -> &mut miscdevice::Registration<Files> {
    Pin::into_inner(misc) //~ ERROR: `PhantomPinned` cannot be unpinned
}
