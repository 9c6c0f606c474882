// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::prelude::*;

/// An attribute of a field is one of a function too: of the one that initialises the field.
#[pin_data]
pub struct Data {
    #[unsafe(export_name = "kfree")] //~ ERROR: is `unsafe` before a function
    pub byte: u8,
}
