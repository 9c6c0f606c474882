// SPDX-License-Identifier: GPL-2.0-only
//! Copies from and to the memory of user space.
//!
//! C header: `include/linux/uaccess.h`; `lib/usercopy.c`.
//!
//! What user space hands over is an address and a length, and may change at any time. So there are
//! no references to it: bytes are copied, once, by a [`Reader`] or a [`Writer`] that moves on as it
//! does. What was checked is what is used.
//!
//! | here | C |
//! |---|---|
//! | [`Reader::read`] | `get_user` where the value has 1, 2, 4 or 8 bytes, else `copy_from_user` |
//! | [`Reader::read_slice`] | `copy_from_user` |
//! | [`Writer::write`] | `put_user` where the value has 1, 2, 4 or 8 bytes, else `copy_to_user` |
//! | [`Writer::write_slice`] | `copy_to_user` |
//! | [`Reader::read_c_str`] | `strncpy_from_user` |
//!
//! Context: all of it may sleep, for a page that is not there, and takes the `mmap_lock` of the
//! process for it; not under a spin lock, nor under a lock that `mmap` takes too.
//!
//! ```
//! use linux_driver::error::{Result, code::EINVAL};
//! use linux_driver::uaccess::{Reader, Writer};
//!
//! /// A command and its name; the answer goes where user space said.
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
//! C's inline functions check the length against the size of the object at hand; here it is the
//! slice's own. They call hardened usercopy too (`check_object_size`), and we do not: what is
//! copied lies in a slice or a value, whose length Rust knows. That the address is one of user
//! space's (`access_ok`) is checked by the functions that both call.

use core::ffi::{CStr, c_void};
use core::marker::PhantomData;
use core::mem::MaybeUninit;

use linux_driver_sys as sys;

use crate::bytes::{FromBytes, IntoBytes};
use crate::error::{Result, code::E2BIG, code::EFAULT};

/// Memory of the task that made the call at hand: an address, which may be anything, and a length.
///
/// It stays on the thread of the task, and is of no use after the call. It is no `Copy`: a second
/// [`Reader`] could find other bytes than the first, which were checked.
pub struct UserSlice<'a> {
    address: usize,
    length: usize,
    _of_the_task: PhantomData<&'a *mut ()>,
}

impl<'a> UserSlice<'a> {
    /// So many bytes from `address` on. Nothing is checked before something is copied.
    pub(crate) fn new(address: usize, length: usize) -> Self {
        Self {
            address,
            length,
            _of_the_task: PhantomData,
        }
    }

    /// How many bytes it has.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Reads it from the start.
    pub fn reader(self) -> Reader<'a> {
        Reader(self)
    }

    /// Writes it from the start.
    pub fn writer(self) -> Writer<'a> {
        Writer(self)
    }

    /// Reads it from the start, and writes it from the start.
    pub fn reader_writer(self) -> (Reader<'a>, Writer<'a>) {
        (Reader(Self::new(self.address, self.length)), Writer(self))
    }

    /// Takes `count` bytes off the start, and returns their address. [`EFAULT`] if there are not so
    /// many: user space has handed over less than the driver needs.
    #[inline]
    fn take(&mut self, count: usize) -> Result<usize> {
        let rest = self.length.checked_sub(count).ok_or(EFAULT)?;
        let address = self.address;
        self.length = rest;
        // Whether the addresses wrap is for `access_ok` to say.
        self.address = address.wrapping_add(count);
        Ok(address)
    }
}

/// Reads the memory of user space, from the start to the end, each byte once.
#[doc(alias = "_copy_from_user")]
pub struct Reader<'a>(UserSlice<'a>);

