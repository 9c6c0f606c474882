// SPDX-License-Identifier: GPL-2.0-only
//! `spinlock_t`.
//!
//! C header: `include/linux/spinlock.h`; `kernel/locking/spinlock.c`, on PREEMPT_RT `kernel/locking/spinlock_rt.c`.

use core::cell::UnsafeCell;
use core::convert::Infallible;
use core::ffi::{CStr, c_ulong};
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};

use linux_driver_sys as sys;
use pinned_init::{PinInit, pin_data, pin_init, pin_init_from_closure};

use super::LockClassKey;
use crate::types::Opaque;

/// A lock that spins, and what it protects: C's `spinlock_t`.
///
/// It is made in place by [`new_spinlock!`](crate::new_spinlock), with a lockdep class of its own for each place, and stays
/// where it is. The data is reached through a guard alone, and is not pinned. While it is held one must not sleep: no
/// `GFP_KERNEL`, no mutex, no waiting.
///
/// What an interrupt handler takes, everyone else takes with [`lock_irqsave`](Self::lock_irqsave): an interrupt on the CPU
/// that holds it would wait for ever. (On PREEMPT_RT such a lock sleeps and interrupts stay on, as in C.)
///
/// ```no_run
/// use linux_driver_safe::error::Error;
/// use linux_driver_safe::new_spinlock;
/// use linux_driver_safe::prelude::*;
/// use linux_driver_safe::sync::SpinLock;
///
/// #[pin_data]
/// struct Queue {
///     #[pin]
///     pending: SpinLock<u32>,
/// }
///
/// impl Queue {
///     fn new() -> impl PinInit<Self, Error> {
///         try_pin_init!(Self { pending <- new_spinlock!(0) }? Error)
///     }
///
///     fn take(&self) -> u32 {
///         core::mem::take(&mut *self.pending.lock_irqsave())
///     }
/// }
/// ```
#[pin_data]
#[doc(alias = "spinlock_t")]
pub struct SpinLock<T> {
    #[pin]
    raw: Opaque<sys::spinlock>,
    data: UnsafeCell<T>,
}

// SAFETY: sending a lock that nobody has locked is sending the data.
unsafe impl<T: Send> Send for SpinLock<T> {}
// SAFETY: one thread at a time gets at the data, so that it goes from thread to thread, as with `Send`.
unsafe impl<T: Send> Sync for SpinLock<T> {}

/// Calls `_raw_spin_*` directly where C's inline function is that and no more, else the shim.
macro_rules! spin {
    ($has:literal, $direct:ident, $shim:ident, $lock:expr $(, $flags:expr)?) => {{
        #[cfg(has_fn = $has)]
        let returned = if const { sys::LINUX_DRIVER_SPIN_INLINE == 0 } {
            // SAFETY: the lock is initialised; where C's functions are not inline it is a `raw_spinlock_t` and no more. Who
            // unlocks has locked.
            unsafe { sys::$direct($lock.cast() $(, $flags)?) }
        } else {
            // SAFETY: as above.
            unsafe { sys::$shim($lock $(, $flags)?) }
        };
        // SAFETY: as above.
        #[cfg(not(has_fn = $has))]
        let returned = unsafe { sys::$shim($lock $(, $flags)?) };
        returned
    }};
}

impl<T> SpinLock<T> {
    /// Makes a spin lock: C's `spin_lock_init`. Use [`new_spinlock!`](crate::new_spinlock), which brings the class.
    ///
    /// `name` is what lockdep calls it. Context: any.
    #[doc(alias = "spin_lock_init")]
    pub fn new(value: T, name: &'static CStr, key: &'static LockClassKey) -> impl PinInit<Self> {
        let init = move |slot: *mut Opaque<sys::spinlock>| {
            // SAFETY: the memory is valid for writes and stays the lock's; name and key are statics.
            unsafe { sys::linux_driver_spin_lock_init(slot.cast(), name.as_ptr(), key.as_raw()) };
            Ok::<_, Infallible>(())
        };
        // SAFETY: C initialises all of the structure, which stays where it is: it is pinned.
        let raw = unsafe { pin_init_from_closure(init) };
        pin_init!(Self {
            raw <- raw,
            data: UnsafeCell::new(value),
        })
    }

