// SPDX-License-Identifier: GPL-2.0-only
//! Which addresses a device can reach.
//!
//! C header: `include/linux/dma-mapping.h`; `kernel/dma/mapping.c`.

use linux_driver_sys as sys;

use crate::device::{Core, Device};
use crate::error::{Result, code::EINVAL, to_result};

/// The addresses that a device can reach: C's `DMA_BIT_MASK`.
#[derive(Clone, Copy, PartialEq, Eq)]
#[doc(alias = "DMA_BIT_MASK")]
#[doc(alias = "dma_set_mask")]
pub struct DmaMask(u64);

impl DmaMask {
    /// Those of `BITS` bits, 1 to 64.
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

    /// Those of so many bits; [`EINVAL`] unless they are 1 to 64.
    pub const fn try_new(bits: u32) -> Result<Self> {
        match bits {
            1..=64 => Ok(Self(u64::MAX >> (64 - bits))),
            _ => Err(EINVAL),
        }
    }

    /// The mask: the highest address.
    pub const fn value(self) -> u64 {
        self.0
    }
}

/// Tells the kernel which addresses the device can reach, for all kinds of mappings: C's
/// `dma_set_mask_and_coherent`. A PCI device has 32 bits until it is told.
///
/// `EIO` if the machine has no memory there. Context: may sleep; before memory is mapped.
#[doc(alias = "dma_set_mask_and_coherent")]
#[doc(alias = "dma_set_mask")]
#[doc(alias = "dma_set_coherent_mask")]
pub fn set_mask_and_coherent(device: &impl AsRef<Device<Core>>, mask: DmaMask) -> Result {
    let device = device.as_ref().as_raw();
    // SAFETY: `dma_set_mask` writes `*dev->dma_mask` with no lock: it demands that nobody sets it
    // meanwhile, and that no mapping is being made. The device is `Core`, in whose callbacks its
    // lock is held; what maps belongs to the driver, which answers for it.
    to_result(unsafe { sys::dma_set_mask(device, mask.0) })?;
    // As in C, it is not asked whether this can fail: where one mask will do, so will the other.
    // SAFETY: as above.
    unsafe { sys::dma_set_coherent_mask(device, mask.0) };
    Ok(())
}
