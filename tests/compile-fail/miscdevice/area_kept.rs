// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::miscdevice::{self, Call};
use linux_driver::mm::{Mapping, VmArea};
use linux_driver::prelude::*;

pub struct Files;

#[vtable]
impl miscdevice::Operations for Files {
    type File = ();

    fn open(_this: Pin<&Self>, _call: &Call<'_>) -> impl PinInit<(), Error> {
        Ok::<_, Error>(())
    }

    fn mmap<'a>(_this: Pin<&Self>, _call: &Call<'_>, _file: Pin<&()>, area: &mut VmArea<'a>) -> Result<Mapping<'a>> {
        keep(area); //~ ERROR: `area` escapes the associated function body here
        Err(ENODEV)
    }
}

/// Accepts only an area that may be kept. User space may unmap it after the call.
fn keep(_: &mut VmArea<'static>) {}
