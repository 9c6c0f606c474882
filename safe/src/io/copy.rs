// SPDX-License-Identifier: GPL-2.0-only
//! Many bytes of device memory at a time.
//!
//! The arguments stand in C's order, as they do everywhere here: `memcpy_toio` says where to and
//! then what, `memcpy_fromio` too, and `writel` what and then where.

use linux_driver_sys as sys;

use super::Mmio;
use crate::error::{Result, code::EINVAL};

impl<const SIZE: usize> Mmio<SIZE> {
    /// Copies device memory from `offset` on, in accesses of any width and order: C's
    /// `memcpy_fromio`. For memory of a device's, not for registers. [`EINVAL`] if it does not lie
    /// in the mapping. Context: any.
    pub fn memcpy_fromio(&self, to: &mut [u8], offset: usize) -> Result {
        let from = self.range(offset, to.len())?;
        // SAFETY: `memcpy_fromio` demands so many bytes of mapped device memory, which the check
        // and the type's invariant give, and as many that can be written: the slice.
        unsafe { sys::linux_driver_memcpy_fromio(to.as_mut_ptr().cast(), from.cast(), to.len()) };
        Ok(())
    }

    /// Copies to device memory from `offset` on, in accesses of any width and order: C's
    /// `memcpy_toio`. For memory of a device's, not for registers. [`EINVAL`] if it does not lie in
    /// the mapping. Context: any.
    pub fn memcpy_toio(&self, offset: usize, from: &[u8]) -> Result {
        let to = self.range(offset, from.len())?;
        // SAFETY: as in `memcpy_fromio` above; the slice can be read.
        unsafe { sys::linux_driver_memcpy_toio(to.cast(), from.as_ptr().cast(), from.len()) };
        Ok(())
    }

    /// The address of `length` bytes from `offset` on.
    fn range(&self, offset: usize, length: usize) -> Result<*mut u8> {
        if self
            .length
            .checked_sub(offset)
            .is_some_and(|room| length <= room)
        {
            Ok(self.base.wrapping_add(offset))
        } else {
            Err(EINVAL)
        }
    }
}
