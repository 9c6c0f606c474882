// SPDX-License-Identifier: GPL-2.0-only
//! The range of addresses that a device can reach.
//!
//! C header: `include/linux/dma-mapping.h`; `kernel/dma/mapping.c`.

use linux_driver_sys as sys;

use crate::device::{Core, Device};
use crate::error::{Result, code::EINVAL, to_result};

/// The range of addresses that a device can reach, as C's `DMA_BIT_MASK` has it.
#[derive(Clone, Copy, PartialEq, Eq)]
#[doc(alias = "DMA_BIT_MASK")]
#[doc(alias = "dma_set_mask")]
pub struct DmaMask(u64);

impl DmaMask {
    /// Returns the mask for addresses of `BITS` bits, from 1 to 64. Another number is a compile
    /// error.
    ///
    /// # Examples
    ///
    /// ```
    /// use linux_driver::dma::DmaMask;
    /// assert_eq!(DmaMask::new::<28>().value(), 0x0fff_ffff);
    /// assert_eq!(DmaMask::new::<64>().value(), u64::MAX);
    /// ```
    ///
    /// ```compile_fail
    /// linux_driver::dma::DmaMask::new::<65>();
    /// ```
    pub const fn new<const BITS: u32>() -> Self {
        const { assert!(BITS >= 1 && BITS <= 64, "a DMA mask has 1 to 64 bits") };
        Self(u64::MAX >> (64 - BITS))
    }

    /// Returns the mask for addresses of `bits` bits.
    ///
    /// # Errors
    ///
    /// [`EINVAL`] unless `bits` is from 1 to 64.
    pub const fn try_new(bits: u32) -> Result<Self> {
        match bits {
            1..=64 => Ok(Self(u64::MAX >> (64 - bits))),
            _ => Err(EINVAL),
        }
    }

    /// Returns the mask, which is also the highest address.
    pub const fn value(self) -> u64 {
        self.0
    }
}

/// Sets the range of addresses that the device can reach, for all kinds of mappings: C's
/// `dma_set_mask_and_coherent`. A PCI device has 32 bits by default.
///
/// # Context
///
/// May sleep. Must be called before memory is mapped.
///
/// # Errors
///
/// `EIO` if the kernel cannot map memory in that range for the device.
#[doc(alias = "dma_set_mask_and_coherent")]
#[doc(alias = "dma_set_mask")]
#[doc(alias = "dma_set_coherent_mask")]
pub fn set_mask_and_coherent(device: &impl AsRef<Device<Core>>, mask: DmaMask) -> Result {
    let device = device.as_ref().as_raw();
    // SAFETY: `dma_set_mask` writes `*dev->dma_mask` without a lock, so it requires
    // - that nothing else sets the mask at the same time: the device is `Core`, and its lock is
    //   held in the callbacks that have it;
    // - that no mapping is made at the same time: only the device's driver makes mappings, and the
    //   driver is responsible for not making one now.
    to_result(unsafe { sys::dma_set_mask(device, mask.0) })?;
    // As in C, the result is ignored: where setting the first mask succeeds, this does too.
    // SAFETY: as above.
    unsafe { sys::dma_set_coherent_mask(device, mask.0) };
    Ok(())
}
