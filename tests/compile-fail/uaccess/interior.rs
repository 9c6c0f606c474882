// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use core::sync::atomic::AtomicU32;

use linux_driver::bytes::IntoBytes;

#[derive(IntoBytes)] //~ ERROR: `AtomicU32` may contain uninitialised bytes
#[repr(C)]
pub struct Counter {
    pub count: AtomicU32,
}
