// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::prelude::*;

/// A field with an attribute that also reaches a function: the one that initialises the field.
#[pin_data]
pub struct Data {
    #[unsafe(export_name = "kfree")] //~ ERROR: would be repeated on a function
    pub byte: u8,
}
