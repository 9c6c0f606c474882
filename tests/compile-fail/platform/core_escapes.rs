// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::platform;
use linux_driver::prelude::*;

/// Keeps the device. The core holds the device's lock during the callback only.
pub fn kept(dev: &platform::Device<Core>) -> &'static platform::Device<Bound> {
    dev //~ ERROR: lifetime may not live long enough
}
