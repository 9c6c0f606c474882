// SPDX-License-Identifier: GPL-2.0-only
//! The kernel's log.
//!
//! C headers: `include/linux/printk.h`, `include/linux/dev_printk.h`,
//! `include/linux/kern_levels.h`.
//!
//! [`dev_err!`](crate::dev_err) and similar macros log a line about a device.
//! [`pr_err!`](crate::pr_err) and similar macros log a line about the driver, which starts with the
//! driver's name.
//!
//! [`dev_err_ratelimited!`](crate::dev_err_ratelimited) and similar macros log at most ten lines in
//! five seconds from each source location. [`dev_err_once!`](crate::dev_err_once) and similar
//! macros log one line. Use them for events that a device or user space can cause at any rate.
//!
//! # Context
//!
//! Any, including hard interrupts and NMIs, as for `printk`.
//!
//! # Format strings
//!
//! Format strings are those of [`core::fmt`], checked at compile time: `{}`, `{0}`, `{name}`,
//! `{:#010x}`, `{:>8}`, `{:?}` and all others. A message has at most sixteen placeholders. A
//! newline is added at the end if there is none. If the last argument is `..`, no newline is added,
//! and the line stays open for [`pr_cont!`](crate::pr_cont).
//!
//! # Cost
//!
//! The kernel's own `%` formats print integers, `bool`, `char`, `&str` and `&CStr`. A message with
//! only such arguments compiles to what it is in C: a constant string and a call of `_printk` or
//! `_dev_printk`. This applies to `{}` with or without a width or a precision. For integers it also
//! applies to `{:?}`, `{:x}`, `{:#x}`, `{:X}` and `{:o}`, with `0`, `<` and `>`.
//!
//! `core::fmt` formats every other argument into a buffer of 256 bytes on the stack, and truncates
//! it with `...` if it is longer. Such arguments are: other types, `{:?}` of text, `{:b}`, `{:#X}`,
//! `{:+}`, `{:^8}`, a fill character, a width that is an argument, and any type parameter of a
//! generic function. The first such argument in a driver links a few kilobytes of `core::fmt`. If
//! one message, or the messages of one function, have more than three of them, the stack frame
//! exceeds 1 KiB. The check of the built module refuses that.
//!
//! # Differences from Rust
//!
//! The output is what Rust would print, except that:
//!
//! - a NUL in a string ends that string, as in C;
//! - a record of the log ends at about 1,000 bytes;
//! - `{:p}`, and `{:?}` of a raw pointer, print a hashed address, as the kernel's `%p` does;
//! - `&CStr`, which has no `Display` in Rust, is printed as its bytes.
//!
//! Do not print a function or a type that contains a pointer with `{:?}`, and no pointer with
//! `{:#?}`. Rust formats those, and prints the true address. Anyone who reads the log would then
//! know where the kernel is in memory.

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

/// The items that the macros expand to. They are not for direct use, but direct use is not unsound.
#[doc(hidden)]
pub mod expansion {
    pub use core;

    pub use super::args::{
        BUFFER_SIZE, ByCore, ByKernel, Debug, Display, Format, Layout, LowerHex, Octal, Padded,
        Spec, Str, UpperHex, formatted, tag,
    };
    pub use super::limit::{Once, RateLimit, location};
    pub use super::line::{Line, Piece, sizes};
    pub use super::{Buffer, Level, dev_printk, printk, sysfs_emit};
}

/// The severity of a line: `include/linux/kern_levels.h`.
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
    /// `KERN_DEBUG`: for debugging the driver.
    Debug,
}

impl Level {
    /// Returns the `KERN_*` string, which precedes a format string.
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

/// A device that a line can be about: the first argument of [`dev_info!`](crate::dev_info) and
/// similar macros.
///
/// # Safety
///
/// [`Self::raw`] must return NULL, or a `struct device` that exists, with its name, its bus and its
/// class, as long as `self` is borrowed. (A built-in bus always exists. A bus of a module of this
/// project waits for its devices.) If [`Self::BOUND`] is true, the driver that is bound to the
/// device must stay bound that long.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a device",
    label = "`dev_*!` logs a line about a device; without a device use `pr_*!`"
)]
pub unsafe trait Printable {
    /// True if the device stays bound. Otherwise the module of its driver can be unloaded while the
    /// line is printed, and `_dev_printk` reads the driver's name. Then the line is printed inside
    /// an RCU read-side critical section, for which unloading a module waits (`free_module`).
    const BOUND: bool = false;

    /// Returns the device, for `_dev_printk`.
    fn raw(&self) -> *const sys::device;
}

// SAFETY: the implementation for `T` upholds the contract, and the reference keeps the device
// borrowed.
unsafe impl<T: Printable + ?Sized> Printable for &T {
    const BOUND: bool = T::BOUND;

    #[inline(always)]
    fn raw(&self) -> *const sys::device {
        T::raw(self)
    }
}

// SAFETY: the implementation for `T` upholds the contract, and the reference keeps the device
// borrowed.
unsafe impl<T: Printable + ?Sized> Printable for &mut T {
    const BOUND: bool = T::BOUND;

    #[inline(always)]
    fn raw(&self) -> *const sys::device {
        T::raw(self)
    }
}

// SAFETY: the implementation for the target upholds the contract, and `Deref` borrows the target
// from `self`.
unsafe impl<P: Deref<Target: Printable>> Printable for Pin<P> {
    const BOUND: bool = <P::Target as Printable>::BOUND;

    #[inline(always)]
    fn raw(&self) -> *const sys::device {
        P::Target::raw(self)
    }
}

/// Logs the line `P` with these arguments. `A` to `D` are the sizes from `line::sizes`.
#[doc(hidden)]
#[inline(always)]
pub fn printk<P, L, const A: usize, const B: usize, const C: usize, const D: usize>(args: L)
where
    P: line::Line,
    L: args::List<Scalars: call::Scalars>,
{
    let format = line::Format::<P, L, A, B, C, D>::C;
    // SAFETY: `Scalars::printk` requires a string that ends in NUL, whose conversions match the
    // values of `L`. `Format` makes the string from the conversions of `L`. The targets of the
    // values stay borrowed until the call has returned, because the caller owns `args`.
    unsafe { call::Scalars::printk(args.scalars(), format.as_ptr()) };
}

/// Appends the text `P` to the output of an attribute. See [`printk`].
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
    page.append(longest, |buffer| {
        // SAFETY: same preconditions as in `printk`. The buffer is a slice of that many bytes,
        // inside a page.
        unsafe {
            call::Scalars::snprintf(
                args.scalars(),
                buffer.as_mut_ptr().cast(),
                buffer.len(),
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
    // SAFETY: same preconditions as in `printk`. The level is one of the eight. `_dev_printk`
    // further requires:
    // - a device that exists, with its bus and its class: the contract of `Printable` ensures that
    //   as long as it is borrowed;
    // - the name of its driver, if one is bound: either the driver stays bound, or this is inside
    //   an RCU read-side critical section. `free_module` waits for such sections
    //   (`synchronize_rcu`, 6.1 to 7.3) after `driver_unregister` and before it frees the module's
    //   memory.
    unsafe {
        call::Scalars::dev_printk(
            args.scalars(),
            level.kern().as_ptr(),
            dev.raw(),
            format.as_ptr(),
        )
    };
}
