// SPDX-License-Identifier: GPL-2.0-only
//! Kernel memory. Allocation can fail, and says so.
//!
//! C header: `include/linux/slab.h`.

use core::mem::{align_of, size_of};
use core::ops::Deref;
use core::pin::Pin;
use core::ptr::{self, NonNull};

use linux_driver_sys as sys;
use pinned_init::PinInit;

use crate::error::{Error, Result, code::ENOMEM};

/// How an allocation may be made: `gfp_t` in `include/linux/gfp_types.h`.
#[derive(Clone, Copy, PartialEq, Eq)]
#[doc(alias = "gfp_t")]
pub struct Flags(sys::gfp_t);

/// May sleep. For process context without a spin lock held.
pub const GFP_KERNEL: Flags = Flags(sys::LINUX_DRIVER_GFP_KERNEL);
/// May not sleep; fails sooner. For interrupts and under a spin lock.
pub const GFP_ATOMIC: Flags = Flags(sys::LINUX_DRIVER_GFP_ATOMIC);

/// A value in memory of `kmalloc`, freed by `kfree`.
///
/// # Invariants
///
/// The pointer is valid for reads and writes and owns an initialised `T`. Where `T` has a size, the memory is from
/// `kmalloc`; else the pointer is dangling.
pub struct KBox<T>(NonNull<T>);

// SAFETY: a box owns its value: sending it is sending the value.
unsafe impl<T: Send> Send for KBox<T> {}
// SAFETY: a shared box gives shared references to its value, and nothing else.
unsafe impl<T: Sync> Sync for KBox<T> {}

impl<T> KBox<T> {
    /// Allocates memory and initialises the value in place. [`ENOMEM`] if there is no memory, else what `init` returns.
    ///
    /// Context: may sleep with [`GFP_KERNEL`].
    pub fn pin_init<E>(init: impl PinInit<T, E>, flags: Flags) -> Result<Pin<Self>>
    where
        Error: From<E>,
    {
        let memory = allocate::<T>(flags)?;
        // SAFETY: the memory is valid for writes, is given up on an error without being used as a `T`, and is not
        // moved from until the value is dropped: the box is pinned.
        if let Err(error) = unsafe { init.__pinned_init(memory.as_ptr()) } {
            // SAFETY: it was allocated above, and holds no value.
            unsafe { free(memory) };
            return Err(error.into());
        }
        // INVARIANT: allocated and initialised above.
        // SAFETY: the value stays in its memory until it is dropped: a box has no way to move out of it.
        Ok(unsafe { Pin::new_unchecked(Self(memory)) })
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
    /// The pointer is from `into_raw`, was not taken back yet, and no reference to the value is left.
    pub unsafe fn from_raw(pointer: *mut T) -> Pin<Self> {
        // SAFETY: `into_raw` gives pointers that are not null.
        let pointer = unsafe { NonNull::new_unchecked(pointer) };
        // INVARIANT: the caller hands over what a box was made of.
        // SAFETY: the value was pinned when it was given away, and has not moved since.
        unsafe { Pin::new_unchecked(Self(pointer)) }
    }
}

impl<T> Deref for KBox<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: by the type's invariant it points to a value of ours.
        unsafe { self.0.as_ref() }
    }
}

impl<T> Drop for KBox<T> {
    fn drop(&mut self) {
        // SAFETY: by the type's invariant the value is ours and initialised; nothing uses it after this.
        unsafe { ptr::drop_in_place(self.0.as_ptr()) };
        // SAFETY: by the type's invariant the memory is ours, and holds no value any more.
        unsafe { free(self.0) };
    }
}

/// The size to ask for: `kmalloc` aligns to the size where that is a power of two, and to 8 bytes
/// (`ARCH_KMALLOC_MINALIGN`) in any case.
const fn size_to_ask_for<T>() -> usize {
    if align_of::<T>() <= 8 {
        size_of::<T>()
    } else {
        let size = if size_of::<T>() > align_of::<T>() {
            size_of::<T>()
        } else {
            align_of::<T>()
        };
        size.next_power_of_two()
    }
}

fn allocate<T>(flags: Flags) -> Result<NonNull<T>> {
    if size_of::<T>() == 0 {
        return Ok(NonNull::dangling());
    }
    // SAFETY: any size and any flags may be asked for.
    let memory = unsafe { sys::linux_driver_kmalloc(const { size_to_ask_for::<T>() }, flags.0) };
    NonNull::new(memory.cast()).ok_or(ENOMEM)
}

/// # Safety
///
/// The memory is from `allocate`, and is not used after this.
unsafe fn free<T>(memory: NonNull<T>) {
    if size_of::<T>() != 0 {
        // SAFETY: by the caller's promise it is a live allocation of `kmalloc`.
        unsafe { sys::kfree(memory.as_ptr().cast()) };
    }
}
