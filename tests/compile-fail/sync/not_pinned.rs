// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::alloc::{GFP_KERNEL, KBox};
use linux_driver::error::Result;
use linux_driver::new_mutex;
use linux_driver::sync::Mutex;

/// Puts a mutex into a box that is not pinned. It could be moved out.
pub fn unpinned() -> Result<KBox<Mutex<u32>>> {
    KBox::init(new_mutex!(0), GFP_KERNEL)
    //~^ ERROR: expected `Result<KBox<Mutex<u32>>, Error>`, found `Result<KBox<impl PinInit<
}
