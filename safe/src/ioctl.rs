// SPDX-License-Identifier: GPL-2.0-only
//! Numbers of `ioctl` commands, and their argument.
//!
//! C headers: `include/uapi/asm-generic/ioctl.h`; `Documentation/driver-api/ioctl.rst`.
//!
//! A number says who it belongs to (`type`, a letter that the driver chose), which it is, what goes
//! which way and how many bytes. A driver's `ioctl` matches on them, and answers
//! [`ENOTTY`](crate::error::code::ENOTTY) to any other:
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

/// The number of a command: C's `_IOC`. `dir` is [`_IOC_NONE`], or of [`_IOC_READ`] and
/// [`_IOC_WRITE`], as user space sees it.
///
/// It does not compile, as a constant, with a size of more than 16383 bytes.
pub const fn _IOC(dir: u32, r#type: u8, nr: u8, size: usize) -> u32 {
    assert!(
        size < 1 << sys::_IOC_SIZEBITS,
        "an ioctl number has no room for so many bytes"
    );
    dir << DIR | (size as u32) << SIZE | (r#type as u32) << TYPE | nr as u32
}

/// A command without an argument: C's `_IO`.
pub const fn _IO(r#type: u8, nr: u8) -> u32 {
    _IOC(_IOC_NONE, r#type, nr, 0)
}

/// A command that user space reads a `T` with: C's `_IOR`.
pub const fn _IOR<T>(r#type: u8, nr: u8) -> u32 {
    _IOC(_IOC_READ, r#type, nr, size_of::<T>())
}

/// A command that user space writes a `T` with: C's `_IOW`.
pub const fn _IOW<T>(r#type: u8, nr: u8) -> u32 {
    _IOC(_IOC_WRITE, r#type, nr, size_of::<T>())
}

/// A command that user space writes a `T` with, and reads one back: C's `_IOWR`.
pub const fn _IOWR<T>(r#type: u8, nr: u8) -> u32 {
    _IOC(_IOC_READ | _IOC_WRITE, r#type, nr, size_of::<T>())
}

/// No argument.
pub const _IOC_NONE: u32 = sys::_IOC_NONE;
/// User space reads: the kernel writes.
pub const _IOC_READ: u32 = sys::_IOC_READ;
/// User space writes: the kernel reads.
pub const _IOC_WRITE: u32 = sys::_IOC_WRITE;

/// Which way the argument goes: [`_IOC_NONE`], or of [`_IOC_READ`] and [`_IOC_WRITE`].
pub const fn _IOC_DIR(cmd: u32) -> u32 {
    cmd >> DIR
}

/// Whose command it is.
pub const fn _IOC_TYPE(cmd: u32) -> u8 {
    (cmd >> TYPE) as u8
}

/// Which of that type's commands it is.
pub const fn _IOC_NR(cmd: u32) -> u8 {
    cmd as u8
}

/// How many bytes the argument has, by what the number says.
pub const fn _IOC_SIZE(cmd: u32) -> usize {
    (cmd >> SIZE & ((1 << sys::_IOC_SIZEBITS) - 1)) as usize
}

/// The argument of a command: a number, or the address of a value in user space.
///
/// It is of the task that made the call, and so stays on its thread. What reads it takes it: who
/// read it twice could find two values, of which only the first was checked.
pub struct Argument<'a>(usize, PhantomData<&'a *mut ()>);

impl Argument<'_> {
    pub(crate) fn new(argument: usize) -> Self {
        Self(argument, PhantomData)
    }

    /// The argument as it is.
    pub fn value(&self) -> usize {
        self.0
    }
}

impl<'a> Argument<'a> {
    /// So many bytes at the address that the argument is.
    pub fn slice(self, length: usize) -> UserSlice<'a> {
        UserSlice::new(self.0, length)
    }

    /// Copies the value at the address that the argument is: [`EFAULT`](crate::error::code::EFAULT)
    /// if it is not one.
    ///
    /// Context: may sleep.
    pub fn read<T: FromBytes>(self) -> Result<T> {
        self.slice(size_of::<T>()).reader().read()
    }

    /// As [`read`](Self::read), for a command that answers with a value of the same size at the
    /// same address ([`_IOWR`]): the value, and where the answer goes.
    ///
    /// Context: may sleep.
    pub fn read_write<T: FromBytes>(self) -> Result<(T, Writer<'a>)> {
        let (mut from, to) = self.slice(size_of::<T>()).reader_writer();
        Ok((from.read()?, to))
    }

    /// Copies a value to the address that the argument is: [`EFAULT`](crate::error::code::EFAULT)
    /// if it is not one.
    ///
    /// Context: may sleep.
    pub fn write<T: IntoBytes>(self, value: &T) -> Result {
        self.slice(size_of::<T>()).writer().write(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a C program printed of the macros in <sys/ioctl.h>.
    #[test]
    fn numbers_are_those_of_c() {
        assert_eq!(_IO(b'E', 3), 0x4503);
        assert_eq!(_IOR::<u64>(b'E', 0xff), 0x8008_45ff);
        assert_eq!(_IOW::<[u8; 3]>(b'x', 1), 0x4003_7801);
        assert_eq!(_IOWR::<[u8; 16383]>(0xff, 1), 0xffff_ff01);
    }

    #[test]
    fn a_number_is_taken_apart() {
        let cmd = _IOWR::<[u8; 300]>(b'Q', 7);
        assert_eq!(_IOC_DIR(cmd), _IOC_READ | _IOC_WRITE);
        assert_eq!(
            (_IOC_TYPE(cmd), _IOC_NR(cmd), _IOC_SIZE(cmd)),
            (b'Q', 7, 300)
        );
        assert_eq!(_IOC_SIZE(u32::MAX), 16383);
    }
}
