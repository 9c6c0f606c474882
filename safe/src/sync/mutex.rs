// SPDX-License-Identifier: GPL-2.0-only
//! `struct mutex`.
//!
//! C header: `include/linux/mutex.h`; `kernel/locking/mutex.c`, on PREEMPT_RT
//! `kernel/locking/rtmutex_api.c`.

use core::cell::UnsafeCell;
use core::convert::Infallible;
use core::ffi::{CStr, c_int};
use core::marker::PhantomData;

use linux_driver_sys as sys;
use pinned_init::{PinInit, pin_data, pin_init, pin_init_from_closure};

use super::LockClassKey;
use super::guard::access_to_data;
use crate::error::{Result, to_result};
use crate::types::Opaque;

/// A sleeping lock, with the data that it protects: C's `struct mutex`.
///
/// [`new_mutex!`](crate::new_mutex) makes it in place, with a lockdep class for each source
/// location. It stays where it is. The data is reached only through a guard, and is not pinned.
///
/// # Examples
///
/// ```no_run
/// use linux_driver::error::Error;
/// use linux_driver::new_mutex;
/// use linux_driver::prelude::*;
/// use linux_driver::sync::Mutex;
///
/// #[pin_data]
/// struct Counters {
///     #[pin]
///     opened: Mutex<u32>,
/// }
///
/// impl Counters {
///     fn new() -> impl PinInit<Self, Error> {
///         try_pin_init!(Self { opened <- new_mutex!(0) })
///     }
///
///     fn open(&self) -> Result {
///         let mut opened = self.opened.lock();
///         if *opened == 4 {
///             return Err(EBUSY);
///         }
///         *opened += 1;
///         Ok(())
///     }
/// }
/// ```
#[pin_data]
#[doc(alias = "mutex")]
pub struct Mutex<T> {
    #[pin]
    raw: Opaque<sys::mutex>,
    data: UnsafeCell<T>,
}

// SAFETY: C lets any task use a lock. A lock that is moved to another thread is not borrowed, so it
// is not held. Moving it means moving the data, which is `Send`.
unsafe impl<T: Send> Send for Mutex<T> {}
// SAFETY: only one thread at a time has access to the data. So sharing the lock means passing the
// data between threads, which `Send` allows.
unsafe impl<T: Send> Sync for Mutex<T> {}

impl<T> Mutex<T> {
    /// Makes a mutex: C's `__mutex_init`. Use [`new_mutex!`](crate::new_mutex), which provides the
    /// class. `name` is the name of the class in lockdep's reports.
    ///
    /// # Context
    ///
    /// Any.
    #[doc(alias = "__mutex_init")]
    pub fn new(value: T, name: &'static CStr, key: &'static LockClassKey) -> impl PinInit<Self> {
        let init = move |slot: *mut Opaque<sys::mutex>| {
            init_raw(slot.cast(), name, key);
            Ok::<_, Infallible>(())
        };
        // SAFETY: C initialises the whole structure. It stays where it is, because it is pinned.
        let raw = unsafe { pin_init_from_closure(init) };
        pin_init!(Self {
            raw <- raw,
            data: UnsafeCell::new(value),
        })
    }

