// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::dma::{Streaming, ToDevice};
use linux_driver::prelude::*;

pub fn read(memory: &Streaming<ToDevice>, to: &mut [u8]) -> Result {
    memory.sync_for_cpu()?.read(0, to) //~ ERROR: ::dma::Readable` is not satisfied
}
