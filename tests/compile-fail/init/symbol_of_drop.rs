//~ ERROR is `unsafe` before a function
// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::prelude::*;
use linux_driver::sync::Mutex;

#[pin_data(PinnedDrop)]
pub struct Data {
    #[pin]
    pub lock: Mutex<u8>,
}

/// The module's `kfree` would be this function.
#[pinned_drop]
impl PinnedDrop for Data {
    #[unsafe(export_name = "kfree")]
    fn drop(self: Pin<&mut Self>) {}
}
