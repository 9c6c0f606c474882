// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::new_mutex;
use linux_driver::sync::Mutex;

/// Returns a mutex by value. A lock can only be initialised in its final place.
pub fn value() -> Mutex<u32> {
    new_mutex!(0) //~ ERROR: expected `Mutex<u32>`, found opaque type
}
