// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::dma::{Streaming, ToDevice};
use linux_driver::prelude::*;

/// Moves a mapping out of the driver's data, which is dropped while the device is bound.
pub fn moved(memory: Pin<&mut Streaming<ToDevice>>) -> &mut Streaming<ToDevice> {
    Pin::into_inner(memory) //~ ERROR: `PhantomPinned` cannot be unpinned
}
