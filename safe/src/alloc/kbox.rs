// SPDX-License-Identifier: GPL-2.0-only
//! One value in memory of `kmalloc`.
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

/// A value in memory of `kmalloc`, freed by `kfree`.
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
/// The pointer is valid for reads and writes and owns an initialised `T`. Where `T` has a size, the
/// memory is from `kmalloc`; else the pointer is dangling.
#[doc(alias = "kmalloc")]
pub struct KBox<T>(NonNull<T>);

// SAFETY: a box owns its value: sending it is sending the value.
unsafe impl<T: Send> Send for KBox<T> {}
// SAFETY: a shared box gives shared references to its value, and nothing else.
unsafe impl<T: Sync> Sync for KBox<T> {}

impl<T> KBox<T> {
    /// Allocates memory and moves the value there. [`ENOMEM`] if there is no memory; the value is
    /// dropped then.
    ///
    /// A large value may be put together on the stack before: use [`init`](Self::init) for one.
    /// Context: as `flags` says.
    pub fn new(value: T, flags: Flags) -> Result<Self> {
        let memory = allocate::<T>(flags)?;
        // SAFETY: the memory is valid for writes.
        unsafe { memory.write(value) };
        // INVARIANT: allocated and initialised above.
        Ok(Self(memory))
    }

    /// Allocates memory and initialises the value in place. [`ENOMEM`] if there is no memory, else
    /// what `init` returns.
    ///
    /// Context: as `flags` says, and as `init` does.
    pub fn init<E>(init: impl Init<T, E>, flags: Flags) -> Result<Self>
    where
        Error: From<E>,
    {
        let memory = allocate::<T>(flags)?;
        // SAFETY: the memory is valid for writes, and is given up on an error without being used as
        // a `T`.
        if let Err(error) = unsafe { init.__init(memory.as_ptr()) } {
            // SAFETY: it was allocated above, and holds no value.
            unsafe { free(memory) };
            return Err(error.into());
        }
        // INVARIANT: allocated and initialised above.
        Ok(Self(memory))
    }

    /// Allocates memory and initialises the value in place, where it stays. [`ENOMEM`] if there is
    /// no memory, else what `init` returns.
    ///
    /// Context: as `flags` says, and as `init` does.
    pub fn pin_init<E>(init: impl PinInit<T, E>, flags: Flags) -> Result<Pin<Self>>
    where
        Error: From<E>,
    {
        let memory = allocate::<T>(flags)?;
        // SAFETY: the memory is valid for writes, is given up on an error without being used as a
        // `T`, and is not moved from until the value is dropped: the box is pinned.
        if let Err(error) = unsafe { init.__pinned_init(memory.as_ptr()) } {
            // SAFETY: it was allocated above, and holds no value.
            unsafe { free(memory) };
            return Err(error.into());
        }
        // INVARIANT: allocated and initialised above.
        // SAFETY: the value stays in its memory until it is dropped: a pinned box has no way to
        // move out of it.
        Ok(unsafe { Pin::new_unchecked(Self(memory)) })
    }

    /// Allocates memory that is all zeroes: C's `kzalloc`. [`ENOMEM`] if there is no memory.
    /// Nothing goes over the stack.
    ///
    /// Context: as `flags` says.
    #[doc(alias = "kzalloc")]
    pub fn zeroed(flags: Flags) -> Result<Self>
    where
        T: Zeroable,
    {
        // INVARIANT: zeroes are a value of `T`, and where it has no size, nothing needs to be
        // written.
        Ok(Self(allocate::<T>(flags | __GFP_ZERO)?))
    }

    /// The value; its memory is freed.
    pub fn into_inner(this: Self) -> T {
        let memory = this.0;
        core::mem::forget(this);
        // SAFETY: by the type's invariant there is a value, which is moved out once: the box is
        // gone.
        let value = unsafe { memory.read() };
        // SAFETY: the memory was the box's, and holds no value any more.
        unsafe { free(memory) };
        value
    }

    /// Gives the value away as a pointer, for C to keep.
    pub fn into_raw(this: Pin<Self>) -> *mut T {
        // SAFETY: the pointer is only a way to the value, which stays where it is.
        let this = unsafe { Pin::into_inner_unchecked(this) };
        let pointer = this.0.as_ptr();
        core::mem::forget(this);
        pointer
    }

    /// Takes back what [`into_raw`](Self::into_raw) gave away.
    ///
    /// # Safety
    ///
    /// The pointer is from `into_raw`, was not taken back yet, and no reference to the value is
    /// left.
    pub unsafe fn from_raw(pointer: *mut T) -> Pin<Self> {
        // SAFETY: `into_raw` gives pointers that are not null.
        let pointer = unsafe { NonNull::new_unchecked(pointer) };
        // INVARIANT: the caller hands over what a box was made of.
        // SAFETY: the value was pinned when it was given away, and has not moved since.
        unsafe { Pin::new_unchecked(Self(pointer)) }
    }
}

/// A box whose value stays where it is from now on.
impl<T> From<KBox<T>> for Pin<KBox<T>> {
    fn from(this: KBox<T>) -> Self {
        // SAFETY: the value stays in its memory until it is dropped: a pinned box has no way to
        // move out of it.
        unsafe { Pin::new_unchecked(this) }
    }
}

impl<T> Deref for KBox<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: by the type's invariant it points to a value of ours.
        unsafe { self.0.as_ref() }
    }
}

impl<T> DerefMut for KBox<T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: by the type's invariant it points to a value of ours, which is borrowed by one
        // alone.
        unsafe { self.0.as_mut() }
    }
}

impl<T> Drop for KBox<T> {
    fn drop(&mut self) {
        // SAFETY: by the type's invariant the value is ours and initialised; nothing uses it after
        // this.
        unsafe { ptr::drop_in_place(self.0.as_ptr()) };
        // SAFETY: by the type's invariant the memory is ours, and holds no value any more.
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
            None => panic!("no memory has that size and alignment"),
        }
    };
    // SAFETY: `kmalloc` may be asked for any size, and `Flags` has only what it takes. To sleep
    // where one may not is a bug that the kernel reports, and no memory error.
    let memory = unsafe { sys::linux_driver_kmalloc(size, flags.0) };
    NonNull::new(memory.cast()).ok_or(ENOMEM)
}

/// # Safety
///
/// The memory is from `allocate`, and is not used after this.
unsafe fn free<T>(memory: NonNull<T>) {
    if size_of::<T>() != 0 {
        // SAFETY: `kfree` asks for
        // - memory of `kmalloc` that was not freed, and is not used after this: by the caller's
        //   promise;
        // - a context that is no NMI, in which no code of a driver runs. With `PREEMPT_RT` it may
        //   sleep: to call it where one may not is a bug that the kernel reports.
        unsafe { sys::kfree(memory.as_ptr().cast()) };
    }
}
