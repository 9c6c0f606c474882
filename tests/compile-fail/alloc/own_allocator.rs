// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::alloc::Allocator;

pub fn allocator<A: Allocator>() {}

pub struct Own;

pub fn own() {
    allocator::<Own>(); //~ ERROR: Allocator` is not satisfied
}
