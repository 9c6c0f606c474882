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

/// A packed struct. The compiler would move the field before it drops it.
#[repr(packed)]
pub struct Data { //~ ERROR: packed type cannot transitively contain a `#[repr(align)]` type
    pub irq: irq::Registration<Counter>,
}
