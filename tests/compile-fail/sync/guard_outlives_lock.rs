// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::alloc::{GFP_KERNEL, KBox};
use linux_driver::error::Result;
use linux_driver::new_mutex;

/// Drops a lock while it is held.
pub fn outlives() -> Result<u32> {
    let guard = {
        let mutex = KBox::pin_init(new_mutex!(0), GFP_KERNEL)?;
        mutex.lock() //~ ERROR: does not live long enough
    };
    Ok(*guard)
}
