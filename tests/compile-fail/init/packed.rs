// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::prelude::*;

#[pin_data]
#[repr(C, packed)] //~ ERROR: a packed type cannot be pinned
pub struct Data<T> {
    pub byte: u8,
    #[pin]
    pub pinned: T,
}
