// SPDX-License-Identifier: GPL-2.0-only
//! A field of what stands in memory for DMA, as wide as one instruction reads and writes.

use core::marker::PhantomData;

use crate::io::arch;

mod sealed {
    pub trait Sealed {}
}

/// An integer that one instruction reads or writes.
pub trait Word: sealed::Sealed + Copy + 'static {
    /// # Safety
    ///
    /// `address` is valid for reads and aligned; all who access it at the same time do so by one
    /// instruction.
    #[doc(hidden)]
    unsafe fn load(address: *const Self) -> Self;

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
                // SAFETY: the accessor asks for an address that is valid for a load of this width:
                // by the caller's promise.
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

/// Where the field of type `W` is in a `T`. Made by [`field!`](crate::dma::field).
///
/// # Invariants
///
/// A `T` has a `W` at `offset`, and of each `T` in an array that is aligned to a page the field is
/// aligned.
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
    /// # Safety
    ///
    /// A `T` has a `W` at `offset`.
    #[doc(hidden)]
    pub const unsafe fn new(offset: usize) -> Self {
        assert!(
            offset.is_multiple_of(size_of::<W>()) && size_of::<T>().is_multiple_of(size_of::<W>()),
            "the field is not aligned in each element: no one instruction reads it"
        );
        assert!(
            offset < size_of::<T>(),
            "the field does not lie in the type"
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

/// A type's field, for [`Coherent::read_field`](crate::dma::Coherent::read_field): `field!(Type,
/// name)`. It is one of [`Word`]'s types, and aligned.
///
/// It is the type's own field: none of a type that it derefs to (`offset_of!` knows of no `Deref`),
/// nor what the field itself derefs to (a raw pointer is not coerced, as a reference would be).
#[doc(hidden)]
#[macro_export]
macro_rules! __dma_field {
    ($type:ty, $field:ident) => {
        const {
            const fn of<W: $crate::dma::Word>(
                _: unsafe fn(*const $type) -> *const W,
            ) -> $crate::dma::Field<$type, W> {
                // SAFETY: the function, which is not called, says that it is a field of this type.
                unsafe { $crate::dma::Field::new($crate::__core::mem::offset_of!($type, $field)) }
            }
            // SAFETY: only the address is taken, in a value that whoever calls it would have.
            of(|value| unsafe { &raw const (*value).$field })
        }
    };
}
