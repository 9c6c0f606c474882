//~ ERROR a DMA mask has 1 to 64 bits
// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::dma::DmaMask;

#[inline(never)]
pub fn mask() -> DmaMask {
    DmaMask::new::<65>()
}
