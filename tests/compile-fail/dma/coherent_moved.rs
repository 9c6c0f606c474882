// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::dma::Coherent;
use linux_driver::prelude::*;

/// Moves coherent memory out of the driver's data, which is dropped while the device is bound.
pub fn moved(memory: Pin<&mut Coherent<u32>>) -> &mut Coherent<u32> {
    Pin::into_inner(memory) //~ ERROR: `PhantomPinned` cannot be unpinned
}
