// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::alloc::{GFP_KERNEL, KVec};
use linux_driver::error::Result;

/// Keeps a reference to a value while a push may move the values.
pub fn stale(vec: &mut KVec<u32>) -> Result<u32> {
    let first = &vec[0];
    vec.push(1, GFP_KERNEL)?; //~ ERROR: cannot borrow `*vec` as mutable
    Ok(*first)
}
