// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::miscdevice::{self, Call};
use linux_driver::poll::{self, Events, Table};
use linux_driver::prelude::*;

pub struct Files;

#[vtable]
impl miscdevice::Operations for Files {
    type File = ();

    fn open(_this: Pin<&Self>, _call: &Call<'_>) -> impl PinInit<(), Error> {
        Ok::<_, Error>(())
    }

    fn poll(_this: Pin<&Self>, _call: &Call<'_>, _file: Pin<&()>, table: &mut Table<'_>) -> Result<Events> {
        keep(table); //~ ERROR: `table` escapes the associated function body here
        Ok(poll::EPOLLIN)
    }
}

/// Accepts only a table that may be kept. It is on the stack of the polling task.
fn keep(_: &mut Table<'static>) {}
