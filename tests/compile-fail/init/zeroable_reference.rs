// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::prelude::*;

#[derive(Zeroable)] //~ ERROR: `&'static u32: linux_driver::init::Zeroable` is not satisfied
pub struct Data {
    pub number: u32,
    pub reference: &'static u32,
}