impl Reader<'_> {
    /// How many bytes are left.
    pub fn len(&self) -> usize {
        self.0.length
    }

    /// Whether none is left.
    pub fn is_empty(&self) -> bool {
        self.0.length == 0
    }

    /// Passes over so many bytes: [`EFAULT`] if there are not so many.
    pub fn skip(&mut self, count: usize) -> Result {
        self.0.take(count).map(drop)
    }

    /// Copies a value. [`EFAULT`] if user space has no memory there, or less than that is left.
    ///
    /// Any bytes are a value of the type: `FromBytes` says so. Context: may sleep.
    #[doc(alias = "copy_from_user")]
    #[doc(alias = "get_user")]
    #[inline]
    pub fn read<T: FromBytes>(&mut self) -> Result<T> {
        let mut value = MaybeUninit::<T>::uninit();
        let address = self.0.take(size_of::<T>())?;
        get_user(&mut value, address)?;
        // SAFETY: all bytes were written; any are a value of the type. (What may be padding was
        // written too, which does no harm.)
        Ok(unsafe { value.assume_init() })
    }

    /// Copies as many bytes as the slice has. [`EFAULT`] if user space has no memory there, or less
    /// than that is left; what the slice holds then is not said.
    ///
    /// Context: may sleep.
    ///
    /// ```no_run
    /// use linux_driver::error::{Result, code::EINVAL};
    /// use linux_driver::uaccess::Reader;
    ///
    /// /// A key of 32 bytes, and nothing else.
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
        // SAFETY: the slice has so many bytes.
        unsafe { from_user(to.as_mut_ptr(), address, to.len()) }
    }

    /// Copies so many bytes. [`EFAULT`] if user space has no memory there, or less than that is
    /// left.
    ///
    /// # Safety
    ///
    /// `to` is memory of so many bytes, which no reference is to and the kernel's own C code may
    /// write at any time.
    pub(crate) unsafe fn read_raw(&mut self, to: *mut u8, count: usize) -> Result {
        let address = self.0.take(count)?;
        // SAFETY: by the caller's promise.
        unsafe { from_user(to, address, count) }
    }

    /// Copies what is left, as many bytes of it as the slice has, and returns how many.
    ///
    /// Context: may sleep.
    pub fn read_up_to(&mut self, to: &mut [u8]) -> Result<usize> {
        let count = to.len().min(self.0.length);
        if let Some(to) = to.get_mut(..count) {
            self.read_slice(to)?;
        }
        Ok(count)
    }

    /// Copies a string up to its NUL, into `to`. [`E2BIG`] if there is no NUL among the bytes that
    /// are left, or none among as many as `to` has; [`EFAULT`] if user space has no memory there.
    ///
    /// What is copied is copied once, and searched then. As much is copied as is left, up to the
    /// size of `to`: hand over what the call says is there, not more. Context: may sleep.
    #[doc(alias = "strncpy_from_user")]
    pub fn read_c_str<'b>(&mut self, to: &'b mut [u8]) -> Result<&'b CStr> {
        let count = self.read_up_to(to)?;
        let text = to.get(..count).ok_or(EFAULT)?;
        CStr::from_bytes_until_nul(text).map_err(|_| E2BIG)
    }
}

/// Writes the memory of user space, from the start to the end.
#[doc(alias = "_copy_to_user")]
pub struct Writer<'a>(UserSlice<'a>);

impl Writer<'_> {
    /// How many bytes are left to write.
    pub fn len(&self) -> usize {
        self.0.length
    }

    /// Whether none is left.
    pub fn is_empty(&self) -> bool {
        self.0.length == 0
    }

    /// Copies a value. [`EFAULT`] if user space has no memory there, or there is less room.
    ///
    /// The type has no bytes that were never written: `IntoBytes` says so, and so nothing of the
    /// kernel's stack gets out. Context: may sleep.
    #[doc(alias = "copy_to_user")]
    #[doc(alias = "put_user")]
    #[inline]
    pub fn write<T: IntoBytes>(&mut self, value: &T) -> Result {
        let address = self.0.take(size_of::<T>())?;
        put_user(value, address)
    }

    /// Copies all of the slice. [`EFAULT`] if user space has no memory there, or there is less
    /// room; some of it may be copied then.
    ///
    /// Context: may sleep.
    ///
    /// ```no_run
    /// use linux_driver::error::{Result, code::EINVAL};
    /// use linux_driver::uaccess::Writer;
    ///
    /// /// A packet, whole or not at all: returns how many bytes of the room are used.
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

    /// Copies so many bytes. [`EFAULT`] if user space has no memory there, or there is less room.
    ///
    /// # Safety
    ///
    /// `from` is memory of so many bytes, all of which were written, and which the kernel's own C
    /// code may read at any time.
    pub(crate) unsafe fn write_raw(&mut self, from: *const u8, count: usize) -> Result {
        let address = self.0.take(count)?;
        // SAFETY: `_copy_to_user` asks for that many bytes to read, by the caller's promise. It
        // checks the address of user space itself (`access_ok`), copes with a page that is not
        // there, and may sleep: elsewhere the kernel reports it.
        let left = unsafe { sys::_copy_to_user(address as *mut _, from.cast(), count as _) };
        if left == 0 { Ok(()) } else { Err(EFAULT) }
    }

    /// Copies as much of the slice as there is room for, and returns how many bytes.
    ///
    /// Context: may sleep.
    pub fn write_up_to(&mut self, from: &[u8]) -> Result<usize> {
        let from = from.get(..self.0.length).unwrap_or(from);
        self.write_slice(from)?;
        Ok(from.len())
    }
}

