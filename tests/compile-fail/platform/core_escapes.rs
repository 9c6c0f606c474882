// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::platform;
use linux_driver::prelude::*;

/// The device's lock is held for the callback only.
pub fn kept(dev: &platform::Device<Core>) -> &'static platform::Device<Bound> {
    dev //~ ERROR: lifetime may not live long enough
}
