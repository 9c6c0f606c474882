// SPDX-License-Identifier: GPL-2.0-only
//! Reference-counted values.
//!
//! C header: `include/linux/refcount.h`; `lib/refcount.c`. C has no type for this: it embeds a
//! `refcount_t` in a structure.

use core::marker::PhantomData;
use core::ops::Deref;
use core::pin::Pin;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicI32, Ordering, fence};

use linux_driver_sys as sys;
use pinned_init::{PinInit, pin_init_from_closure};

use crate::alloc::{Flags, KBox};
use crate::error::{Error, Result};

/// A reference-counted value in memory of `kmalloc`. It lives as long as a reference exists. It is
/// pinned: it stays where it is.
///
/// The count is a `refcount_t`, which saturates. If some two thousand million references are
/// leaked, the value is leaked too and a warning is logged. It is never freed too early.
///
/// Something that belongs to a binding (an interrupt, a work item, …) cannot be in it, because
/// references may outlive the binding.
///
/// # Examples
///
/// ```no_run
/// use linux_driver::alloc::GFP_KERNEL;
/// use linux_driver::error::Result;
/// use linux_driver::sync::Arc;
///
/// fn two() -> Result<(Arc<u32>, Arc<u32>)> {
///     let one = Arc::new(7, GFP_KERNEL)?;
///     Ok((one.clone(), one))
/// }
/// ```
///
/// # Invariants
///
/// The pointer points to a value in a box that was given up with `KBox::into_raw`. This value owns
/// one of the counted references.
#[doc(alias = "refcount_t")]
pub struct Arc<T>(NonNull<Inner<T>>, PhantomData<Inner<T>>);

/// Moving the pointer does not move the value.
impl<T> Unpin for Arc<T> {}

/// The value with its count.
struct Inner<T> {
    /// Same layout as `refcount_t`, its only field.
    count: AtomicI32,
    value: T,
}

const _: () = assert!(size_of::<AtomicI32>() == size_of::<sys::refcount_t>());

// SAFETY: every reference gives shared access to the value on its own thread, and the last one
// drops the value there.
unsafe impl<T: Send + Sync> Send for Arc<T> {}
// SAFETY: `&Arc<T>` can be cloned on any thread, and the clone can be dropped there.
unsafe impl<T: Send + Sync> Sync for Arc<T> {}

impl<T> Arc<T> {
    /// Allocates memory and moves the value there.
    ///
    /// # Context
    ///
    /// The one that `flags` requires.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is no memory.
    pub fn new(value: T, flags: Flags) -> Result<Self> {
        Self::pin_init(value, flags)
    }

    /// Allocates memory and initialises the value in place.
    ///
    /// # Context
    ///
    /// The one that `flags` and `init` require.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is no memory; otherwise the error of `init`.
    pub fn pin_init<E>(init: impl PinInit<T, E>, flags: Flags) -> Result<Self>
    where
        Error: From<E>,
    {
        let init = |slot: *mut Inner<T>| {
            // SAFETY: the slot is valid for writes. Only the address of the field is taken.
            let count = unsafe { &raw mut (*slot).count };
            // SAFETY: as above. A count needs no drop if the next step fails.
            unsafe { count.write(AtomicI32::new(1)) };
            // SAFETY: the slot is valid for writes. Only the address of the field is taken.
            let value = unsafe { &raw mut (*slot).value };
            // SAFETY: the field is pinned with the box, and is not used as a `T` after an error.
            unsafe { init.__pinned_init(value) }
        };
        // SAFETY: on `Ok` both fields are initialised. On an error the value is not, and the count
        // needs no drop.
        let inner = KBox::pin_init(unsafe { pin_init_from_closure::<_, E>(init) }, flags)?;
        // SAFETY: the pointer of a box is not NULL.
        let inner = unsafe { NonNull::new_unchecked(KBox::into_raw(inner)) };
        // INVARIANT: the box was given up above, and the count of one belongs to this value.
        Ok(Self(inner, PhantomData))
    }

