// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::ioctl::Argument;
use linux_driver::miscdevice::{self, Call};
use linux_driver::prelude::*;

pub struct Files;

#[vtable]
impl miscdevice::Operations for Files {
    type File = core::cell::Cell<u32>; //~ ERROR: cannot be shared between threads safely

    fn open(_this: Pin<&Self>, _call: &Call<'_>) -> impl PinInit<core::cell::Cell<u32>, Error> {
        pin_init_scope(|| Err::<core::cell::Cell<u32>, _>(ENODEV))
    }

    fn ioctl(
        _this: Pin<&Self>,
        call: &Call<'_>,
        file: Pin<&core::cell::Cell<u32>>,
        _cmd: u32,
        argument: Argument<'_>,
    ) -> Result<u32> {
        let _ = (&call, &file, argument.value());
        Ok(0)
    }
}
