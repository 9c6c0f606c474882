// SPDX-License-Identifier: GPL-2.0-only
//! Copies from and to the memory of user space.
//!
//! C header: `include/linux/uaccess.h`; `lib/usercopy.c`.
//!
//! User space passes an address and a length. It may change that memory at any time, so there are
//! no references to it. A [`Reader`] or a [`Writer`] copies each byte once and then moves on. So
//! the driver uses exactly the bytes that it has checked.
//!
//! | here | C |
//! |---|---|
//! | [`Reader::read`] | `get_user` where the value has 1, 2, 4 or 8 bytes, else `copy_from_user` |
//! | [`Reader::read_slice`] | `copy_from_user` |
//! | [`Writer::write`] | `put_user` where the value has 1, 2, 4 or 8 bytes, else `copy_to_user` |
//! | [`Writer::write_slice`] | `copy_to_user` |
//! | [`Reader::read_c_str`] | `strncpy_from_user` |
//!
//! # Context
//!
//! All copies may sleep, because a page may have to be brought in. That takes the `mmap_lock` of
//! the process. Do not copy while a spin lock is held, nor while a lock is held that `mmap` takes
//! too.
//!
//! # Examples
//! ```
//! use linux_driver::error::{Result, code::EINVAL};
//! use linux_driver::uaccess::{Reader, Writer};
//!
//! /// Reads a command and its name, and writes the answer where user space wants it.
//! fn serve(from: &mut Reader<'_>, to: &mut Writer<'_>) -> Result {
//!     let command: u32 = from.read()?;
//!     let mut room = [0; 16];
//!     let name = from.read_c_str(&mut room)?;
//!     if command != 1 || name != c"length" {
//!         return Err(EINVAL);
//!     }
//!     to.write(&(from.len() as u64))
//! }
//! # fn main() {}
//! ```
//!
//! # Checks
//!
//! C's inline functions check the length against the size of the object. Here the length is that of
//! the slice or the value. They also call hardened usercopy (`check_object_size`). This module does
//! not, because Rust knows the length of a slice or a value. The functions that both call check
//! that the address is in user space (`access_ok`).

use core::ffi::{CStr, c_void};
use core::marker::PhantomData;
use core::mem::MaybeUninit;

use linux_driver_sys as sys;

use crate::bytes::{FromBytes, IntoBytes};
use crate::error::{Result, code::E2BIG, code::EFAULT};

/// A range of memory of the calling task: an address, which may be anything, and a length.
///
/// It stays on the thread of the task, and is useless after the call. It is not `Copy`: a second
/// [`Reader`] could see other bytes than the first one, which were checked.
pub struct UserSlice<'a> {
    address: usize,
    length: usize,
    _of_the_task: PhantomData<&'a *mut ()>,
}

impl<'a> UserSlice<'a> {
    /// Returns the range of `length` bytes from `address`. Nothing is checked until something is
    /// copied.
    pub(crate) fn new(address: usize, length: usize) -> Self {
        Self {
            address,
            length,
            _of_the_task: PhantomData,
        }
    }

    /// Returns the length in bytes.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Returns true if the length is 0.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Returns a reader that starts at the first byte.
    pub fn reader(self) -> Reader<'a> {
        Reader(self)
    }

    /// Returns a writer that starts at the first byte.
    pub fn writer(self) -> Writer<'a> {
        Writer(self)
    }

    /// Returns a reader and a writer that both start at the first byte.
    pub fn reader_writer(self) -> (Reader<'a>, Writer<'a>) {
        (Reader(Self::new(self.address, self.length)), Writer(self))
    }

    /// Takes `count` bytes off the start and returns their address. Fails with [`EFAULT`] if there
    /// are not that many: user space has passed less than the driver needs.
    #[inline]
    fn take(&mut self, count: usize) -> Result<usize> {
        let rest = self.length.checked_sub(count).ok_or(EFAULT)?;
        let address = self.address;
        self.length = rest;
        // `access_ok` finds addresses that wrap.
        self.address = address.wrapping_add(count);
        Ok(address)
    }
}

