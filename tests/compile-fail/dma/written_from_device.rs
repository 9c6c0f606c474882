// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::dma::{FromDevice, Streaming};
use linux_driver::prelude::*;

pub fn write(memory: &Streaming<FromDevice>) -> Result {
    memory.sync_for_cpu()?.write(0, &[1]) //~ ERROR: ::dma::Writable` is not satisfied
}
