// SPDX-License-Identifier: GPL-2.0-only
//! A single value in memory of `kmalloc`.
//!
//! C header: `include/linux/slab.h`.

use core::mem::{align_of, size_of};
use core::ops::{Deref, DerefMut};
use core::pin::Pin;
use core::ptr::{self, NonNull};

use linux_driver_sys as sys;
use pinned_init::{Init, PinInit, Zeroable};

use super::allocator::size_to_ask_for;
use super::{__GFP_ZERO, Flags};
use crate::error::{Error, Result, code::ENOMEM};

/// A value in memory of `kmalloc`. Dropping it frees the memory with `kfree`.
///
/// # Examples
///
/// ```no_run
/// use linux_driver::alloc::{GFP_KERNEL, KBox};
/// use linux_driver::error::Result;
///
/// fn sum() -> Result<u32> {
///     let mut numbers = KBox::new([1, 2, 3], GFP_KERNEL)?;
///     numbers[0] = 4;
///     Ok(numbers.iter().sum())
/// }
/// ```
///
/// # Invariants
///
/// The pointer is valid for reads and writes, and owns an initialised `T`. If `T` has a size, the
/// memory is from `kmalloc`; otherwise the pointer is dangling.
#[doc(alias = "kmalloc")]
pub struct KBox<T>(NonNull<T>);

// SAFETY: a box owns its value, so sending the box is sending the value.
unsafe impl<T: Send> Send for KBox<T> {}
// SAFETY: a shared reference to a box gives only shared references to its value.
unsafe impl<T: Sync> Sync for KBox<T> {}

impl<T> KBox<T> {
    /// Allocates memory and moves the value into it.
    ///
    /// The compiler may build a large value on the stack first; use [`init`](Self::init) for one.
    ///
    /// # Context
    ///
    /// As `flags` say.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`] if there is no memory. The value is dropped then.
    pub fn new(value: T, flags: Flags) -> Result<Self> {
        let memory = allocate::<T>(flags)?;
        // SAFETY: the memory is valid for writes.
        unsafe { memory.write(value) };
        // INVARIANT: allocated and initialised above.
        Ok(Self(memory))
    }

    /// Allocates memory and initialises the value in place.
    ///
    /// # Context
    ///
    /// As `flags` and `init` require.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`] if there is no memory; otherwise the error of `init`.
    pub fn init<E>(init: impl Init<T, E>, flags: Flags) -> Result<Self>
    where
        Error: From<E>,
    {
        let memory = allocate::<T>(flags)?;
        // SAFETY: the memory is valid for writes, and on an error it is freed without being used as
        // a `T`.
        if let Err(error) = unsafe { init.__init(memory.as_ptr()) } {
            // SAFETY: the memory was allocated above, and holds no value.
            unsafe { free(memory) };
            return Err(error.into());
        }
        // INVARIANT: allocated and initialised above.
        Ok(Self(memory))
    }

    /// Allocates memory and initialises the value in place. The value is pinned.
    ///
    /// # Context
    ///
    /// As `flags` and `init` require.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`] if there is no memory; otherwise the error of `init`.
    pub fn pin_init<E>(init: impl PinInit<T, E>, flags: Flags) -> Result<Pin<Self>>
    where
        Error: From<E>,
    {
        let memory = allocate::<T>(flags)?;
        // SAFETY: the memory is valid for writes, and on an error it is freed without being used as
        // a `T`. The value does not move until it is dropped, because the box is pinned.
        if let Err(error) = unsafe { init.__pinned_init(memory.as_ptr()) } {
            // SAFETY: the memory was allocated above, and holds no value.
            unsafe { free(memory) };
            return Err(error.into());
        }
        // INVARIANT: allocated and initialised above.
        // SAFETY: the value stays in its memory until it is dropped: a pinned box has no way to
        // move it out.
        Ok(unsafe { Pin::new_unchecked(Self(memory)) })
    }