/// A reader of user memory. It reads from the start to the end, each byte once.
#[doc(alias = "_copy_from_user")]
pub struct Reader<'a>(UserSlice<'a>);

impl Reader<'_> {
    /// Returns the number of bytes that are left.
    pub fn len(&self) -> usize {
        self.0.length
    }

    /// Returns true if no bytes are left.
    pub fn is_empty(&self) -> bool {
        self.0.length == 0
    }

    /// Skips `count` bytes.
    ///
    /// # Errors
    ///
    /// [`EFAULT`] if fewer bytes are left.
    pub fn skip(&mut self, count: usize) -> Result {
        self.0.take(count).map(drop)
    }

    /// Reads a value. Any bytes are a valid value of the type: `FromBytes` ensures that.
    ///
    /// # Context
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// [`EFAULT`] if user space has no memory there, or if fewer bytes are left.
    #[doc(alias = "copy_from_user")]
    #[doc(alias = "get_user")]
    #[inline]
    pub fn read<T: FromBytes>(&mut self) -> Result<T> {
        let mut value = MaybeUninit::<T>::uninit();
        let address = self.0.take(size_of::<T>())?;
        get_user(&mut value, address)?;
        // SAFETY: `assume_init` requires a valid value. All bytes were written, and any bytes are a
        // valid value. Writing padding does no harm.
        Ok(unsafe { value.assume_init() })
    }

    /// Fills the slice.
    ///
    /// # Context
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// [`EFAULT`] if user space has no memory there, or if fewer bytes are left. The contents of
    /// the slice are then unspecified.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use linux_driver::error::{Result, code::EINVAL};
    /// use linux_driver::uaccess::Reader;
    ///
    /// /// Reads a key of exactly 32 bytes.
    /// fn key(from: &mut Reader<'_>) -> Result<[u8; 32]> {
    ///     let mut key = [0; 32];
    ///     if from.len() != key.len() {
    ///         return Err(EINVAL);
    ///     }
    ///     from.read_slice(&mut key)?;
    ///     Ok(key)
    /// }
    /// ```
    pub fn read_slice(&mut self, to: &mut [u8]) -> Result {
        let address = self.0.take(to.len())?;
        // SAFETY: `from_user` requires memory for `to.len()` bytes, which the slice has.
        unsafe { from_user(to.as_mut_ptr(), address, to.len()) }
    }

    /// Reads `count` bytes.
    ///
    /// # Errors
    ///
    /// [`EFAULT`] if user space has no memory there, or if fewer bytes are left.
    ///
    /// # Safety
    ///
    /// `to` must be memory of `count` bytes to which no reference exists. The kernel's C code may
    /// write it at any time.
    pub(crate) unsafe fn read_raw(&mut self, to: *mut u8, count: usize) -> Result {
        let address = self.0.take(count)?;
        // SAFETY: `from_user` requires memory for `count` bytes. The caller promises it.
        unsafe { from_user(to, address, count) }
    }

    /// Reads the bytes that are left, as many as fit into the slice, and returns their number.
    ///
    /// # Context
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// [`EFAULT`] if user space has no memory there.
    pub fn read_up_to(&mut self, to: &mut [u8]) -> Result<usize> {
        let count = to.len().min(self.0.length);
        if let Some(to) = to.get_mut(..count) {
            self.read_slice(to)?;
        }
        Ok(count)
    }

    /// Reads a string up to its NUL, into `to`.
    ///
    /// The bytes are copied once, and then searched for the NUL. Up to the size of `to`, all bytes
    /// that are left are copied. So pass only the part of the call's argument that contains the
    /// string.
    ///
    /// # Context
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// [`E2BIG`] if there is no NUL among the copied bytes; [`EFAULT`] if user space has no memory
    /// there.
    #[doc(alias = "strncpy_from_user")]
    pub fn read_c_str<'b>(&mut self, to: &'b mut [u8]) -> Result<&'b CStr> {
        let count = self.read_up_to(to)?;
        let text = to.get(..count).ok_or(EFAULT)?;
        CStr::from_bytes_until_nul(text).map_err(|_| E2BIG)
    }
}

