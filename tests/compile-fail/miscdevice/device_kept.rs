// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::ioctl::Argument;
use linux_driver::miscdevice::{self, Call};
use linux_driver::prelude::*;

pub struct Files;

#[vtable]
impl miscdevice::Operations for Files {
    type File = ();

    fn open(_this: Pin<&Self>, _call: &Call<'_>) -> impl PinInit<(), Error> {
        pin_init_scope(|| Err::<(), _>(ENODEV))
    }

    fn ioctl(
        _this: Pin<&Self>,
        call: &Call<'_>,
        file: Pin<&()>,
        _cmd: u32,
        argument: Argument<'_>,
    ) -> Result<u32> {
        let _ = (&call, &file, argument.value());
        let _: &'static linux_driver::device::Device<Bound> = call.dev(); Ok(0)
        //~^ ERROR: lifetime may not live long enough
    }
}
