// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use core::cell::Cell;

use linux_driver::device;
use linux_driver::irq::{self, IrqReturn};
use linux_driver::prelude::*;

pub struct Counter(Cell<u32>);

impl irq::Handler for Counter { //~ ERROR: `Cell<u32>` cannot be shared between threads safely
    fn handle(self: Pin<&Self>, _dev: &device::Device<Bound>) -> IrqReturn {
        self.0.set(self.0.get() + 1);
        IrqReturn::Handled
    }
}
