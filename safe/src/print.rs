// SPDX-License-Identifier: GPL-2.0-only
//! The kernel's log.
//!
//! C headers: `include/linux/printk.h`, `include/linux/dev_printk.h`,
//! `include/linux/kern_levels.h`.
//!
//! [`dev_err!`](crate::dev_err) and its likes log a line about a device, [`pr_err!`](crate::pr_err)
//! and its likes one about the driver, with the driver's name in front. All of them may be called
//! in any context, hard interrupts and NMIs among them, as `printk` may.
//!
//! [`dev_err_ratelimited!`](crate::dev_err_ratelimited) and its likes log ten lines in five seconds
//! at most from each place of the source, and [`dev_err_once!`](crate::dev_err_once) and its likes
//! one: for what a device, or user space, can cause as often as it likes.
//!
//! # Format strings
//!
//! They are those of [`core::fmt`], checked at compile time: `{}`, `{0}`, `{name}`, `{:#010x}`,
//! `{:>8}`, `{:?}` and all others, up to sixteen in a message. The newline at the end is added
//! unless it is there, or the last argument is `..`, which leaves the line open for
//! [`pr_cont!`](crate::pr_cont).
//!
//! # What it costs
//!
//! Integers, `bool`, `char`, `&str` and `&CStr` are printed by the kernel's own `%` formats, and a
//! message of only such arguments is what it is in C: a constant string and a call of `_printk` or
//! `_dev_printk`. That goes for `{}` with or without a width or a precision, and for integers also
//! for `{:?}`, `{:x}`, `{:#x}`, `{:X}` and `{:o}`, with `0`, `<` and `>`.
//!
//! Every other argument (another type, `{:?}` of text, `{:b}`, `{:#X}`, `{:+}`, `{:^8}`, a fill
//! character, a width that is an argument, and whatever a function is generic over) is formatted by
//! `core::fmt` into a buffer of 256 bytes on the stack, and cut with `...` if it is longer. The
//! first such argument in a driver links a few kilobytes of `core::fmt` into it. More than three of
//! them in one message, or in messages of one function, need a stack frame above 1 KiB, which the
//! check of the built module refuses.
//!
//! What is printed is the same as what Rust would print, except that:
//!
//! - a NUL in a string ends that string, as it does in C;
//! - a record of the log ends at about 1,000 bytes;
//! - `{:p}`, and `{:?}` of a raw pointer, print a hashed address, as the kernel's `%p` does. (What
//!   contains a pointer, or is a function, and is printed with `{:?}`, or a pointer with `{:#?}`,
//!   is Rust's to print, which prints the true address: don't. Anyone who reads the log would know
//!   where the kernel is.)
//! - `&CStr` has no `Display` in Rust: here its bytes are printed as they are.

use core::ffi::CStr;
use core::ops::Deref;
use core::pin::Pin;

use linux_driver_sys as sys;

use crate::error::Result;
use crate::sync::rcu;
use crate::sysfs::Page;

mod args;
mod buffer;
mod call;
mod limit;
mod line;
mod macros;
#[cfg(test)]
mod tests;

pub use args::{Display, ErrorName, Layout, Native};
pub use buffer::Buffer;
#[doc(hidden)]
pub use linux_driver_macros::__printk;

/// What the macros expand to. Not for use by hand, though nothing bad comes of it.
#[doc(hidden)]
pub mod expansion {
    pub use core;

    pub use super::args::{
        BUFFER_SIZE, ByCore, ByKernel, Debug, Display, Format, Layout, LowerHex, Octal, Padded,
        Spec, Str, UpperHex, formatted, tag,
    };
    pub use super::limit::{Once, RateLimit, place};
    pub use super::line::{Line, Piece, sizes};
    pub use super::{Buffer, Level, dev_printk, printk, sysfs_emit};
}

/// How much a line matters: `include/linux/kern_levels.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// `KERN_EMERG`: the system is unusable.
    Emerg,
    /// `KERN_ALERT`: action must be taken immediately.
    Alert,
    /// `KERN_CRIT`: a critical condition.
    Crit,
    /// `KERN_ERR`: an error.
    Err,
    /// `KERN_WARNING`: a warning.
    Warn,
    /// `KERN_NOTICE`: normal, but worth notice.
    Notice,
    /// `KERN_INFO`: informational.
    Info,
    /// `KERN_DEBUG`: for whoever debugs the driver.
    Debug,
}

impl Level {
    /// The `KERN_*` string, which stands in front of a format string.
    #[inline(always)]
    pub const fn kern(self) -> &'static CStr {
        match self {
            Self::Emerg => c"\x010",
            Self::Alert => c"\x011",
            Self::Crit => c"\x012",
            Self::Err => c"\x013",
            Self::Warn => c"\x014",
            Self::Notice => c"\x015",
            Self::Info => c"\x016",
            Self::Debug => c"\x017",
        }
    }
}

