// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::irq::{self, Disabled};

pub fn leave<'a, H: irq::Handler>(registration: irq::Registration<H>) -> Disabled<'a> {
    registration.disable()
    //~^ ERROR: cannot return value referencing function parameter `registration`
}
