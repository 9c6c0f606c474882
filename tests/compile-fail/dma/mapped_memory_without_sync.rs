// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::dma::{FromDevice, Streaming};
use linux_driver::prelude::*;

pub fn read(memory: &Streaming<FromDevice>, to: &mut [u8]) -> Result {
    memory.read(0, to) //~ ERROR: no method named `read` found
}