/// A device that a line can be about: the first argument of [`dev_info!`](crate::dev_info) and its
/// likes.
///
/// # Safety
///
/// [`Self::raw`] is a `struct device` that stays alive, with its name, its bus and its class, as
/// long as `self` is borrowed; or null. (A bus that is built in stays; one of a module of ours
/// waits for its devices.) With [`Self::BOUND`] the driver that is bound to it stays so for as
/// long.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no device",
    label = "a line with `dev_*!` is about a device; use `pr_*!` if there is none"
)]
pub unsafe trait Printable {
    /// Whether the device stays bound. If not, its driver's module can be unloaded while the line
    /// is printed, with the driver's name, which `_dev_printk` reads: the line is then printed by a
    /// reader of RCU, which unloading a module waits for (`free_module`).
    const BOUND: bool = false;

    /// The device, for `_dev_printk`.
    fn raw(&self) -> *const sys::device;
}

// SAFETY: as for the device itself; the reference keeps it borrowed.
unsafe impl<T: Printable + ?Sized> Printable for &T {
    const BOUND: bool = T::BOUND;

    #[inline(always)]
    fn raw(&self) -> *const sys::device {
        T::raw(self)
    }
}

// SAFETY: as for the device itself; the reference keeps it borrowed.
unsafe impl<T: Printable + ?Sized> Printable for &mut T {
    const BOUND: bool = T::BOUND;

    #[inline(always)]
    fn raw(&self) -> *const sys::device {
        T::raw(self)
    }
}

// SAFETY: as for the device itself, which `Deref` borrows from `self`.
unsafe impl<P: Deref<Target: Printable>> Printable for Pin<P> {
    const BOUND: bool = <P::Target as Printable>::BOUND;

    #[inline(always)]
    fn raw(&self) -> *const sys::device {
        P::Target::raw(self)
    }
}

/// Logs the line `P` with these arguments. The numbers are those that `line::sizes` gives.
#[doc(hidden)]
#[inline(always)]
pub fn printk<P, L, const A: usize, const B: usize, const C: usize, const D: usize>(args: L)
where
    P: line::Line,
    L: args::List<Scalars: call::Scalars>,
{
    let format = line::Format::<P, L, A, B, C, D>::C;
    // SAFETY: the call demands a string that ends in NUL, whose conversions read the values that
    // `L` gives: `Format` makes it of the conversions of `L`. What the values point to is borrowed
    // until the call is over, as `args` is the caller's.
    unsafe { call::Scalars::printk(args.scalars(), format.as_ptr()) };
}

/// Appends the text `P` to what an attribute shows. See [`printk`].
#[doc(hidden)]
#[inline(always)]
pub fn sysfs_emit<P, L, const A: usize, const B: usize, const C: usize, const D: usize>(
    page: &mut Page,
    args: L,
) -> Result
where
    P: line::Line,
    L: args::List<Scalars: call::Scalars>,
{
    let format = line::Format::<P, L, A, B, C, D>::C;
    let longest = const { line::longest(P::PIECES, L::CONVERSIONS) };
    page.append(longest, |place| {
        // SAFETY: as in `printk`; the place is a slice of so many bytes, within a page.
        unsafe {
            call::Scalars::snprintf(
                args.scalars(),
                place.as_mut_ptr().cast(),
                place.len(),
                format.as_ptr(),
            )
        }
    })
}

/// Logs the line `P` about a device. See [`printk`].
#[doc(hidden)]
#[inline(always)]
pub fn dev_printk<P, L, T, const A: usize, const B: usize, const C: usize, const D: usize>(
    level: Level,
    dev: &T,
    args: L,
) where
    P: line::Line,
    T: Printable + ?Sized,
    L: args::List<Scalars: call::Scalars>,
{
    let format = line::Format::<P, L, A, B, C, D>::C;
    let _reader = const { !T::BOUND }.then(rcu::read_lock);
    // SAFETY: as in `printk`; the level is one of the eight. Of the device the call demands
    // - that it is there, with its bus and its class: by `Printable`'s contract, as long as it is
    //   borrowed;
    // - that its driver's name is there, if one is bound: it stays bound, or this is a reader of
    //   RCU, for which `free_module` waits between `driver_unregister` and the end of the module's
    //   memory (`synchronize_rcu`, 6.1 to 7.3).
    unsafe {
        call::Scalars::dev_printk(
            args.scalars(),
            level.kern().as_ptr(),
            dev.raw(),
            format.as_ptr(),
        )
    };
}
