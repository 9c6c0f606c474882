// SPDX-License-Identifier: GPL-2.0-only
//! Coherent memory to user space and back, without a copy between.

use super::Coherent;
use crate::bytes::{FromBytes, IntoBytes};
use crate::error::{Result, code::EFAULT};
use crate::uaccess::{Reader, Writer};

impl<T: FromBytes + IntoBytes + 'static> Coherent<T> {
    /// Copies `count` of them from `index` on to user space, in what order and how often the
    /// kernel's C code likes: the device should not write them meanwhile.
    /// [`EINVAL`](crate::error::code::EINVAL) if there are not so many, [`EFAULT`] if user space
    /// has no memory there, or there is less room.
    ///
    /// Context: may sleep.
    pub fn copy_to_user(&self, index: usize, count: usize, to: &mut Writer<'_>) -> Result {
        let from = self.at(index, count)?;
        let size = size_of::<T>().checked_mul(count).ok_or(EFAULT)?;
        // SAFETY: so many are there, by the check. The memory was zeroed when it was made; what C
        // reads of it while another CPU or the device writes is its own affair: no reference is to
        // it.
        unsafe { to.write_raw(from.cast(), size) }
    }

    /// Copies `count` of them from user space to `index` and on.
    /// [`EINVAL`](crate::error::code::EINVAL) if there are not so many, [`EFAULT`] if user space
    /// has no memory there, or hands over less; a part may be written then.
    ///
    /// Context: may sleep.
    pub fn copy_from_user(&self, index: usize, count: usize, from: &mut Reader<'_>) -> Result {
        let to = self.at(index, count)?;
        let size = size_of::<T>().checked_mul(count).ok_or(EFAULT)?;
        // SAFETY: there is room for so many, by the check, and any bytes are a value. No reference
        // is to the memory.
        unsafe { from.read_raw(to.cast(), size) }
    }
}