    /// Returns the value, pinned.
    pub fn as_pin(&self) -> Pin<&T> {
        // SAFETY: the value stays where it is until it is dropped. An `Arc` has no method that
        // moves the value out.
        unsafe { Pin::new_unchecked(&**self) }
    }

    /// Returns true if both refer to the same value.
    pub fn ptr_eq(this: &Self, other: &Self) -> bool {
        this.0 == other.0
    }

    fn count(&self) -> &AtomicI32 {
        // SAFETY: by the type's invariant the box exists as long as this reference.
        unsafe { &(*self.0.as_ptr()).count }
    }
}

/// Calls `refcount_warn_saturate`. It warns once a boot, and sets the count to a value that cannot
/// reach 0 any more.
#[cold]
fn saturate(count: &AtomicI32, why: sys::refcount_saturation_type) {
    // SAFETY: `refcount_warn_saturate` requires a `refcount_t`, which it writes atomically. The
    // count has the same layout, and is an atomic.
    unsafe { sys::refcount_warn_saturate(count.as_ptr().cast(), why) };
}

/// Does what C's `refcount_inc` does.
#[inline]
fn inc(count: &AtomicI32, saturate: fn(&AtomicI32, sys::refcount_saturation_type)) {
    // As in C, taking a reference from another reference needs no ordering.
    let old = count.fetch_add(1, Ordering::Relaxed);
    if old == 0 {
        saturate(count, sys::REFCOUNT_ADD_UAF);
    } else if old < 0 || old == i32::MAX {
        saturate(count, sys::REFCOUNT_ADD_OVF);
    }
}

/// Does what C's `refcount_dec_and_test` does. Returns true if this was the last reference.
#[inline]
fn dec_and_test(
    count: &AtomicI32,
    saturate: fn(&AtomicI32, sys::refcount_saturation_type),
) -> bool {
    let old = count.fetch_sub(1, Ordering::Release);
    if old == 1 {
        // Orders what others did with the value before its drop.
        fence(Ordering::Acquire);
        return true;
    }
    if old <= 0 {
        saturate(count, sys::REFCOUNT_SUB_UAF);
    }
    false
}

impl<T> Clone for Arc<T> {
    #[inline]
    #[doc(alias = "refcount_inc")]
    fn clone(&self) -> Self {
        inc(self.count(), saturate);
        // INVARIANT: the clone owns the reference counted above.
        Self(self.0, PhantomData)
    }
}

impl<T> Deref for Arc<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: by the type's invariant the value exists as long as this reference.
        unsafe { &(*self.0.as_ptr()).value }
    }
}

impl<T> Drop for Arc<T> {
    #[inline]
    #[doc(alias = "refcount_dec_and_test")]
    fn drop(&mut self) {
        if dec_and_test(self.count(), saturate) {
            // SAFETY: by the type's invariant the pointer is from a box that was given up. The last
            // reference takes it back, once.
            drop(unsafe { KBox::<Inner<T>>::from_raw(self.0.as_ptr()) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `REFCOUNT_SATURATED`.
    const SATURATED: i32 = i32::MIN / 2;

    /// Does to the count what C's `refcount_warn_saturate` does.
    fn saturated(count: &AtomicI32, _: sys::refcount_saturation_type) {
        count.store(SATURATED, Ordering::Relaxed);
    }

    fn never(count: &AtomicI32, why: sys::refcount_saturation_type) {
        panic!("{why} at {count:?}");
    }

    #[test]
    fn only_the_last_reference_is_the_last() {
        let count = AtomicI32::new(1);
        inc(&count, never);
        assert!(!dec_and_test(&count, never));
        assert!(dec_and_test(&count, never));
    }

    #[test]
    fn an_overflowed_count_never_reaches_zero() {
        let count = AtomicI32::new(i32::MAX);
        inc(&count, saturated);
        assert_eq!(count.load(Ordering::Relaxed), SATURATED);
        inc(&count, saturated);
        assert_eq!(count.load(Ordering::Relaxed), SATURATED);
        assert!(!dec_and_test(&count, saturated));
        assert_eq!(count.load(Ordering::Relaxed), SATURATED);
    }
}
