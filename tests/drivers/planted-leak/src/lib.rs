// SPDX-License-Identifier: GPL-2.0-only
//! Forgets what it allocated. Wrong on purpose, and possible in safe code: kmemleak has to see it.
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::alloc::{GFP_KERNEL, KBox};
use linux_driver::module::{Module, ThisModule};
use linux_driver::prelude::*;

struct Planted;

/// More than one: a pointer that was left in a register or on a stack keeps kmemleak from seeing
/// one of them.
const LEAKED: u64 = 16;

impl Module for Planted {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        pin_init_scope(move || {
            for number in 0..LEAKED {
                // This is the bug.
                core::mem::forget(KBox::pin_init(number, GFP_KERNEL)?);
            }
            Ok(Planted)
        })
    }
}

linux_driver::module! {
    type: Planted,
    license: "GPL",
    author: "The linux-driver developers",
    description: "Forgets its memory, on purpose",
}
