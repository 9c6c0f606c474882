// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::alloc::{GFP_KERNEL, KVec};

/// Creates values of zeroes. A reference must not be zero.
pub fn null() -> KVec<&'static u32> {
    KVec::zeroed(1, GFP_KERNEL).unwrap_or_default()
    //~^ ERROR: the trait bound `&u32: Zeroable` is not satisfied
}
