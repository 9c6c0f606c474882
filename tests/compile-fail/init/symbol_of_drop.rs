// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::prelude::*;
use linux_driver::sync::Mutex;

#[pin_data(PinnedDrop)] //~ ERROR: PinnedDrop` is not satisfied
pub struct Data {
    #[pin]
    pub lock: Mutex<u8>,
}

/// A destructor that would replace the module's `kfree`.
#[pinned_drop]
impl PinnedDrop for Data {
    #[unsafe(export_name = "kfree")] //~ ERROR: would be repeated on a function
    fn drop(self: Pin<&mut Self>) {}
}
