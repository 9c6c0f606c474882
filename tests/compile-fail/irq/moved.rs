//~ ERROR cannot be unpinned
// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::irq;
use linux_driver::prelude::*;

pub fn take<H: irq::Handler>(registration: Pin<&mut irq::Registration<H>>, other: &mut irq::Registration<H>) {
    core::mem::swap(registration.get_mut(), other);
}