    /// Takes the lock: C's `spin_lock`. Spins until it is free; for ever if this CPU has it already.
    ///
    /// Context: any, if no interrupt handler takes this lock; a handler itself may.
    #[inline]
    #[doc(alias = "spin_lock")]
    pub fn lock(&self) -> SpinLockGuard<'_, T> {
        spin!("_raw_spin_lock", _raw_spin_lock, linux_driver_spin_lock, self.raw.get());
        // INVARIANT: it was locked above, by this thread.
        SpinLockGuard(self, PhantomData)
    }

    /// Takes the lock if it is free: C's `spin_trylock`.
    ///
    /// Context: as [`lock`](Self::lock).
    #[inline]
    #[doc(alias = "spin_trylock")]
    pub fn try_lock(&self) -> Option<SpinLockGuard<'_, T>> {
        let taken = spin!(
            "_raw_spin_trylock",
            _raw_spin_trylock,
            linux_driver_spin_trylock,
            self.raw.get()
        );
        // INVARIANT: 1 says that this thread took it.
        (taken != 0).then(|| SpinLockGuard(self, PhantomData))
    }

    /// Takes the lock with this CPU's interrupts off; they are as before when the guard goes: C's `spin_lock_irqsave`.
    ///
    /// Guards of several locks go in the reverse order, or interrupts come on too early. Context: any but NMI.
    #[inline]
    #[doc(alias = "spin_lock_irqsave")]
    pub fn lock_irqsave(&self) -> SpinLockIrqGuard<'_, T> {
        let flags = spin!(
            "_raw_spin_lock_irqsave",
            _raw_spin_lock_irqsave,
            linux_driver_spin_lock_irqsave,
            self.raw.get()
        );
        // INVARIANT: it was locked above, by this thread, which got these flags.
        SpinLockIrqGuard {
            lock: self,
            flags,
            _thread: PhantomData,
        }
    }
}

/// A locked [`SpinLock`]. It is unlocked when this value goes.
///
/// # Invariants
///
/// This thread has locked the lock, for this value.
#[must_use = "the lock is let go of at once if its guard is not kept"]
pub struct SpinLockGuard<'a, T>(&'a SpinLock<T>, PhantomData<*mut ()>);

/// A locked [`SpinLock`], with interrupts off. It is unlocked, and they are as before, when this value goes.
///
/// # Invariants
///
/// This thread has locked the lock by `spin_lock_irqsave`, for this value, and got `flags` from it.
#[must_use = "the lock is let go of at once if its guard is not kept"]
pub struct SpinLockIrqGuard<'a, T> {
    lock: &'a SpinLock<T>,
    flags: c_ulong,
    _thread: PhantomData<*mut ()>,
}

// SAFETY: a shared guard gives shared references to the data, and nothing else.
unsafe impl<T: Sync> Sync for SpinLockGuard<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for SpinLockIrqGuard<'_, T> {}

impl<T> Deref for SpinLockGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the lock is held, by the type's invariant: nobody else gets at the data as long as the guard is borrowed.
        unsafe { &*self.0.data.get() }
    }
}

impl<T> DerefMut for SpinLockGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above; the guard is borrowed by one alone.
        unsafe { &mut *self.0.data.get() }
    }
}

impl<T> Deref for SpinLockIrqGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the lock is held, by the type's invariant: nobody else gets at the data as long as the guard is borrowed.
        unsafe { &*self.lock.data.get() }
    }
}

impl<T> DerefMut for SpinLockIrqGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above; the guard is borrowed by one alone.
        unsafe { &mut *self.lock.data.get() }
    }
}

impl<T> Drop for SpinLockGuard<'_, T> {
    #[inline]
    #[doc(alias = "spin_unlock")]
    fn drop(&mut self) {
        spin!(
            "_raw_spin_unlock",
            _raw_spin_unlock,
            linux_driver_spin_unlock,
            self.0.raw.get()
        );
    }
}

impl<T> Drop for SpinLockIrqGuard<'_, T> {
    #[inline]
    #[doc(alias = "spin_unlock_irqrestore")]
    fn drop(&mut self) {
        spin!(
            "_raw_spin_unlock_irqrestore",
            _raw_spin_unlock_irqrestore,
            linux_driver_spin_unlock_irqrestore,
            self.lock.raw.get(),
            self.flags
        );
    }
}

/// An initialiser of a [`SpinLock`](crate::sync::SpinLock) with a lockdep class of its own: C's `spin_lock_init`.
///
/// `new_spinlock!(value)`, or `new_spinlock!(value, "name")` with a name for lockdep's reports; else it is the place.
#[macro_export]
macro_rules! new_spinlock {
    ($value:expr $(, $name:literal)? $(,)?) => {{
        let (name, key) = $crate::__lock_class!($($name)?);
        $crate::sync::SpinLock::new($value, name, key)
    }};
}
