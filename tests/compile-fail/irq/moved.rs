// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::device;
use linux_driver::irq::{self, IrqReturn};
use linux_driver::prelude::*;

pub struct Counter;

impl irq::Handler for Counter {
    fn handle(self: Pin<&Self>, _dev: &device::Device<Bound>) -> IrqReturn {
        IrqReturn::Handled
    }
}

pub fn take(registration: Pin<&mut irq::Registration<Counter>>, other: &mut irq::Registration<Counter>) {
    core::mem::swap(registration.get_mut(), other); //~ ERROR: `PhantomPinned` cannot be unpinned
}
