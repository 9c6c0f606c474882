// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::bytes::IntoBytes;

#[derive(IntoBytes)] //~ ERROR: the struct has padding, whose bytes are uninitialised
#[repr(C)]
pub struct Padded {
    pub a: u8,
    pub b: u64,
}
