// SPDX-License-Identifier: GPL-2.0-only
//! Forgets its allocations. Wrong on purpose, and possible in safe code: kmemleak must report it.
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::alloc::{GFP_KERNEL, KBox};
use linux_driver::module::{Module, ThisModule};
use linux_driver::prelude::*;

struct Planted;

/// More than one, because kmemleak misses an allocation if a pointer to it is left in a register or
/// on a stack.
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