/// A writer of user memory. It writes from the start to the end.
#[doc(alias = "_copy_to_user")]
pub struct Writer<'a>(UserSlice<'a>);

impl Writer<'_> {
    /// Returns the number of bytes that can still be written.
    pub fn len(&self) -> usize {
        self.0.length
    }

    /// Returns true if no bytes can be written any more.
    pub fn is_empty(&self) -> bool {
        self.0.length == 0
    }

    /// Writes a value.
    ///
    /// The type has no bytes that were never written: `IntoBytes` ensures that. So nothing of the
    /// kernel's stack leaks to user space.
    ///
    /// # Context
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// [`EFAULT`] if user space has no memory there, or if there is not enough room.
    #[doc(alias = "copy_to_user")]
    #[doc(alias = "put_user")]
    #[inline]
    pub fn write<T: IntoBytes>(&mut self, value: &T) -> Result {
        let address = self.0.take(size_of::<T>())?;
        put_user(value, address)
    }

    /// Writes the whole slice.
    ///
    /// # Context
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// [`EFAULT`] if user space has no memory there, or if there is not enough room. A part of the
    /// slice may then have been written.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use linux_driver::error::{Result, code::EINVAL};
    /// use linux_driver::uaccess::Writer;
    ///
    /// /// Writes a whole packet or nothing. Returns the number of bytes written.
    /// fn deliver(to: &mut Writer<'_>, packet: &[u8]) -> Result<usize> {
    ///     if to.len() < packet.len() {
    ///         return Err(EINVAL);
    ///     }
    ///     to.write_slice(packet)?;
    ///     Ok(packet.len())
    /// }
    /// ```
    #[inline]
    pub fn write_slice(&mut self, from: &[u8]) -> Result {
        let address = self.0.take(from.len())?;
        to_user(address, from)
    }

    /// Writes `count` bytes.
    ///
    /// # Errors
    ///
    /// [`EFAULT`] if user space has no memory there, or if there is not enough room.
    ///
    /// # Safety
    ///
    /// `from` must be memory of `count` bytes, all of which were written. The kernel's C code may
    /// read it at any time.
    pub(crate) unsafe fn write_raw(&mut self, from: *const u8, count: usize) -> Result {
        let address = self.0.take(count)?;
        // SAFETY: `_copy_to_user` requires `count` bytes to read, which the caller promises. It
        // checks the address in user space itself (`access_ok`) and handles a page that is not
        // there. It may sleep; if the context does not allow that, the kernel reports it.
        let left = unsafe { sys::_copy_to_user(address as *mut _, from.cast(), count as _) };
        if left == 0 { Ok(()) } else { Err(EFAULT) }
    }

    /// Writes as much of the slice as there is room for, and returns the number of bytes.
    ///
    /// # Context
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// [`EFAULT`] if user space has no memory there.
    pub fn write_up_to(&mut self, from: &[u8]) -> Result<usize> {
        let from = from.get(..self.0.length).unwrap_or(from);
        self.write_slice(from)?;
        Ok(from.len())
    }
}

