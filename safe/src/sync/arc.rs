// SPDX-License-Identifier: GPL-2.0-only
//! A value with several owners.
//!
//! C header: `include/linux/refcount.h`; `lib/refcount.c`. C has no type for it: it embeds a
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

/// A value that lives as long as one of its owners, in memory of `kmalloc`. It stays where it is:
/// it is pinned.
///
/// The count is a `refcount_t`: it saturates. Whoever leaks two thousand million owners leaks the
/// value, with a warning in the log, and frees nothing too early.
///
/// What belongs to a binding (an interrupt, a work item, …) cannot be in it: its owners may outlive
/// the binding.
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
/// The pointer is to a value in a box that was given away, and this value owns one of the
/// references that are counted in it.
#[doc(alias = "refcount_t")]
pub struct Arc<T>(NonNull<Inner<T>>, PhantomData<Inner<T>>);

/// The pointer may be moved; the value stays.
impl<T> Unpin for Arc<T> {}

/// The value beside its count.
struct Inner<T> {
    /// Of the size and alignment of a `refcount_t`, whose only field it is.
    count: AtomicI32,
    value: T,
}

const _: () = assert!(size_of::<AtomicI32>() == size_of::<sys::refcount_t>());

// SAFETY: each owner gives shared references to the value, on its thread, and the last one drops
// the value there.
unsafe impl<T: Send + Sync> Send for Arc<T> {}
// SAFETY: as above: `&Arc<T>` can be cloned, and the clone dropped on any thread.
unsafe impl<T: Send + Sync> Sync for Arc<T> {}

impl<T> Arc<T> {
    /// Allocates memory and moves the value there. `ENOMEM` if there is none.
    ///
    /// Context: as `flags` says.
    pub fn new(value: T, flags: Flags) -> Result<Self> {
        Self::pin_init(value, flags)
    }

    /// Allocates memory and initialises the value in place. `ENOMEM` if there is none, else what
    /// `init` returns.
    ///
    /// Context: as `flags` says, and as `init` does.
    pub fn pin_init<E>(init: impl PinInit<T, E>, flags: Flags) -> Result<Self>
    where
        Error: From<E>,
    {
        let init = |slot: *mut Inner<T>| {
            // SAFETY: the slot is valid for writes; only the field's address is taken.
            let count = unsafe { &raw mut (*slot).count };
            // SAFETY: as above. A count needs no drop, should the next step fail.
            unsafe { count.write(AtomicI32::new(1)) };
            // SAFETY: the slot is valid for writes; only the field's address is taken.
            let value = unsafe { &raw mut (*slot).value };
            // SAFETY: the field is pinned with the box, and not used as a `T` after an error.
            unsafe { init.__pinned_init(value) }
        };
        // SAFETY: on `Ok` both fields are initialised; on an error the value is not, and the count
        // needs no drop.
        let inner = KBox::pin_init(unsafe { pin_init_from_closure::<_, E>(init) }, flags)?;
        // SAFETY: a box's pointer is not null.
        let inner = unsafe { NonNull::new_unchecked(KBox::into_raw(inner)) };
        // INVARIANT: given away above, with a count of one, which is this value's.
        Ok(Self(inner, PhantomData))
    }

    /// The value, pinned.
    pub fn as_pin(&self) -> Pin<&T> {
        // SAFETY: the value stays where it is until it is dropped: an `Arc` has no way to move out
        // of it.
        unsafe { Pin::new_unchecked(&**self) }
    }

    /// Whether both own the same value.
    pub fn ptr_eq(this: &Self, other: &Self) -> bool {
        this.0 == other.0
    }

    fn count(&self) -> &AtomicI32 {
        // SAFETY: by the type's invariant the box is there as long as this owner.
        unsafe { &(*self.0.as_ptr()).count }
    }
}

/// `refcount_warn_saturate`: a warning, once a boot, and a count that no owner brings to 0 any
/// more.
#[cold]
fn saturate(count: &AtomicI32, why: sys::refcount_saturation_type) {
    // SAFETY: `refcount_warn_saturate` asks for a `refcount_t`, which it writes atomically: the
    // count has its size and alignment, and is an atomic itself.
    unsafe { sys::refcount_warn_saturate(count.as_ptr().cast(), why) };
}

/// C's `refcount_inc`.
#[inline]
fn inc(count: &AtomicI32, saturate: fn(&AtomicI32, sys::refcount_saturation_type)) {
    // As in C: who has a reference hands another one on, which orders nothing.
    let old = count.fetch_add(1, Ordering::Relaxed);
    if old == 0 {
        saturate(count, sys::REFCOUNT_ADD_UAF);
    } else if old < 0 || old == i32::MAX {
        saturate(count, sys::REFCOUNT_ADD_OVF);
    }
}

/// C's `refcount_dec_and_test`: whether that was the last.
#[inline]
fn dec_and_test(
    count: &AtomicI32,
    saturate: fn(&AtomicI32, sys::refcount_saturation_type),
) -> bool {
    let old = count.fetch_sub(1, Ordering::Release);
    if old == 1 {
        // What others did with the value comes before it is dropped.
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
        // INVARIANT: the reference counted above is the clone's.
        Self(self.0, PhantomData)
    }
}

impl<T> Deref for Arc<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: by the type's invariant the value is there as long as this owner.
        unsafe { &(*self.0.as_ptr()).value }
    }
}

impl<T> Drop for Arc<T> {
    #[inline]
    #[doc(alias = "refcount_dec_and_test")]
    fn drop(&mut self) {
        if dec_and_test(self.count(), saturate) {
            // SAFETY: by the type's invariant it is from a box that was given away; the last owner
            // takes it back, once.
            drop(unsafe { KBox::<Inner<T>>::from_raw(self.0.as_ptr()) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `REFCOUNT_SATURATED`.
    const SATURATED: i32 = i32::MIN / 2;

    /// What C's `refcount_warn_saturate` does to the count.
    fn saturated(count: &AtomicI32, _: sys::refcount_saturation_type) {
        count.store(SATURATED, Ordering::Relaxed);
    }

    fn never(count: &AtomicI32, why: sys::refcount_saturation_type) {
        panic!("{why} at {count:?}");
    }

    #[test]
    fn the_last_is_the_last() {
        let count = AtomicI32::new(1);
        inc(&count, never);
        assert!(!dec_and_test(&count, never));
        assert!(dec_and_test(&count, never));
    }

    #[test]
    fn a_count_that_overflows_never_comes_to_zero() {
        let count = AtomicI32::new(i32::MAX);
        inc(&count, saturated);
        assert_eq!(count.load(Ordering::Relaxed), SATURATED);
        inc(&count, saturated);
        assert_eq!(count.load(Ordering::Relaxed), SATURATED);
        assert!(!dec_and_test(&count, saturated));
        assert_eq!(count.load(Ordering::Relaxed), SATURATED);
    }
}
