// SPDX-License-Identifier: GPL-2.0-only
//! `spinlock_t`.
//!
//! C header: `include/linux/spinlock.h`; `kernel/locking/spinlock.c`, on PREEMPT_RT
//! `kernel/locking/spinlock_rt.c`.

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
/// It is made in place by [`new_spinlock!`](crate::new_spinlock), with a lockdep class of its own
/// for each place, and stays where it is. The data is reached through a guard alone, and is not
/// pinned. While it is held one must not sleep: no `GFP_KERNEL`, no mutex, no waiting.
///
/// What an interrupt handler takes, everyone else takes with [`lock_irqsave`](Self::lock_irqsave):
/// an interrupt on the CPU that holds it would wait for ever. (On PREEMPT_RT such a lock sleeps and
/// interrupts stay on, as in C.)
///
/// Kernels for one CPU (`CONFIG_SMP=n`) are refused when a driver is built: their spin locks are
/// not locked, so that [`try_lock`](Self::try_lock) would hand out the data twice.
///
/// ```no_run
/// use linux_driver::error::Error;
/// use linux_driver::new_spinlock;
/// use linux_driver::prelude::*;
/// use linux_driver::sync::SpinLock;
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
///         self.pending.lock_irqsave(core::mem::take)
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

// SAFETY: C lets any task use a lock. Sending one that nobody has borrowed, and so nobody holds, is
// sending the data.
unsafe impl<T: Send> Send for SpinLock<T> {}
// SAFETY: one thread at a time gets at the data, so that it goes from thread to thread, as with
// `Send`.
unsafe impl<T: Send> Sync for SpinLock<T> {}

/// Calls `_raw_spin_*` directly where C's inline function is that and no more, else the shim.
macro_rules! spin {
    ($has:literal, $direct:ident, $shim:ident, $lock:expr $(, $flags:expr)?) => {{
        #[cfg(has_fn = $has)]
        let returned = if const { sys::LINUX_DRIVER_SPIN_INLINE == 0 } {
            // SAFETY: C's functions ask for an initialised lock, which stays where it is while it
            // is held: it is pinned and borrowed. Who unlocks it holds it, on the CPU that took it,
            // and hands over the flags that it got: a guard stays on its thread, which keeps its
            // CPU meanwhile. Where C's functions are not inline, a `spinlock_t` is a
            // `raw_spinlock_t` and no more.
            unsafe { sys::$direct($lock.cast() $(, $flags)?) }
        } else {
            // SAFETY: as above; the shim is C's own inline function.
            unsafe { sys::$shim($lock $(, $flags)?) }
        };
        // SAFETY: as above.
        #[cfg(not(has_fn = $has))]
        let returned = unsafe { sys::$shim($lock $(, $flags)?) };
        returned
    }};
}

impl<T> SpinLock<T> {
    /// Makes a spin lock: C's `spin_lock_init`. Use [`new_spinlock!`](crate::new_spinlock), which
    /// brings the class.
    ///
    /// `name` is what lockdep calls it. Context: any.
    #[doc(alias = "spin_lock_init")]
    pub fn new(value: T, name: &'static CStr, key: &'static LockClassKey) -> impl PinInit<Self> {
        let init = move |slot: *mut Opaque<sys::spinlock>| {
            // SAFETY: `spin_lock_init` asks for memory that nobody holds, or waits for, as a lock:
            // it is valid for writes, and held no lock before. lockdep asks for a key, and a name,
            // that stay as long as the lock: both are statics of the module.
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

    /// Takes the lock: C's `spin_lock`. Spins until it is free; for ever if this CPU has it
    /// already.
    ///
    /// Context: any, if no interrupt handler takes this lock; a handler itself may.
    #[inline]
    #[doc(alias = "spin_lock")]
    pub fn lock(&self) -> SpinLockGuard<'_, T> {
        spin!(
            "_raw_spin_lock",
            _raw_spin_lock,
            linux_driver_spin_lock,
            self.raw.get()
        );
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

    /// Calls `critical` with the data, while the lock is held and this CPU's interrupts are off:
    /// C's `spin_lock_irqsave` and `spin_unlock_irqrestore`. Returns what `critical` returns.
    ///
    /// It is a call and not a guard, so that the sections of several locks end in the reverse
    /// order. Otherwise interrupts would come on while a lock is held, and stay off in the end.
    ///
    /// Context: any but NMI.
    #[inline]
    #[doc(alias = "spin_lock_irqsave")]
    #[doc(alias = "spin_unlock_irqrestore")]
    pub fn lock_irqsave<R>(&self, critical: impl FnOnce(&mut T) -> R) -> R {
        let flags: c_ulong = spin!(
            "_raw_spin_lock_irqsave",
            _raw_spin_lock_irqsave,
            linux_driver_spin_lock_irqsave,
            self.raw.get()
        );
        // SAFETY: the lock is held until the call below, by this CPU: nobody else gets at the data.
        let returned = critical(unsafe { &mut *self.data.get() });
        // The flags are those that the lock was taken with: whatever else switched interrupts off
        // since, by this function, has switched them on again.
        spin!(
            "_raw_spin_unlock_irqrestore",
            _raw_spin_unlock_irqrestore,
            linux_driver_spin_unlock_irqrestore,
            self.raw.get(),
            flags
        );
        returned
    }
}

/// A locked [`SpinLock`]. It is unlocked when this value goes. If it is leaked, the lock stays
/// held, and preemption stays off.
///
/// # Invariants
///
/// This thread has locked the lock, for this value.
#[must_use = "the lock is let go of at once if its guard is not kept"]
pub struct SpinLockGuard<'a, T>(&'a SpinLock<T>, PhantomData<*mut ()>);

// SAFETY: a shared guard gives shared references to the data, and nothing else.
unsafe impl<T: Sync> Sync for SpinLockGuard<'_, T> {}

impl<T> Deref for SpinLockGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the lock is held, by the type's invariant: nobody else gets at the data as long
        // as the guard is borrowed.
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

/// An initialiser of a [`SpinLock`](crate::sync::SpinLock) with a lockdep class of its own: C's
/// `spin_lock_init`.
///
/// `new_spinlock!(value)`, or `new_spinlock!(value, "name")` with a name for lockdep's reports;
/// else it is the place.
#[macro_export]
macro_rules! new_spinlock {
    ($value:expr $(, $name:literal)? $(,)?) => {{
        let (name, key) = $crate::__lock_class!($($name)?);
        $crate::sync::SpinLock::new($value, name, key)
    }};
}
