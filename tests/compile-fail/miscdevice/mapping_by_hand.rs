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

/// Creates a mapping without an area. Only user space creates areas.
pub fn by_hand() -> linux_driver::mm::Mapping<'static> {
    linux_driver::mm::Mapping { pfn: 0 } //~ ERROR: due to private fields
}
