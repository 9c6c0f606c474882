// SPDX-License-Identifier: GPL-2.0-only
//! The numbers and the argument of `ioctl` commands.
//!
//! C headers: `include/uapi/asm-generic/ioctl.h`; `Documentation/driver-api/ioctl.rst`.
//!
//! A command's number consists of a type (a letter that the driver chose), the command's own
//! number, and the direction and size of its data. A driver's `ioctl` matches on the number, and
//! returns [`ENOTTY`](crate::error::code::ENOTTY) for any other:
//!
//! ```
//! use linux_driver::ioctl::{_IO, _IOWR};
//!
//! const EDU_RESET: u32 = _IO(b'E', 0);
//! const EDU_FACTORIAL: u32 = _IOWR::<u32>(b'E', 1);
//! assert_eq!((EDU_RESET, EDU_FACTORIAL), (0x4500, 0xc004_4501));
//! ```

#![expect(non_snake_case, reason = "C's names of what are macros there")]

use core::marker::PhantomData;

use linux_driver_sys as sys;

use crate::bytes::{FromBytes, IntoBytes};
use crate::error::Result;
use crate::uaccess::{UserSlice, Writer};

const TYPE: u32 = sys::_IOC_NRBITS;
const SIZE: u32 = TYPE + sys::_IOC_TYPEBITS;
const DIR: u32 = SIZE + sys::_IOC_SIZEBITS;

/// Returns the number of a command: C's `_IOC`. `dir` is [`_IOC_NONE`], or a combination of
/// [`_IOC_READ`] and [`_IOC_WRITE`], from the view of user space. `size` is in bytes.
///
/// # Panics
///
/// If `size` is more than 16383. In a constant this is a compile error.
pub const fn _IOC(dir: u32, r#type: u8, nr: u8, size: usize) -> u32 {
    assert!(
        size < 1 << sys::_IOC_SIZEBITS,
        "the data of an ioctl command is larger than 16383 bytes"
    );
    dir << DIR | (size as u32) << SIZE | (r#type as u32) << TYPE | nr as u32
}

/// Returns the number of a command without an argument: C's `_IO`.
pub const fn _IO(r#type: u8, nr: u8) -> u32 {
    _IOC(_IOC_NONE, r#type, nr, 0)
}

/// Returns the number of a command with which user space reads a `T`: C's `_IOR`.
pub const fn _IOR<T>(r#type: u8, nr: u8) -> u32 {
    _IOC(_IOC_READ, r#type, nr, size_of::<T>())
}

/// Returns the number of a command with which user space writes a `T`: C's `_IOW`.
pub const fn _IOW<T>(r#type: u8, nr: u8) -> u32 {
    _IOC(_IOC_WRITE, r#type, nr, size_of::<T>())
}

/// Returns the number of a command with which user space writes a `T` and reads one: C's `_IOWR`.
pub const fn _IOWR<T>(r#type: u8, nr: u8) -> u32 {
    _IOC(_IOC_READ | _IOC_WRITE, r#type, nr, size_of::<T>())
}

/// The direction of a command without data.
pub const _IOC_NONE: u32 = sys::_IOC_NONE;
/// The direction of a command with which user space reads: the kernel writes.
pub const _IOC_READ: u32 = sys::_IOC_READ;
/// The direction of a command with which user space writes: the kernel reads.
pub const _IOC_WRITE: u32 = sys::_IOC_WRITE;

/// Returns the direction of a command: [`_IOC_NONE`], or a combination of [`_IOC_READ`] and
/// [`_IOC_WRITE`].
pub const fn _IOC_DIR(cmd: u32) -> u32 {
    cmd >> DIR
}

/// Returns the type of a command, which says to which driver it belongs.
pub const fn _IOC_TYPE(cmd: u32) -> u8 {
    (cmd >> TYPE) as u8
}

/// Returns the command's own number within its type.
pub const fn _IOC_NR(cmd: u32) -> u8 {
    cmd as u8
}

/// Returns the size of the command's data in bytes, as its number says.
pub const fn _IOC_SIZE(cmd: u32) -> usize {
    (cmd >> SIZE & ((1 << sys::_IOC_SIZEBITS) - 1)) as usize
}

/// The argument of a command: a number, or the address of a value in user space.
///
/// The argument belongs to the task that made the call, and so stays on its thread. The methods
/// that read it consume it: a second read could return another value than the one that was checked.
pub struct Argument<'a>(usize, PhantomData<&'a *mut ()>);

impl Argument<'_> {
    pub(crate) fn new(argument: usize) -> Self {
        Self(argument, PhantomData)
    }

    /// Returns the argument as a number.
    pub fn value(&self) -> usize {
        self.0
    }
}

impl<'a> Argument<'a> {
    /// Returns `length` bytes of user space memory at the address in the argument.
    pub fn slice(self, length: usize) -> UserSlice<'a> {
        UserSlice::new(self.0, length)
    }

    /// Copies a value from the address in the argument.
    ///
    /// # Context
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// [`EFAULT`](crate::error::code::EFAULT) if user space has no readable memory at the address.
    pub fn read<T: FromBytes>(self) -> Result<T> {
        self.slice(size_of::<T>()).reader().read()
    }

    /// Copies a value from the address in the argument, for a command that writes a value of the
    /// same size back to that address ([`_IOWR`]). Returns the value, and a writer for the answer.
    ///
    /// # Context
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// As for [`read`](Self::read).
    pub fn read_write<T: FromBytes>(self) -> Result<(T, Writer<'a>)> {
        let (mut from, to) = self.slice(size_of::<T>()).reader_writer();
        Ok((from.read()?, to))
    }

    /// Copies a value to the address in the argument.
    ///
    /// # Context
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// [`EFAULT`](crate::error::code::EFAULT) if user space has no writable memory at the address.
    pub fn write<T: IntoBytes>(self, value: &T) -> Result {
        self.slice(size_of::<T>()).writer().write(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expected numbers were printed by a C program with the macros of `<sys/ioctl.h>`.
    #[test]
    fn numbers_are_those_of_c() {
        assert_eq!(_IO(b'E', 3), 0x4503);
        assert_eq!(_IOR::<u64>(b'E', 0xff), 0x8008_45ff);
        assert_eq!(_IOW::<[u8; 3]>(b'x', 1), 0x4003_7801);
        assert_eq!(_IOWR::<[u8; 16383]>(0xff, 1), 0xffff_ff01);
    }

    #[test]
    fn a_number_is_split_into_its_parts() {
        let cmd = _IOWR::<[u8; 300]>(b'Q', 7);
        assert_eq!(_IOC_DIR(cmd), _IOC_READ | _IOC_WRITE);
        assert_eq!(
            (_IOC_TYPE(cmd), _IOC_NR(cmd), _IOC_SIZE(cmd)),
            (b'Q', 7, 300)
        );
        assert_eq!(_IOC_SIZE(u32::MAX), 16383);
    }
}
