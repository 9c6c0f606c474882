// SPDX-License-Identifier: GPL-2.0-only
//! Overflows an integer when it is loaded: overflow checks are on, a panic ends in `BUG()`, and its message and place are
//! in the log.
#![no_std]
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicU32, Ordering};

use linux_driver::module::{Module, ThisModule};
use linux_driver::prelude::*;

struct Panic;

/// The compiler does not see what is in it.
static LARGEST: AtomicU32 = AtomicU32::new(u32::MAX);

impl Module for Panic {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        pr_info!("not reached: {}", LARGEST.load(Ordering::Relaxed) + 1);
        Ok(Panic)
    }
}

linux_driver::module! {
    type: Panic,
    license: "GPL",
    author: "The linux-driver developers",
    description: "Panics when it is loaded",
}
