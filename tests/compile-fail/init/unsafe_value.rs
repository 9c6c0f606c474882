// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::prelude::*;

static mut SHARED: u64 = 0;

#[pin_data]
pub struct Data {
    value: u64,
    #[pin]
    pinned: u64,
}

pub fn data() -> impl PinInit<Data> {
    pin_init!(Data { value: SHARED, pinned <- SHARED }) //~ ERROR: use of mutable static is unsafe
    //~^ ERROR: use of mutable static is unsafe
}
