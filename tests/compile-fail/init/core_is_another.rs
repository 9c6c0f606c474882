// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

extern crate core as real;
extern crate self as core;

pub use real::*;

/// A module of a false `core` whose `forget` drops: initialised values would be dropped, and then
/// used.
pub mod mem {
    pub use real::mem::*;

    pub fn forget<T>(value: T) {
        drop(value);
    }
}

use linux_driver::alloc::{GFP_KERNEL, KBox};
use linux_driver::prelude::*;

pub struct Data {
    pub number: KBox<u32>,
}

pub fn data(number: KBox<u32>) -> Result<KBox<Data>> {
    KBox::init(linux_driver::init!(Data { number }), GFP_KERNEL) //~ ERROR: `forget` is ambiguous
}
