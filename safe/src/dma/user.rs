// SPDX-License-Identifier: GPL-2.0-only
//! Copies between coherent memory and user space, without an intermediate buffer.

use super::Coherent;
use crate::bytes::{FromBytes, IntoBytes};
use crate::error::{Result, code::EFAULT};
use crate::uaccess::{Reader, Writer};

impl<T: FromBytes + IntoBytes + 'static> Coherent<T> {
    /// Copies `count` elements from `index` on to user space. The kernel's C code may read the
    /// memory in any order, and more than once, so the device should not write it meanwhile.
    ///
    /// # Context
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// * [`EINVAL`](crate::error::code::EINVAL) if there are fewer than `count` elements from
    ///   `index` on.
    /// * [`EFAULT`] if the user space memory is not mapped, or too small.
    pub fn copy_to_user(&self, index: usize, count: usize, to: &mut Writer<'_>) -> Result {
        let from = self.at(index, count)?;
        let size = size_of::<T>().checked_mul(count).ok_or(EFAULT)?;
        // SAFETY: `write_raw` requires initialised memory of this size: `at` has checked the range,
        // and the memory was zeroed when it was allocated. C may read it while another CPU or the
        // device writes, because no Rust reference to it exists.
        unsafe { to.write_raw(from.cast(), size) }
    }

    /// Copies `count` elements from user space to the elements from `index` on.
    ///
    /// # Context
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// * [`EINVAL`](crate::error::code::EINVAL) if there are fewer than `count` elements from
    ///   `index` on.
    /// * [`EFAULT`] if the user space memory is not mapped, or too small. A part may have been
    ///   written.
    pub fn copy_from_user(&self, index: usize, count: usize, from: &mut Reader<'_>) -> Result {
        let to = self.at(index, count)?;
        let size = size_of::<T>().checked_mul(count).ok_or(EFAULT)?;
        // SAFETY: `read_raw` requires memory of this size: `at` has checked the range. All bit
        // patterns of a `T` are valid, and no reference to the memory exists.
        unsafe { from.read_raw(to.cast(), size) }
    }
}
