// SPDX-License-Identifier: GPL-2.0-only
//! The calls of C's variadic functions.
//!
//! A list of arguments becomes one call with as many values as it has: the code at the place of the
//! message is what a C compiler makes of the message in C.

use core::ffi::{c_char, c_int, c_void};

use linux_driver_sys as sys;

/// What goes through `...` as it is: nothing that C would promote.
pub trait Scalar: Copy {}

impl Scalar for i32 {}
impl Scalar for u32 {}
impl Scalar for i64 {}
impl Scalar for u64 {}
impl Scalar for *const c_char {}
impl Scalar for *const c_void {}

/// The values of a message, `(first, (second, ()))`.
#[diagnostic::on_unimplemented(
    message = "too many values in one message",
    label = "split the message"
)]
pub trait Scalars {
    /// Calls `_printk` with them.
    ///
    /// # Safety
    ///
    /// `format` ends in NUL; its conversions read exactly these values, and may follow the pointers
    /// among them.
    unsafe fn printk(self, format: *const c_char);

    /// Calls `_dev_printk` with them.
    ///
    /// # Safety
    ///
    /// As for [`Self::printk`]; `level` is one of `KERN_EMERG` to `KERN_DEBUG`. `dev` is null, or a
    /// device that is there, with its bus and its class, and if a driver is bound, with that
    /// driver, until this returns.
    unsafe fn dev_printk(
        self,
        level: *const c_char,
        dev: *const sys::device,
        format: *const c_char,
    );

    /// Calls `snprintf` with them.
    ///
    /// # Safety
    ///
    /// As for [`Self::printk`]; `buffer` can be written for `size` bytes, at most a page.
    unsafe fn snprintf(self, buffer: *mut c_char, size: usize, format: *const c_char) -> c_int;
}

macro_rules! scalars {
    (@list) => { () };
    (@list $first:tt $($rest:tt)*) => { ($first, scalars!(@list $($rest)*)) };
    // For these values, then for all but the first of them.
    ($($value:ident)*) => {
        impl<$($value: Scalar),*> Scalars for scalars!(@list $($value)*) {
            #[inline(always)]
            unsafe fn printk(self, format: *const c_char) {
                #[allow(non_snake_case, reason = "a value is called as its type is")]
                let scalars!(@list $($value)*) = self;
                // SAFETY: `_printk` asks for a string with conversions
                // (`Documentation/core-api/printk-formats.rst`) and for the values that these read:
                // by this function's contract. It can be called from any context
                // (`include/linux/printk.h`).
                let _ = unsafe { sys::_printk(format $(, $value)*) };
            }

            #[inline(always)]
            unsafe fn dev_printk(self, level: *const c_char, dev: *const sys::device, format: *const c_char) {
                #[allow(non_snake_case, reason = "a value is called as its type is")]
                let scalars!(@list $($value)*) = self;
                // SAFETY: `_dev_printk` asks for what `_printk` does, for a level, and for a device
                // whose name, driver's name, and bus's or class's name can be read, or NULL: by
                // this function's contract. As `_printk` it may be called in any context.
                unsafe { sys::_dev_printk(level, dev, format $(, $value)*) };
            }

            #[inline(always)]
            unsafe fn snprintf(self, buffer: *mut c_char, size: usize, format: *const c_char) -> c_int {
                #[allow(non_snake_case, reason = "a value is called as its type is")]
                let scalars!(@list $($value)*) = self;
                // SAFETY: `snprintf` asks for what `_printk` does, for a buffer of `size` bytes
                // that can be written, and for a size that an `int` holds, or it writes nothing and
                // warns: by this function's contract.
                unsafe { sys::snprintf(buffer, size as _, format $(, $value)*) }
            }
        }
        scalars!(@rest $($value)*);
    };
    (@rest) => {};
    (@rest $first:ident $($rest:ident)*) => { scalars!($($rest)*); };
}

// Sixteen placeholders, which is what the macro takes, of at most three values each.
scalars! {
    A0 A1 A2 A3 A4 A5 A6 A7 A8 A9 A10 A11 A12 A13 A14 A15
    B0 B1 B2 B3 B4 B5 B6 B7 B8 B9 B10 B11 B12 B13 B14 B15
    C0 C1 C2 C3 C4 C5 C6 C7 C8 C9 C10 C11 C12 C13 C14 C15
}
