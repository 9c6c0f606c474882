// SPDX-License-Identifier: GPL-2.0-only
//! Takes two locks in one order and then in the other. Wrong on purpose: lockdep must report that
//! two threads could deadlock, although there is only one here.
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::alloc::{GFP_KERNEL, KBox};
use linux_driver::module::{Module, ThisModule};
use linux_driver::new_mutex;
use linux_driver::prelude::*;

struct Planted;

impl Module for Planted {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        pin_init_scope(move || {
            let one = KBox::pin_init(new_mutex!(1_u32, "planted one"), GFP_KERNEL)?;
            let other = KBox::pin_init(new_mutex!(2_u32, "planted other"), GFP_KERNEL)?;
            let first = one.lock();
            *other.lock() += *first;
            drop(first);
            let second = other.lock();
            // This is the bug.
            *one.lock() += *second;
            drop(second);
            Ok(Planted)
        })
    }
}

linux_driver::module! {
    type: Planted,
    license: "GPL",
    author: "The linux-driver developers",
    description: "Takes locks in both orders, on purpose",
}
