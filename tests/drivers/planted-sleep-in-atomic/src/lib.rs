// SPDX-License-Identifier: GPL-2.0-only
//! Takes a mutex while it holds a spin lock. Wrong on purpose: the kernel must report that this
//! context may not sleep.
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::alloc::{GFP_KERNEL, KBox};
use linux_driver::module::{Module, ThisModule};
use linux_driver::prelude::*;
use linux_driver::{new_mutex, new_spinlock};

struct Planted;

impl Module for Planted {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        pin_init_scope(move || {
            let spins = KBox::pin_init(new_spinlock!(1_u32), GFP_KERNEL)?;
            let sleeps = KBox::pin_init(new_mutex!(2_u32), GFP_KERNEL)?;
            let held = spins.lock();
            // This is the bug.
            *sleeps.lock() += *held;
            drop(held);
            Ok(Planted)
        })
    }
}

linux_driver::module! {
    type: Planted,
    license: "GPL",
    author: "The linux-driver developers",
    description: "Sleeps under a spin lock, on purpose",
}
