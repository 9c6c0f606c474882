// SPDX-License-Identifier: GPL-2.0-only
//! `struct mutex`.
//!
//! C header: `include/linux/mutex.h`; `kernel/locking/mutex.c`, on PREEMPT_RT
//! `kernel/locking/rtmutex_api.c`.

use core::cell::UnsafeCell;
use core::convert::Infallible;
use core::ffi::{CStr, c_int};
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};

use linux_driver_sys as sys;
use pinned_init::{PinInit, pin_data, pin_init, pin_init_from_closure};

use super::LockClassKey;
use crate::error::{Result, to_result};
use crate::types::Opaque;

/// A lock that sleeps, and what it protects: C's `struct mutex`.
///
/// It is made in place by [`new_mutex!`](crate::new_mutex), with a lockdep class of its own for
/// each place, and stays where it is. The data is reached through a guard alone, and is not pinned.
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
///         try_pin_init!(Self { opened <- new_mutex!(0) }? Error)
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

// SAFETY: C lets any task use a lock. Sending one that nobody has borrowed, and so nobody holds, is
// sending the data.
unsafe impl<T: Send> Send for Mutex<T> {}
// SAFETY: one thread at a time gets at the data, so that it goes from thread to thread, as with
// `Send`.
unsafe impl<T: Send> Sync for Mutex<T> {}

impl<T> Mutex<T> {
    /// Makes a mutex: C's `__mutex_init`. Use [`new_mutex!`](crate::new_mutex), which brings the
    /// class.
    ///
    /// `name` is what lockdep calls it. Context: any.
    #[doc(alias = "__mutex_init")]
    pub fn new(value: T, name: &'static CStr, key: &'static LockClassKey) -> impl PinInit<Self> {
        let init = move |slot: *mut Opaque<sys::mutex>| {
            init_raw(slot.cast(), name, key);
            Ok::<_, Infallible>(())
        };
        // SAFETY: C initialises all of the structure, which stays where it is: it is pinned.
        let raw = unsafe { pin_init_from_closure(init) };
        pin_init!(Self {
            raw <- raw,
            data: UnsafeCell::new(value),
        })
    }

    /// Takes the lock: C's `mutex_lock`. Sleeps until it is free; for ever if this thread has it
    /// already.
    ///
    /// Context: may sleep. Not in an interrupt, nor with a spin lock or an RCU guard held.
    #[inline]
    #[doc(alias = "mutex_lock")]
    pub fn lock(&self) -> MutexGuard<'_, T> {
        let raw = self.raw.get();
        // SAFETY: `mutex_lock` asks for an initialised mutex, which stays until it was unlocked: it
        // is pinned, and the guard borrows it. To take it twice, or where one may not sleep, is a
        // hang or a bug that the kernel reports, and no memory error.
        #[cfg(has_fn = "mutex_lock")]
        unsafe {
            sys::mutex_lock(raw)
        };
        // SAFETY: as above.
        #[cfg(not(has_fn = "mutex_lock"))]
        unsafe {
            sys::linux_driver_mutex_lock(raw)
        };
        // INVARIANT: it was locked above, by this thread.
        MutexGuard(self, PhantomData)
    }

    /// Takes the lock, unless a signal comes while it waits: C's `mutex_lock_interruptible`, with
    /// `EINTR`. An operation of a file returns [`ERESTARTSYS`](crate::error::code::ERESTARTSYS)
    /// then, as C drivers do.
    ///
    /// Context: may sleep.
    #[inline]
    #[doc(alias = "mutex_lock_interruptible")]
    pub fn lock_interruptible(&self) -> Result<MutexGuard<'_, T>> {
        let raw = self.raw.get();
        // SAFETY: as in `lock`.
        #[cfg(has_fn = "mutex_lock_interruptible")]
        let returned = unsafe { sys::mutex_lock_interruptible(raw) };
        // SAFETY: as above.
        #[cfg(not(has_fn = "mutex_lock_interruptible"))]
        let returned = unsafe { sys::linux_driver_mutex_lock_interruptible(raw) };
        self.guard(returned)
    }

    /// Takes the lock, unless a fatal signal comes while it waits: C's `mutex_lock_killable`, with
    /// `EINTR`.
    ///
    /// Context: may sleep.
    #[inline]
    #[doc(alias = "mutex_lock_killable")]
    pub fn lock_killable(&self) -> Result<MutexGuard<'_, T>> {
        let raw = self.raw.get();
        // SAFETY: as in `lock`.
        #[cfg(has_fn = "mutex_lock_killable")]
        let returned = unsafe { sys::mutex_lock_killable(raw) };
        // SAFETY: as above.
        #[cfg(not(has_fn = "mutex_lock_killable"))]
        let returned = unsafe { sys::linux_driver_mutex_lock_killable(raw) };
        self.guard(returned)
    }

    /// Takes the lock if it is free: C's `mutex_trylock`.
    ///
    /// Context: a task's, not an interrupt's. Does not sleep.
    #[inline]
    #[doc(alias = "mutex_trylock")]
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        let raw = self.raw.get();
        // SAFETY: as in `lock`. In an interrupt, `mutex_trylock` warns.
        #[cfg(has_fn = "mutex_trylock")]
        let taken = unsafe { sys::mutex_trylock(raw) };
        // SAFETY: as above.
        #[cfg(not(has_fn = "mutex_trylock"))]
        let taken = unsafe { sys::linux_driver_mutex_trylock(raw) };
        // INVARIANT: 1 says that this thread took it.
        (taken != 0).then(|| MutexGuard(self, PhantomData))
    }

    /// The guard, after C returned 0.
    fn guard(&self, returned: c_int) -> Result<MutexGuard<'_, T>> {
        to_result(returned)?;
        // INVARIANT: 0 says that this thread took it.
        Ok(MutexGuard(self, PhantomData))
    }
}