    /// Takes the lock: C's `mutex_lock`. Sleeps until the lock is free. If this thread holds the
    /// lock already, that is for ever.
    ///
    /// # Context
    ///
    /// May sleep. Must not be called in an interrupt handler, nor while a spin lock or an RCU guard
    /// is held.
    #[inline]
    #[doc(alias = "mutex_lock")]
    pub fn lock(&self) -> MutexGuard<'_, T> {
        let raw = self.raw.get();
        // SAFETY: `mutex_lock` requires an initialised mutex that stays until it is unlocked. It is
        // pinned, and the guard borrows it. Taking it twice, or where the caller must not sleep, is
        // a deadlock or a bug that the kernel reports, but no memory error.
        #[cfg(has_fn = "mutex_lock")]
        unsafe {
            sys::mutex_lock(raw)
        };
        // SAFETY: as above.
        #[cfg(not(has_fn = "mutex_lock"))]
        unsafe {
            sys::linux_driver_mutex_lock(raw)
        };
        // INVARIANT: this thread locked it above.
        MutexGuard(self, PhantomData)
    }

    /// Takes the lock, unless a signal arrives while this waits: C's `mutex_lock_interruptible`.
    ///
    /// # Context
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// `EINTR` if a signal arrives. As in C drivers, a file operation then returns
    /// [`ERESTARTSYS`](crate::error::code::ERESTARTSYS).
    #[inline]
    #[doc(alias = "mutex_lock_interruptible")]
    pub fn lock_interruptible(&self) -> Result<MutexGuard<'_, T>> {
        let raw = self.raw.get();
        // SAFETY: same preconditions as in `lock`.
        #[cfg(has_fn = "mutex_lock_interruptible")]
        let returned = unsafe { sys::mutex_lock_interruptible(raw) };
        // SAFETY: as above.
        #[cfg(not(has_fn = "mutex_lock_interruptible"))]
        let returned = unsafe { sys::linux_driver_mutex_lock_interruptible(raw) };
        self.guard(returned)
    }

    /// Takes the lock, unless a fatal signal arrives while this waits: C's `mutex_lock_killable`.
    ///
    /// # Context
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// `EINTR` if a fatal signal arrives.
    #[inline]
    #[doc(alias = "mutex_lock_killable")]
    pub fn lock_killable(&self) -> Result<MutexGuard<'_, T>> {
        let raw = self.raw.get();
        // SAFETY: same preconditions as in `lock`.
        #[cfg(has_fn = "mutex_lock_killable")]
        let returned = unsafe { sys::mutex_lock_killable(raw) };
        // SAFETY: as above.
        #[cfg(not(has_fn = "mutex_lock_killable"))]
        let returned = unsafe { sys::linux_driver_mutex_lock_killable(raw) };
        self.guard(returned)
    }

    /// Takes the lock if it is free: C's `mutex_trylock`.
    ///
    /// # Context
    ///
    /// Task context, not an interrupt handler. Does not sleep.
    #[inline]
    #[doc(alias = "mutex_trylock")]
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        let raw = self.raw.get();
        // SAFETY: same preconditions as in `lock`. In an interrupt handler `mutex_trylock` warns.
        #[cfg(has_fn = "mutex_trylock")]
        let taken = unsafe { sys::mutex_trylock(raw) };
        // SAFETY: as above.
        #[cfg(not(has_fn = "mutex_trylock"))]
        let taken = unsafe { sys::linux_driver_mutex_trylock(raw) };
        // INVARIANT: 1 means that this thread took the lock.
        (taken != 0).then(|| MutexGuard(self, PhantomData))
    }

    /// Returns the guard if C's function returned 0.
    fn guard(&self, returned: c_int) -> Result<MutexGuard<'_, T>> {
        to_result(returned)?;
        // INVARIANT: 0 means that this thread took the lock.
        Ok(MutexGuard(self, PhantomData))
    }
}

/// Calls C's `__mutex_init`, or the function that does its work in newer kernels.
fn init_raw(raw: *mut sys::mutex, name: &'static CStr, key: &'static LockClassKey) {
    #[cfg(has_fn = "mutex_init_generic")]
    {
        let _ = (name, key);
        // SAFETY: `mutex_init_generic` requires memory that no task uses as a mutex. It is valid
        // for writes, and held no mutex before.
        unsafe { sys::mutex_init_generic(raw) };
    }
    // SAFETY: `__mutex_init` requires the same. lockdep requires a key and a name that stay as long
    // as the mutex: both are statics of the module.
    #[cfg(all(has_fn = "__mutex_init", not(has_fn = "mutex_init_generic")))]
    unsafe {
        sys::__mutex_init(raw, name.as_ptr(), key.as_raw())
    };
    // SAFETY: as above.
    #[cfg(not(any(has_fn = "__mutex_init", has_fn = "mutex_init_generic")))]
    unsafe {
        sys::linux_driver_mutex_init(raw, name.as_ptr(), key.as_raw())
    };
}

/// A locked [`Mutex`]. Dropping it unlocks the mutex. If it is leaked, the lock stays locked for
/// ever.
///
/// # Invariants
///
/// This thread locked the mutex, for this value.
#[must_use = "if unused, the lock is released at once"]
pub struct MutexGuard<'a, T>(&'a Mutex<T>, PhantomData<*mut ()>);

access_to_data!(MutexGuard);

impl<T> Drop for MutexGuard<'_, T> {
    #[inline]
    #[doc(alias = "mutex_unlock")]
    fn drop(&mut self) {
        // SAFETY: `mutex_unlock` requires the task that locked the mutex: by the type's invariant
        // it is this one, because a guard is not `Send`. It also requires memory that stays until
        // it has returned, because it uses the mutex after another task may have taken it. The
        // guard borrows the mutex.
        unsafe { sys::mutex_unlock(self.0.raw.get()) };
    }
}

/// Returns an initialiser of a [`Mutex`](crate::sync::Mutex) with a lockdep class of its own: C's
/// `mutex_init`.
///
/// The forms are `new_mutex!(value)` and `new_mutex!(value, "name")`. `name` is used in lockdep's
/// reports. Without it, the name is the source location.
#[macro_export]
macro_rules! new_mutex {
    ($value:expr $(, $name:literal)? $(,)?) => {{
        let (name, key) = $crate::__lock_class!($($name)?);
        $crate::sync::Mutex::new($value, name, key)
    }};
}
