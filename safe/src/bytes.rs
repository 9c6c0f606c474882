// SPDX-License-Identifier: GPL-2.0-only
//! Types as bytes: what user space and devices read and write.
//!
//! C copies any object; padding then shows what was in memory before, and a value that is read may
//! be none of its type. Here two traits say which types are copied. The primitive types have them,
//! and structs by a derive that checks each field.
//!
//! ```
//! use linux_driver::bytes::{FromBytes, IntoBytes};
//!
//! #[derive(FromBytes, IntoBytes)]
//! #[repr(C)]
//! struct Request {
//!     number: u32,
//!     flags: u16,
//!     reserved: [u8; 2],
//! }
//! assert_eq!(Request { number: 1, flags: 2, reserved: [3, 4] }.as_bytes(), [1, 0, 0, 0, 2, 0, 3, 4]);
//! ```
//!
//! Derives of another crate would check what that crate's author, or an attribute, says; the checks
//! here are this crate's alone.

use core::num::Wrapping;

pub use linux_driver_macros::{FromBytes, IntoBytes};

/// A type of which any bytes are a value.
///
/// # Safety
///
/// Any bytes of the type's size are a value of it.
#[diagnostic::on_unimplemented(
    message = "not all bytes are a value of `{Self}`",
    label = "bytes are copied to a value of this type",
    note = "write `#[derive(linux_driver::bytes::FromBytes)]` before the struct; each field has to be of such a type too"
)]
pub unsafe trait FromBytes {}

/// A type whose values are bytes that were all written: it has no padding. Nothing in it changes
/// behind a shared reference.
///
/// # Safety
///
/// Each byte of each value is initialised, and no part of the type is an `UnsafeCell`.
#[diagnostic::on_unimplemented(
    message = "a value of `{Self}` may have bytes that were never written",
    label = "the bytes of a value of this type are copied",
    note = "write `#[derive(linux_driver::bytes::IntoBytes)]` and `#[repr(C)]` before the struct; each field has to be of such a type too"
)]
pub unsafe trait IntoBytes {
    /// Returns the bytes of the value.
    #[inline]
    fn as_bytes(&self) -> &[u8]
    where
        Self: Sized,
    {
        // SAFETY: by the trait's promise so many bytes are initialised, and do not change as long
        // as the reference is there.
        unsafe { core::slice::from_raw_parts((&raw const *self).cast(), size_of::<Self>()) }
    }
}

macro_rules! integers {
    ($($integer:ty)*) => { $(
        // SAFETY: any bytes are an integer.
        unsafe impl FromBytes for $integer {}
        // SAFETY: an integer has no padding.
        unsafe impl IntoBytes for $integer {}
    )* };
}

integers!(u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize);

// SAFETY: it is one byte, 0 or 1.
unsafe impl IntoBytes for bool {}
// SAFETY: there are no bytes.
unsafe impl FromBytes for () {}
// SAFETY: there are no bytes.
unsafe impl IntoBytes for () {}
// SAFETY: an array is its elements, one after the other.
unsafe impl<T: FromBytes, const N: usize> FromBytes for [T; N] {}
// SAFETY: an array has no padding between its elements, whose size is a multiple of their
// alignment.
unsafe impl<T: IntoBytes, const N: usize> IntoBytes for [T; N] {}
// SAFETY: it is laid out as its one field.
unsafe impl<T: FromBytes> FromBytes for Wrapping<T> {}
// SAFETY: as above.
unsafe impl<T: IntoBytes> IntoBytes for Wrapping<T> {}

/// An error for a token of a `where` that is a block: it would end the item that the `where` is of,
/// and what follows, a check or an `unsafe impl`, would be of another.
#[doc(hidden)]
#[macro_export]
macro_rules! __no_block {
    ({ $($block:tt)* }) => {
        $crate::__core::compile_error!(
            "a condition has a block in it: name what it computes, as a `const`"
        );
    };
    ($token:tt) => {};
}

