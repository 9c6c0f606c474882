// SPDX-License-Identifier: GPL-2.0-only
//! `spinlock_t`.
//!
//! C header: `include/linux/spinlock.h`; `kernel/locking/spinlock.c`, on PREEMPT_RT
//! `kernel/locking/spinlock_rt.c`.

use core::cell::UnsafeCell;
use core::convert::Infallible;
use core::ffi::{CStr, c_ulong};
use core::marker::PhantomData;

use linux_driver_sys as sys;
use pinned_init::{PinInit, pin_data, pin_init, pin_init_from_closure};

use super::LockClassKey;
use super::guard::access_to_data;
use crate::types::Opaque;

/// A spinning lock, with the data that it protects: C's `spinlock_t`.
///
/// [`new_spinlock!`](crate::new_spinlock) makes it in place, with a lockdep class for each source
/// location. It stays where it is. The data is reached only through a guard, and is not pinned. The
/// holder must not sleep: no `GFP_KERNEL`, no mutex, no waiting.
///
/// If an interrupt handler takes the lock, all other code must take it with
/// [`lock_irqsave`](Self::lock_irqsave). Otherwise an interrupt on the CPU that holds the lock
/// would wait for ever. (On PREEMPT_RT such a lock sleeps and interrupts stay enabled, as in C.)
///
/// A driver cannot be built for a kernel for one CPU (`CONFIG_SMP=n`). Spin locks do nothing there,
/// so [`try_lock`](Self::try_lock) would give access to the data twice.
///
/// # Examples
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
///         try_pin_init!(Self { pending <- new_spinlock!(0) })
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

// SAFETY: C lets any task use a lock. A lock that is moved to another thread is not borrowed, so it
// is not held. Moving it means moving the data, which is `Send`.
unsafe impl<T: Send> Send for SpinLock<T> {}
// SAFETY: only one thread at a time has access to the data. So sharing the lock means passing the
// data between threads, which `Send` allows.
unsafe impl<T: Send> Sync for SpinLock<T> {}

/// Calls `_raw_spin_*` directly where C's inline function does nothing else. Calls the shim
/// otherwise.
macro_rules! spin {
    ($has:literal, $direct:ident, $shim:ident, $lock:expr $(, $flags:expr)?) => {{
        #[cfg(has_fn = $has)]
        let returned = if const { sys::LINUX_DRIVER_SPIN_INLINE == 0 } {
            // SAFETY: C's functions require:
            // - an initialised lock that stays where it is while it is held: it is pinned and
            //   borrowed;
            // - that the CPU that took the lock unlocks it, with the flags that it got: a guard
            //   stays on its thread, which stays on its CPU meanwhile;
            // - for the direct call, that a `spinlock_t` is a `raw_spinlock_t` and nothing else: it
            //   is where C's functions are not inline.
            unsafe { sys::$direct($lock.cast() $(, $flags)?) }
        } else {
            // SAFETY: as above. The shim is C's own inline function.
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
    /// provides the class. `name` is the name of the class in lockdep's reports.
    ///
    /// # Context
    ///
    /// Any.
    #[doc(alias = "spin_lock_init")]
    pub fn new(value: T, name: &'static CStr, key: &'static LockClassKey) -> impl PinInit<Self> {
        let init = move |slot: *mut Opaque<sys::spinlock>| {
            // SAFETY: `spin_lock_init` requires memory that no task uses as a lock. It is valid for
            // writes, and held no lock before. lockdep requires a key and a name that stay as long
            // as the lock: both are statics of the module.
            unsafe { sys::linux_driver_spin_lock_init(slot.cast(), name.as_ptr(), key.as_raw()) };
            Ok::<_, Infallible>(())
        };
        // SAFETY: C initialises the whole structure. It stays where it is, because it is pinned.
        let raw = unsafe { pin_init_from_closure(init) };
        pin_init!(Self {
            raw <- raw,
            data: UnsafeCell::new(value),
        })
    }

    /// Takes the lock: C's `spin_lock`. Spins until the lock is free. If this CPU holds the lock
    /// already, that is for ever.
    ///
    /// # Context
    ///
    /// Any, if no interrupt handler takes this lock, or in such a handler itself. Does not sleep
    /// (except on PREEMPT_RT).
    #[inline]
    #[doc(alias = "spin_lock")]
    pub fn lock(&self) -> SpinLockGuard<'_, T> {
        spin!(
            "_raw_spin_lock",
            _raw_spin_lock,
            linux_driver_spin_lock,
            self.raw.get()
        );
        // INVARIANT: this thread locked it above.
        SpinLockGuard(self, PhantomData)
    }

    /// Takes the lock if it is free: C's `spin_trylock`.
    ///
    /// # Context
    ///
    /// Same as for [`lock`](Self::lock).
    #[inline]
    #[doc(alias = "spin_trylock")]
    pub fn try_lock(&self) -> Option<SpinLockGuard<'_, T>> {
        let taken = spin!(
            "_raw_spin_trylock",
            _raw_spin_trylock,
            linux_driver_spin_trylock,
            self.raw.get()
        );
        // INVARIANT: 1 means that this thread took the lock.
        (taken != 0).then(|| SpinLockGuard(self, PhantomData))
    }

    /// Calls `critical` with the data while the lock is held and the interrupts of this CPU are
    /// disabled: C's `spin_lock_irqsave` and `spin_unlock_irqrestore`. Returns what `critical`
    /// returns.
    ///
    /// This takes a closure instead of returning a guard, so that the sections of several locks end
    /// in reverse order. With guards in another order, interrupts would be enabled while a lock is
    /// held, and would stay disabled in the end.
    ///
    /// # Context
    ///
    /// Any except NMI.
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
        // SAFETY: this CPU holds the lock until the call below, so nothing else accesses the data.
        let returned = critical(unsafe { &mut *self.data.get() });
        // These flags are from before the lock was taken. Every call of this function that disabled
        // interrupts since has enabled them again.
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

/// A locked [`SpinLock`]. Dropping it unlocks the lock. If it is leaked, the lock stays locked and
/// preemption stays disabled.
///
/// # Invariants
///
/// This thread locked the lock, for this value.
#[must_use = "if unused, the lock is released at once"]
pub struct SpinLockGuard<'a, T>(&'a SpinLock<T>, PhantomData<*mut ()>);

access_to_data!(SpinLockGuard);

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

/// Returns an initialiser of a [`SpinLock`](crate::sync::SpinLock) with a lockdep class of its own:
/// C's `spin_lock_init`.
///
/// The forms are `new_spinlock!(value)` and `new_spinlock!(value, "name")`. `name` is used in
/// lockdep's reports. Without it, the name is the source location.
#[macro_export]
macro_rules! new_spinlock {
    ($value:expr $(, $name:literal)? $(,)?) => {{
        let (name, key) = $crate::__lock_class!($($name)?);
        $crate::sync::SpinLock::new($value, name, key)
    }};
}