/// Copies the bytes of a value: where an integer has as many, as C's `get_user` does.
#[inline(always)]
fn get_user<T: FromBytes>(value: &mut MaybeUninit<T>, address: usize) -> Result {
    let (to, from) = (value.as_mut_ptr(), address as *const c_void);
    /// As an integer of that size.
    macro_rules! of {
        ($integer:ty, $get_user:ident) => {{
            let mut bytes: $integer = 0;
            // SAFETY: `get_user` asks for an integer of that size to write. It checks the address
            // of user space itself (`access_ok`), copes with a page that is not there, and may
            // sleep: elsewhere the kernel reports it.
            let failed = unsafe { sys::$get_user(&raw mut bytes, from) } != 0;
            // SAFETY: the value is of that size; it need not be aligned as the integer.
            unsafe { to.cast::<$integer>().write_unaligned(bytes) };
            failed
        }};
    }
    let failed = match size_of::<T>() {
        1 => of!(u8, linux_driver_get_user_1),
        2 => of!(u16, linux_driver_get_user_2),
        4 => of!(u32, linux_driver_get_user_4),
        8 => of!(u64, linux_driver_get_user_8),
        // SAFETY: there is room for as many bytes as the type has.
        count => return unsafe { from_user(to.cast(), address, count) },
    };
    if failed { Err(EFAULT) } else { Ok(()) }
}

/// Copies a value: where an integer has as many bytes, as C's `put_user` does.
#[inline(always)]
fn put_user<T: IntoBytes>(value: &T, address: usize) -> Result {
    let to = address as *mut c_void;
    let bytes = value.as_bytes();
    /// As an integer of that size.
    macro_rules! of {
        ($integer:ty, $put_user:ident) => {{
            // SAFETY: there are as many bytes, all of them written; they need not be aligned as the
            // integer.
            let integer = unsafe { bytes.as_ptr().cast::<$integer>().read_unaligned() };
            // SAFETY: `put_user` takes the integer by value. For the address it is as `get_user`.
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
    // SAFETY: `_copy_to_user` asks for that many bytes to read, which the slice has. It checks the
    // address of user space itself (`access_ok`), copes with a page that is not there, and may
    // sleep: elsewhere the kernel reports it.
    let left =
        unsafe { sys::_copy_to_user(address as *mut _, from.as_ptr().cast(), from.len() as _) };
    if left == 0 { Ok(()) } else { Err(EFAULT) }
}

/// # Safety
///
/// `to` is valid for writes of `count` bytes.
#[inline]
unsafe fn from_user(to: *mut u8, address: usize, count: usize) -> Result {
    // SAFETY: `_copy_from_user` asks for that many bytes to write, by the caller's promise; it
    // fills what it could not copy with zeroes. It checks the address of user space itself
    // (`access_ok`), and may sleep: elsewhere the kernel reports it.
    let left = unsafe { sys::_copy_from_user(to.cast(), address as *const _, count as _) };
    if left == 0 { Ok(()) } else { Err(EFAULT) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_byte_is_handed_out_twice() {
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
