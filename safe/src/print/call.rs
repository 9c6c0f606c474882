// SPDX-License-Identifier: GPL-2.0-only
//! The calls of C's variadic functions.
//!
//! A list of arguments becomes one call with as many values. The machine code at the message is
//! what a C compiler makes of the message in C.

use core::ffi::{c_char, c_int, c_void};

use linux_driver_sys as sys;

/// A value that passes through `...` unchanged: a type that C does not promote.
pub trait Scalar: Copy {}

impl Scalar for i32 {}
impl Scalar for u32 {}
impl Scalar for i64 {}
impl Scalar for u64 {}
impl Scalar for *const c_char {}
impl Scalar for *const c_void {}

/// The values of a message: `(first, (second, ()))`.
#[diagnostic::on_unimplemented(
    message = "too many values in one message",
    label = "split the message"
)]
pub trait Scalars {
    /// Calls `_printk` with the values.
    ///
    /// # Safety
    ///
    /// `format` must end in NUL. Its conversions must read exactly these values, and may read what
    /// the pointers among them point to.
    unsafe fn printk(self, format: *const c_char);

    /// Calls `_dev_printk` with the values.
    ///
    /// # Safety
    ///
    /// Same as for [`Self::printk`]. `level` must be one of `KERN_EMERG` to `KERN_DEBUG`. `dev`
    /// must be NULL, or a device that exists, with its bus and its class, until this returns. If a
    /// driver is bound to the device, that driver must exist as long.
    unsafe fn dev_printk(
        self,
        level: *const c_char,
        dev: *const sys::device,
        format: *const c_char,
    );

    /// Calls `snprintf` with the values.
    ///
    /// # Safety
    ///
    /// Same as for [`Self::printk`]. `buffer` must be valid for writes of `size` bytes, and `size`
    /// must be at most a page.
    unsafe fn snprintf(self, buffer: *mut c_char, size: usize, format: *const c_char) -> c_int;
}

macro_rules! scalars {
    (@list) => { () };
    (@list $first:tt $($rest:tt)*) => { ($first, scalars!(@list $($rest)*)) };
    // Implements the trait for these values, and then for all but the first of them.
    ($($value:ident)*) => {
        impl<$($value: Scalar),*> Scalars for scalars!(@list $($value)*) {
            #[inline(always)]
            unsafe fn printk(self, format: *const c_char) {
                #[allow(non_snake_case, reason = "a value has the name of its type")]
                let scalars!(@list $($value)*) = self;
                // SAFETY: `_printk` requires a string with conversions
                // (`Documentation/core-api/printk-formats.rst`) and the values that they read. The
                // caller promises both. It can be called in any context (`include/linux/printk.h`).
                let _ = unsafe { sys::_printk(format $(, $value)*) };
            }

            #[inline(always)]
            unsafe fn dev_printk(
                self,
                level: *const c_char,
                dev: *const sys::device,
                format: *const c_char,
            ) {
                #[allow(non_snake_case, reason = "a value has the name of its type")]
                let scalars!(@list $($value)*) = self;
                // SAFETY: `_dev_printk` requires the same as `_printk`, a level, and NULL or a
                // device. It must be able to read the names of the device, of its driver, and of
                // its bus or class. The caller promises all of this. It may be called in any
                // context, as `_printk`.
                unsafe { sys::_dev_printk(level, dev, format $(, $value)*) };
            }

            #[inline(always)]
            unsafe fn snprintf(
                self,
                buffer: *mut c_char,
                size: usize,
                format: *const c_char,
            ) -> c_int {
                #[allow(non_snake_case, reason = "a value has the name of its type")]
                let scalars!(@list $($value)*) = self;
                // SAFETY: `snprintf` requires the same as `_printk`, a buffer that is valid for
                // writes of `size` bytes, and a size that fits an `int` (or it warns and writes
                // nothing). The caller promises all of them.
                unsafe { sys::snprintf(buffer, size as _, format $(, $value)*) }
            }
        }
        scalars!(@rest $($value)*);
    };
    (@rest) => {};
    (@rest $first:ident $($rest:ident)*) => { scalars!($($rest)*); };
}

// The macros allow sixteen placeholders, each with at most three values.
scalars! {
    A0 A1 A2 A3 A4 A5 A6 A7 A8 A9 A10 A11 A12 A13 A14 A15
    B0 B1 B2 B3 B4 B5 B6 B7 B8 B9 B10 B11 B12 B13 B14 B15
    C0 C1 C2 C3 C4 C5 C6 C7 C8 C9 C10 C11 C12 C13 C14 C15
}
