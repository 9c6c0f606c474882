// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::alloc::KBox;

/// Moves a value out of a box, and then uses the box.
pub fn twice(one: KBox<u32>) -> u32 {
    KBox::into_inner(one) + *one //~ ERROR: borrow of moved value
}
