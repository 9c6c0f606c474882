// SPDX-License-Identifier: GPL-2.0-only
//! Reads memory that it has freed. Wrong on purpose: KASAN must report it, in code compiled by
//! rustc.
#![no_std]

use linux_driver::alloc::{GFP_KERNEL, KBox};
use linux_driver::module::{Module, ThisModule};
use linux_driver::prelude::*;

struct Planted;

impl Module for Planted {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        pin_init_scope(move || {
            let value = KBox::pin_init(42_u64, GFP_KERNEL)?;
            let freed: *const u64 = &raw const *value;
            drop(value);
            // SAFETY: none. The value was freed: this is the bug.
            let read = unsafe { freed.read_volatile() };
            pr_info!("read after it was freed: {}", read);
            Ok(Planted)
        })
    }
}

linux_driver::module! {
    type: Planted,
    license: "GPL",
    author: "The linux-driver developers",
    description: "Reads what it has freed, on purpose",
}
