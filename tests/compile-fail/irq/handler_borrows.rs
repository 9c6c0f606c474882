// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::device;
use linux_driver::irq::{self, IrqReturn};
use linux_driver::prelude::*;

pub struct Borrowed<'a>(&'a u32);

impl<'a> irq::Handler for Borrowed<'a> { //~ ERROR: lifetime bound not satisfied
//~^ ERROR: cannot infer an appropriate lifetime
    fn handle(self: Pin<&Self>, _dev: &device::Device<Bound>) -> IrqReturn {
        IrqReturn::None
    }
}
