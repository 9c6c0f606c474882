// SPDX-License-Identifier: GPL-2.0-only
//! A field of an element in DMA memory, of a width that one instruction can read or write.

use core::marker::PhantomData;

use crate::io::arch;

mod sealed {
    pub trait Sealed {}
}

/// An integer type that one instruction can read or write.
pub trait Word: sealed::Sealed + Copy + 'static {
    /// Reads the word.
    ///
    /// # Safety
    ///
    /// `address` is valid for reads and aligned. Every other access at the same time uses one
    /// instruction.
    #[doc(hidden)]
    unsafe fn load(address: *const Self) -> Self;

    /// Writes the word.
    ///
    /// # Safety
    ///
    /// As for `load`, for writes.
    #[doc(hidden)]
    unsafe fn store(address: *mut Self, value: Self);
}

macro_rules! words {
    ($($type:ty, $load:ident, $store:ident;)*) => { $(
        impl sealed::Sealed for $type {}

        impl Word for $type {
            #[inline(always)]
            unsafe fn load(address: *const Self) -> Self {
                // SAFETY: the accessor requires an address that is valid for a load of this width:
                // the caller promises it.
                unsafe { arch::$load::<0>(address.cast()) }
            }

            #[inline(always)]
            unsafe fn store(address: *mut Self, value: Self) {
                // SAFETY: as above, for a store.
                unsafe { arch::$store::<0>(address.cast(), value) }
            }
        }
    )* };
}

words! {
    u8, readb, writeb;
    u16, readw, writew;
    u32, readl, writel;
    u64, readq, writeq;
}

/// A field of type `W` in a `T`. [`field!`](crate::dma::field) makes it.
///
/// # Invariants
///
/// A `T` has a `W` at `offset`. In an array of `T` that is aligned to a page, that field is aligned
/// in each element.
pub struct Field<T, W> {
    offset: usize,
    _of: PhantomData<fn(T) -> W>,
}

impl<T, W> Clone for Field<T, W> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T, W> Copy for Field<T, W> {}

impl<T, W: Word> Field<T, W> {
    /// Returns the field at `offset`.
    ///
    /// # Panics
    ///
    /// If the field is not aligned in each element of an array, or not inside of `T`. In a constant
    /// this is a compile error.
    ///
    /// # Safety
    ///
    /// A `T` has a `W` at `offset`.
    #[doc(hidden)]
    pub const unsafe fn new(offset: usize) -> Self {
        assert!(
            offset.is_multiple_of(size_of::<W>()) && size_of::<T>().is_multiple_of(size_of::<W>()),
            "the field is not aligned in each element: it takes more than one instruction to read"
        );
        assert!(
            offset < size_of::<T>(),
            "the field is not inside of the type"
        );
        Self {
            offset,
            _of: PhantomData,
        }
    }

    pub(super) const fn offset(self) -> usize {
        self.offset
    }
}

/// Returns a field of a type, for [`Coherent::read_field`](crate::dma::Coherent::read_field):
/// `field!(Type, name)`. The field must be of a [`Word`] type, and aligned.
///
/// It must be the type's own field. A field of a type that the type derefs to is an error, because
/// `offset_of!` does not use `Deref`. So is a type that the field derefs to, because a raw pointer
/// is not coerced, as a reference would be.
#[doc(hidden)]
#[macro_export]
macro_rules! __dma_field {
    ($type:ty, $field:ident) => {
        const {
            const fn of<W: $crate::dma::Word>(
                _: unsafe fn(*const $type) -> *const W,
            ) -> $crate::dma::Field<$type, W> {
                // SAFETY: the function, which is never called, compiles only if this is a field of
                // type `W` in this type.
                unsafe { $crate::dma::Field::new($crate::__core::mem::offset_of!($type, $field)) }
            }
            // SAFETY: only the field's address is taken. A caller of the function would pass a
            // valid value; nothing calls it.
            of(|value| unsafe { &raw const (*value).$field })
        }
    };
}