/// Reads the bytes of a value. If an integer has the same size, this does what C's `get_user` does.
#[inline(always)]
fn get_user<T: FromBytes>(value: &mut MaybeUninit<T>, address: usize) -> Result {
    let (to, from) = (value.as_mut_ptr(), address as *const c_void);
    /// Reads an integer of that size.
    macro_rules! of {
        ($integer:ty, $get_user:ident) => {{
            let mut bytes: $integer = 0;
            // SAFETY: `get_user` requires an integer of that size to write to. It checks the
            // address in user space itself (`access_ok`) and handles a page that is not there. It
            // may sleep; if the context does not allow that, the kernel reports it.
            let failed = unsafe { sys::$get_user(&raw mut bytes, from) } != 0;
            // SAFETY: the value has that size. It need not be aligned like the integer.
            unsafe { to.cast::<$integer>().write_unaligned(bytes) };
            failed
        }};
    }
    let failed = match size_of::<T>() {
        1 => of!(u8, linux_driver_get_user_1),
        2 => of!(u16, linux_driver_get_user_2),
        4 => of!(u32, linux_driver_get_user_4),
        8 => of!(u64, linux_driver_get_user_8),
        // SAFETY: `from_user` requires memory for `count` bytes. The value has the size of the
        // type.
        count => return unsafe { from_user(to.cast(), address, count) },
    };
    if failed { Err(EFAULT) } else { Ok(()) }
}

/// Writes the bytes of a value. If an integer has the same size, this does what C's `put_user`
/// does.
#[inline(always)]
fn put_user<T: IntoBytes>(value: &T, address: usize) -> Result {
    let to = address as *mut c_void;
    let bytes = value.as_bytes();
    /// Writes an integer of that size.
    macro_rules! of {
        ($integer:ty, $put_user:ident) => {{
            // SAFETY: the value has that many bytes, all of which were written. They need not be
            // aligned like the integer.
            let integer = unsafe { bytes.as_ptr().cast::<$integer>().read_unaligned() };
            // SAFETY: `put_user` takes the integer by value. It treats the address as `get_user`
            // does.
            let failed = unsafe { sys::$put_user(integer, to) };
            failed != 0
        }};
    }
    let failed = match size_of::<T>() {
        1 => of!(u8, linux_driver_put_user_1),
        2 => of!(u16, linux_driver_put_user_2),
        4 => of!(u32, linux_driver_put_user_4),
        8 => of!(u64, linux_driver_put_user_8),
        _ => return to_user(address, bytes),
    };
    if failed { Err(EFAULT) } else { Ok(()) }
}

#[inline]
fn to_user(address: usize, from: &[u8]) -> Result {
    // SAFETY: `_copy_to_user` requires that many bytes to read, which the slice has. It checks the
    // address in user space itself (`access_ok`) and handles a page that is not there. It may
    // sleep; if the context does not allow that, the kernel reports it.
    let left =
        unsafe { sys::_copy_to_user(address as *mut _, from.as_ptr().cast(), from.len() as _) };
    if left == 0 { Ok(()) } else { Err(EFAULT) }
}

/// Reads `count` bytes into `to`. Fails with [`EFAULT`] if user space has no memory there.
///
/// # Safety
///
/// `to` must be valid for writes of `count` bytes.
#[inline]
unsafe fn from_user(to: *mut u8, address: usize, count: usize) -> Result {
    // SAFETY: `_copy_from_user` requires memory for `count` bytes, which the caller promises. It
    // fills what it could not copy with zeroes. It checks the address in user space itself
    // (`access_ok`). It may sleep; if the context does not allow that, the kernel reports it.
    let left = unsafe { sys::_copy_from_user(to.cast(), address as *const _, count as _) };
    if left == 0 { Ok(()) } else { Err(EFAULT) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_is_taken_once() {
        let mut slice = UserSlice::new(0x1000, 8);
        assert_eq!(slice.take(3), Ok(0x1000));
        assert_eq!(slice.take(6), Err(EFAULT));
        assert_eq!((slice.take(5), slice.len()), (Ok(0x1003), 0));
        assert_eq!(slice.take(0), Ok(0x1008));
        assert_eq!(slice.take(1), Err(EFAULT));
    }

    #[test]
    fn addresses_wrap_without_a_panic() {
        let mut slice = UserSlice::new(usize::MAX, usize::MAX);
        assert_eq!(slice.take(usize::MAX), Ok(usize::MAX));
        assert_eq!(slice.take(1), Err(EFAULT));
    }
}
