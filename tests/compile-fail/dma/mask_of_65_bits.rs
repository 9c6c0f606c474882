// SPDX-License-Identifier: GPL-2.0-only
//@error-in-other-file: a DMA mask has 1 to 64 bits
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::dma::DmaMask;

#[inline(never)]
pub fn mask() -> DmaMask {
    DmaMask::new::<65>()
}