/// Checks that a struct has these fields, of these types, and no others.
#[doc(hidden)]
#[macro_export]
macro_rules! __has_fields {
    ([$($impls:tt)*] [$($types:tt)*] [$($clause:tt)*] $name:ident { $($member:tt: $type:ty),* }) => {
        $($crate::__no_block! { $clause })*
        #[allow(dead_code, reason = "only the compiler looks at it")]
        fn has_no_other_fields<$($impls)*>(value: &$name<$($types)*>) where $($clause)* {
            let $name { $($member: _),* } = value;
        }
        #[allow(dead_code, unused_variables, reason = "only the compiler looks at it, and a struct may have no fields")]
        fn has_fields_of_these_types<$($impls)*>(value: *const $name<$($types)*>) where $($clause)* {
            // SAFETY: only the address is taken; nobody calls this.
            $(let _: *const $type = unsafe { &raw const (*value).$member };)*
        }
    };
}

/// `#[derive(FromBytes)]`.
#[doc(hidden)]
#[macro_export]
macro_rules! __derive_from_bytes {
    ([$($impls:tt)*] [$($types:tt)*] [$($clause:tt)*] $name:ident { $($member:tt: $type:ty),* }) => {
        const _: () = {
            $crate::__has_fields! { [$($impls)*] [$($types)*] [$($clause)*] $name { $($member: $type),* } }
            // SAFETY: any bytes are a value of each field; a struct may have anything in its
            // padding.
            unsafe impl<$($impls)*> $crate::bytes::FromBytes for $name<$($types)*>
            where
                $($type: $crate::bytes::FromBytes,)*
                $($clause)*
            {}
        };
    };
}

/// `#[derive(IntoBytes)]`.
#[doc(hidden)]
#[macro_export]
macro_rules! __derive_into_bytes {
    ([] [] [] $name:ident { $($member:tt: $type:ty),* }) => {
        const _: () = {
            $crate::__has_fields! { [] [] [] $name { $($member: $type),* } }
            // It is a struct: a union has values of which a part was never written.
            #[allow(dead_code, reason = "only the compiler looks at it")]
            fn is_a_struct(value: $name) -> $name {
                $name { ..value }
            }
            // SAFETY: all bytes of each field are initialised, and no byte is of none: the sizes
            // are compared below.
            unsafe impl $crate::bytes::IntoBytes for $name
            where
                $($type: $crate::bytes::IntoBytes,)*
            {}
            $crate::__core::assert!(
                $crate::__core::mem::size_of::<$name>() == 0 $(+ $crate::__core::mem::size_of::<$type>())*,
                "the struct has padding: its bytes were never written; name them, as fields that are zeroed"
            );
        };
    };
}

/// `#[derive(Zeroable)]`.
#[doc(hidden)]
#[macro_export]
macro_rules! __derive_zeroable {
    ([$($impls:tt)*] [$($types:tt)*] [$($clause:tt)*] $name:ident { $($member:tt: $type:ty),* }) => {
        const _: () = {
            $crate::__has_fields! { [$($impls)*] [$($types)*] [$($clause)*] $name { $($member: $type),* } }
            // SAFETY: zeroes are a value of each field; a struct may have anything in its padding.
            unsafe impl<$($impls)*> $crate::init::Zeroable for $name<$($types)*>
            where
                $($type: $crate::init::Zeroable,)*
                $($clause)*
            {}
        };
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(FromBytes, IntoBytes)]
    #[repr(C)]
    struct Nested {
        first: [u16; 2],
        second: Wrapping<u32>,
        flag: Flag,
    }

    #[derive(FromBytes, IntoBytes)]
    #[repr(C, packed)]
    struct Flag(u8, [u8; 3], ());

    #[test]
    fn bytes_are_those_of_the_fields() {
        let value = Nested {
            first: [0x0201, 0x0403],
            second: Wrapping(0x0807_0605),
            flag: Flag(9, [10, 11, 12], ()),
        };
        assert_eq!(value.as_bytes(), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
        assert_eq!(().as_bytes(), []);
    }
}
