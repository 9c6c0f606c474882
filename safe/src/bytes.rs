// SPDX-License-Identifier: GPL-2.0-only
//! Types whose values are copied as bytes, to and from user space and devices.
//!
//! C can copy any object. Its padding then discloses what was in the memory before, and bytes that
//! are read may not be a valid value of the type. Here two traits say which types may be copied.
//! The primitive types implement them, and a derive implements them for a struct after it has
//! checked each field.
//!
//! # Examples
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
//! let request = Request { number: 1, flags: 2, reserved: [3, 4] };
//! assert_eq!(request.as_bytes(), [1, 0, 0, 0, 2, 0, 3, 4]);
//! ```
//!
//! # Why not the derives of another crate
//!
//! Another crate's derive may accept a struct because of an attribute, or after weaker checks.
//! These derives accept only what they have checked themselves.

use core::num::Wrapping;

pub use linux_driver_macros::{FromBytes, IntoBytes};

/// A type for which every bit pattern is valid.
///
/// # Safety
///
/// Any bytes of the type's size are a valid value of the type.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has bit patterns that are not valid values",
    label = "bytes are copied into a value of this type",
    note = "write `#[derive(linux_driver::bytes::FromBytes)]` before the struct; \
            the type of each field must implement `FromBytes` too"
)]
pub unsafe trait FromBytes {}

/// A type without uninitialised bytes: it has no padding. Nothing in it changes behind a shared
/// reference.
///
/// # Safety
///
/// Each byte of each value is initialised, and no part of the type is an `UnsafeCell`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` may contain uninitialised bytes",
    label = "the bytes of a value of this type are copied",
    note = "write `#[derive(linux_driver::bytes::IntoBytes)]` and `#[repr(C)]` before the struct; \
            the type of each field must implement `IntoBytes` too"
)]
pub unsafe trait IntoBytes {
    /// Returns the bytes of the value.
    #[inline]
    fn as_bytes(&self) -> &[u8]
    where
        Self: Sized,
    {
        // SAFETY: by the trait's promise all bytes of the value are initialised, and they do not
        // change as long as the reference exists.
        unsafe { core::slice::from_raw_parts((&raw const *self).cast(), size_of::<Self>()) }
    }
}

macro_rules! integers {
    ($($integer:ty)*) => { $(
        // SAFETY: every bit pattern is an integer.
        unsafe impl FromBytes for $integer {}
        // SAFETY: an integer has no padding.
        unsafe impl IntoBytes for $integer {}
    )* };
}

integers!(u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize);

// SAFETY: it is one byte, which is 0 or 1.
unsafe impl IntoBytes for bool {}
// SAFETY: it has no bytes.
unsafe impl FromBytes for () {}
// SAFETY: it has no bytes.
unsafe impl IntoBytes for () {}
// SAFETY: an array consists of its elements only.
unsafe impl<T: FromBytes, const N: usize> FromBytes for [T; N] {}
// SAFETY: an array has no padding between its elements: the size of a type is a multiple of its
// alignment.
unsafe impl<T: IntoBytes, const N: usize> IntoBytes for [T; N] {}
// SAFETY: it has the layout of its only field.
unsafe impl<T: FromBytes> FromBytes for Wrapping<T> {}
// SAFETY: as above.
unsafe impl<T: IntoBytes> IntoBytes for Wrapping<T> {}

/// Fails to compile if a token of a `where` clause is a block. A block would end the item that the
/// clause belongs to. The check or `unsafe impl` that follows would then apply to something else.
#[doc(hidden)]
#[macro_export]
macro_rules! __no_block {
    ({ $($block:tt)* }) => {
        $crate::__core::compile_error!(
            "a `where` clause contains a block: define a `const` with its value and name that"
        );
    };
    ($token:tt) => {};
}

/// Checks that a struct has exactly these fields, with these types.
#[doc(hidden)]
#[macro_export]
macro_rules! __has_fields {
    (
        [$($impls:tt)*] [$($types:tt)*] [$($clause:tt)*]
        $name:ident { $($member:tt: $type:ty),* }
    ) => {
        $($crate::__no_block! { $clause })*
        #[allow(dead_code, reason = "only the compiler uses it")]
        fn has_no_other_fields<$($impls)*>(value: &$name<$($types)*>) where $($clause)* {
            let $name { $($member: _),* } = value;
        }
        #[allow(
            dead_code,
            unused_variables,
            reason = "only the compiler uses it, and a struct may have no fields"
        )]
        fn has_fields_of_these_types<$($impls)*>(value: *const $name<$($types)*>)
        where
            $($clause)*
        {
            // SAFETY: only the fields' addresses are taken, and nothing calls this function.
            $(let _: *const $type = unsafe { &raw const (*value).$member };)*
        }
    };
}

/// The expansion of `#[derive(FromBytes)]`.
#[doc(hidden)]
#[macro_export]
macro_rules! __derive_from_bytes {
    (
        [$($impls:tt)*] [$($types:tt)*] [$($clause:tt)*]
        $name:ident { $($member:tt: $type:ty),* }
    ) => {
        const _: () = {
            $crate::__has_fields! {
                [$($impls)*] [$($types)*] [$($clause)*] $name { $($member: $type),* }
            }
            // SAFETY: every bit pattern is valid for each field, and padding may have any contents.
            unsafe impl<$($impls)*> $crate::bytes::FromBytes for $name<$($types)*>
            where
                $($type: $crate::bytes::FromBytes,)*
                $($clause)*
            {}
        };
    };
}

/// The expansion of `#[derive(IntoBytes)]`.
#[doc(hidden)]
#[macro_export]
macro_rules! __derive_into_bytes {
    ([] [] [] $name:ident { $($member:tt: $type:ty),* }) => {
        const _: () = {
            $crate::__has_fields! { [] [] [] $name { $($member: $type),* } }
            // Checks that the type is a struct: a union may have values with uninitialised bytes.
            #[allow(dead_code, reason = "only the compiler uses it")]
            fn is_a_struct(value: $name) -> $name {
                $name { ..value }
            }
            // SAFETY: all bytes of each field are initialised, and there are no other bytes: the
            // sizes are compared below.
            unsafe impl $crate::bytes::IntoBytes for $name
            where
                $($type: $crate::bytes::IntoBytes,)*
            {}
            $crate::__core::assert!(
                $crate::__core::mem::size_of::<$name>()
                    == 0 $(+ $crate::__core::mem::size_of::<$type>())*,
                "the struct has padding, whose bytes are uninitialised: \
                 add fields in its place and set them to zero"
            );
        };
    };
}

/// The expansion of `#[derive(Zeroable)]`.
#[doc(hidden)]
#[macro_export]
macro_rules! __derive_zeroable {
    (
        [$($impls:tt)*] [$($types:tt)*] [$($clause:tt)*]
        $name:ident { $($member:tt: $type:ty),* }
    ) => {
        const _: () = {
            $crate::__has_fields! {
                [$($impls)*] [$($types)*] [$($clause)*] $name { $($member: $type),* }
            }
            // SAFETY: zeroes are a valid value of each field, and padding may have any contents.
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
