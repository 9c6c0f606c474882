// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::sync::Arc;

/// Writes to a value that other owners may read.
pub fn written(arc: &mut Arc<u32>) {
    **arc = 1; //~ ERROR: cannot assign to data in dereference of `Arc<u32>`
}
