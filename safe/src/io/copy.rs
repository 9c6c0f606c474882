// SPDX-License-Identifier: GPL-2.0-only
//! Copies of many bytes of device memory.
//!
//! The arguments are in C's order: `memcpy_toio` and `memcpy_fromio` take the target first, and
//! `writel` takes the value first and then the address.

use linux_driver_sys as sys;

use super::Mmio;
use crate::error::{Result, code::EINVAL};

impl<const SIZE: usize> Mmio<SIZE> {
    /// Copies device memory from `offset` on, in accesses of any width and order: C's
    /// `memcpy_fromio`. For memory of a device, not for registers.
    ///
    /// # Context
    ///
    /// Any.
    ///
    /// # Errors
    ///
    /// [`EINVAL`] if the bytes are not inside of the mapping.
    pub fn memcpy_fromio(&self, to: &mut [u8], offset: usize) -> Result {
        let from = self.range(offset, to.len())?;
        // SAFETY: `memcpy_fromio` requires
        // - that many bytes of mapped device memory: `range` has checked that, and the type's
        //   invariant says that they are mapped;
        // - as many bytes that may be written: the slice.
        unsafe { sys::linux_driver_memcpy_fromio(to.as_mut_ptr().cast(), from.cast(), to.len()) };
        Ok(())
    }

    /// Copies to device memory from `offset` on, in accesses of any width and order: C's
    /// `memcpy_toio`. For memory of a device, not for registers.
    ///
    /// # Context
    ///
    /// Any.
    ///
    /// # Errors
    ///
    /// [`EINVAL`] if the bytes are not inside of the mapping.
    pub fn memcpy_toio(&self, offset: usize, from: &[u8]) -> Result {
        let to = self.range(offset, from.len())?;
        // SAFETY: as in `memcpy_fromio` above; the slice may be read.
        unsafe { sys::linux_driver_memcpy_toio(to.cast(), from.as_ptr().cast(), from.len()) };
        Ok(())
    }

    /// Returns the address of `length` bytes from `offset` on.
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
