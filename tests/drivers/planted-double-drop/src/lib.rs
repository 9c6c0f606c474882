// SPDX-License-Identifier: GPL-2.0-only
//! Drops a box twice. Wrong on purpose: KASAN must report the second `kfree`.
#![no_std]

use linux_driver::alloc::{GFP_KERNEL, KBox};
use linux_driver::module::{Module, ThisModule};
use linux_driver::prelude::*;

struct Planted;

impl Module for Planted {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        pin_init_scope(move || {
            let value = KBox::pin_init(42_u64, GFP_KERNEL)?;
            // SAFETY: none. Two boxes own one value: this is the bug.
            let again = unsafe { core::ptr::read(&raw const value) };
            drop(value);
            drop(again);
            Ok(Planted)
        })
    }
}

linux_driver::module! {
    type: Planted,
    license: "GPL",
    author: "The linux-driver developers",
    description: "Drops a box twice, on purpose",
}
