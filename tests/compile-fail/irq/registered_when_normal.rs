// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::device;
use linux_driver::irq::{self, Flags, IrqReturn, Line};
use linux_driver::pci;
use linux_driver::prelude::*;

pub struct Counter;

impl irq::Handler for Counter {
    fn handle(self: Pin<&Self>, _dev: &device::Device<Bound>) -> IrqReturn {
        IrqReturn::Handled
    }
}

/// Registers a handler with a device that may be unbound. A handler is called with a bound device.
pub fn early(dev: &pci::Device<Normal>, line: Line, flags: Flags) -> impl PinInit<irq::Registration<Counter>, Error> {
//~^ ERROR: AsRef<linux_driver::device::Device<linux_driver::device::Bound>>` is not satisfied
    irq::Registration::new(dev, line, flags, c"early", Ok::<_, Error>(Counter))
    //~^ ERROR: AsRef<linux_driver::device::Device<linux_driver::device::Bound>>` is not satisfied
}