    /// Allocates zeroed memory for a value: C's `kzalloc`. It does not build the value on the
    /// stack.
    ///
    /// # Context
    ///
    /// As `flags` say.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`] if there is no memory.
    #[doc(alias = "kzalloc")]
    pub fn zeroed(flags: Flags) -> Result<Self>
    where
        T: Zeroable,
    {
        // INVARIANT: zeroes are a valid `T`; a `T` without a size needs no memory.
        Ok(Self(allocate::<T>(flags | __GFP_ZERO)?))
    }

    /// Returns the value, and frees its memory.
    pub fn into_inner(this: Self) -> T {
        let memory = this.0;
        core::mem::forget(this);
        // SAFETY: by the type's invariant there is a value. It is moved out once, because the box
        // is forgotten.
        let value = unsafe { memory.read() };
        // SAFETY: the box owned the memory, which holds no value any more.
        unsafe { free(memory) };
        value
    }

    /// Gives up ownership of the value and returns a pointer to it, for C to keep.
    pub fn into_raw(this: Pin<Self>) -> *mut T {
        // SAFETY: the value must not move: only the pointer to it is taken.
        let this = unsafe { Pin::into_inner_unchecked(this) };
        let pointer = this.0.as_ptr();
        core::mem::forget(this);
        pointer
    }

    /// Takes back ownership of a value that [`into_raw`](Self::into_raw) gave up.
    ///
    /// # Safety
    ///
    /// `into_raw` returned the pointer, this is the first call with it since, and no reference to
    /// the value is left.
    pub unsafe fn from_raw(pointer: *mut T) -> Pin<Self> {
        // SAFETY: `into_raw` returns pointers that are not null.
        let pointer = unsafe { NonNull::new_unchecked(pointer) };
        // INVARIANT: the caller passes the pointer of a box, and its ownership.
        // SAFETY: the value was pinned when `into_raw` was called, and has not moved since.
        unsafe { Pin::new_unchecked(Self(pointer)) }
    }
}

/// Pins the value of a box.
impl<T> From<KBox<T>> for Pin<KBox<T>> {
    fn from(this: KBox<T>) -> Self {
        // SAFETY: the value stays in its memory until it is dropped: a pinned box has no way to
        // move it out.
        unsafe { Pin::new_unchecked(this) }
    }
}

impl<T> Deref for KBox<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: by the type's invariant the pointer points to a value that this box owns.
        unsafe { self.0.as_ref() }
    }
}

impl<T> DerefMut for KBox<T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: by the type's invariant the pointer points to a value that this box owns, and the
        // box is borrowed exclusively.
        unsafe { self.0.as_mut() }
    }
}

impl<T> Drop for KBox<T> {
    fn drop(&mut self) {
        // SAFETY: by the type's invariant this box owns an initialised value, which is not used
        // after this.
        unsafe { ptr::drop_in_place(self.0.as_ptr()) };
        // SAFETY: by the type's invariant this box owns the memory, which holds no value any more.
        unsafe { free(self.0) };
    }
}

fn allocate<T>(flags: Flags) -> Result<NonNull<T>> {
    if size_of::<T>() == 0 {
        return Ok(NonNull::dangling());
    }
    let size = const {
        match size_to_ask_for(size_of::<T>(), align_of::<T>()) {
            Some(size) => size,
            None => panic!("no allocator has memory of this size and alignment"),
        }
    };
    // SAFETY: `kmalloc` accepts any size, and `Flags` has only flags that it accepts. To sleep
    // where that is not allowed is a bug that the kernel reports, but not a memory error.
    let memory = unsafe { sys::linux_driver_kmalloc(size, flags.0) };
    NonNull::new(memory.cast()).ok_or(ENOMEM)
}

/// Frees memory.
///
/// # Safety
///
/// `allocate` returned the memory, and it is not used after this.
unsafe fn free<T>(memory: NonNull<T>) {
    if size_of::<T>() != 0 {
        // SAFETY: `kfree` requires
        // - memory of `kmalloc` that was not freed, and is not used after this: the caller promises
        //   both;
        // - a context that is not NMI: no code of a driver runs in NMI. With `PREEMPT_RT` it may
        //   sleep: to call it where that is not allowed is a bug that the kernel reports.
        unsafe { sys::kfree(memory.as_ptr().cast()) };
    }
}
