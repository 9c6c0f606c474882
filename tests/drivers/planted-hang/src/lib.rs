// SPDX-License-Identifier: GPL-2.0-only
//! Waits for a completion that nobody completes. Wrong on purpose, and possible in safe code: the
//! kernel must report a hung task.
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::alloc::{GFP_KERNEL, KBox};
use linux_driver::completion::Completion;
use linux_driver::module::{Module, ThisModule};
use linux_driver::prelude::*;

struct Planted;

impl Module for Planted {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        pin_init_scope(move || {
            let done = KBox::pin_init(Completion::new(), GFP_KERNEL)?;
            // Nobody completes it. This is the bug.
            done.wait_for_completion();
            Ok(Planted)
        })
    }
}

linux_driver::module! {
    type: Planted,
    license: "GPL",
    author: "The linux-driver developers",
    description: "Waits for ever, on purpose",
}