/// C's `__mutex_init`, whatever it is called on the kernel at hand.
fn init_raw(raw: *mut sys::mutex, name: &'static CStr, key: &'static LockClassKey) {
    #[cfg(has_fn = "mutex_init_generic")]
    {
        let _ = (name, key);
        // SAFETY: `mutex_init_generic` asks for memory that nobody holds, or waits for, as a mutex:
        // it is valid for writes, and held no mutex before.
        unsafe { sys::mutex_init_generic(raw) };
    }
    // SAFETY: `__mutex_init` asks for the same. lockdep asks for a key, and a name, that stay as
    // long as the mutex: both are statics of the module.
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

/// A locked [`Mutex`]. It is unlocked when this value goes. If it is leaked, the lock stays held
/// for good.
///
/// # Invariants
///
/// This thread has locked the mutex, for this value.
#[must_use = "the lock is let go of at once if its guard is not kept"]
pub struct MutexGuard<'a, T>(&'a Mutex<T>, PhantomData<*mut ()>);

// SAFETY: a shared guard gives shared references to the data, and nothing else.
unsafe impl<T: Sync> Sync for MutexGuard<'_, T> {}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the lock is held, by the type's invariant: nobody else gets at the data as long
        // as the guard is borrowed.
        unsafe { &*self.0.data.get() }
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above; the guard is borrowed by one alone.
        unsafe { &mut *self.0.data.get() }
    }
}

impl<T> Drop for MutexGuard<'_, T> {
    #[inline]
    #[doc(alias = "mutex_unlock")]
    fn drop(&mut self) {
        // SAFETY: `mutex_unlock` asks for the task that locked the mutex (by the type's invariant:
        // a guard is not `Send`), and for memory that stays until it has returned, which it still
        // uses when another task has the mutex: the guard borrows it.
        unsafe { sys::mutex_unlock(self.0.raw.get()) };
    }
}

/// An initialiser of a [`Mutex`](crate::sync::Mutex) with a lockdep class of its own: C's
/// `mutex_init`.
///
/// `new_mutex!(value)`, or `new_mutex!(value, "name")` with a name for lockdep's reports; else it
/// is the place.
#[macro_export]
macro_rules! new_mutex {
    ($value:expr $(, $name:literal)? $(,)?) => {{
        let (name, key) = $crate::__lock_class!($($name)?);
        $crate::sync::Mutex::new($value, name, key)
    }};
}
