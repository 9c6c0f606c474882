// SPDX-License-Identifier: GPL-2.0-only
//! Waiting for something to be done.
//!
//! C header: `include/linux/completion.h`; `kernel/sched/completion.c`.

use core::convert::Infallible;
use core::sync::atomic::{AtomicU32, Ordering};

use linux_driver_sys as sys;
use pinned_init::{PinInit, pin_data, pin_init, pin_init_from_closure};

use crate::error::{Error, Result, code::ETIMEDOUT, to_result};
use crate::jiffies::Jiffies;
use crate::types::Opaque;

/// Something that is done once, or a number of times, and waited for: C's `struct completion`.
///
/// Each [`complete`](Self::complete) lets one waiter go, be it there yet or not.
///
/// ```no_run
/// use linux_driver_safe::completion::Completion;
/// use linux_driver_safe::jiffies::Jiffies;
/// use linux_driver_safe::prelude::*;
///
/// #[pin_data]
/// struct Transfer {
///     #[pin]
///     done: Completion,
/// }
///
/// impl Transfer {
///     fn new() -> impl PinInit<Self, Error> {
///         try_pin_init!(Self { done <- Completion::new() }? Error)
///     }
///
///     /// Called by the interrupt handler.
///     fn finished(&self) {
///         self.done.complete();
///     }
///
///     fn wait(&self) -> Result {
///         self.done.wait_for_completion_timeout(Jiffies::from_msecs(100)).map(|_left| ())
///     }
/// }
/// ```
#[pin_data]
#[doc(alias = "completion")]
pub struct Completion {
    #[pin]
    raw: Opaque<sys::completion>,
}

// SAFETY: C's functions take the lock that is in it. A waiter has it borrowed, so that it goes nowhere meanwhile.
unsafe impl Send for Completion {}
// SAFETY: as above.
unsafe impl Sync for Completion {}

impl Completion {
    /// Makes one: C's `init_completion`. As in C, the lockdep class is one for all of a module.
    ///
    /// Context: any.
    #[doc(alias = "init_completion")]
    pub fn new() -> impl PinInit<Self> {
        let (name, key) = crate::__lock_class!("completion");
        let init = move |slot: *mut Opaque<sys::completion>| {
            let raw: *mut sys::completion = slot.cast();
            // SAFETY: the memory is valid for writes; only the field's address is taken.
            let done = unsafe { &raw mut (*raw).done };
            // SAFETY: as above.
            unsafe { done.write(0) };
            // SAFETY: as above.
            let wait = unsafe { &raw mut (*raw).wait };
            // SAFETY: the memory is valid for writes and stays the completion's; name and key are statics.
            unsafe { sys::__init_swait_queue_head(wait, name.as_ptr(), key.as_raw()) };
            Ok::<_, Infallible>(())
        };
        // SAFETY: C initialises all of the structure, which stays where it is: it is pinned.
        let raw = unsafe { pin_init_from_closure(init) };
        pin_init!(Self { raw <- raw })
    }

    /// Lets one waiter go: C's `complete`. Context: any but NMI.
    #[inline]
    pub fn complete(&self) {
        // SAFETY: it is initialised.
        unsafe { sys::complete(self.raw.get()) };
    }

    /// Lets all go that wait, and all that come until [`reinit`](Self::reinit): C's `complete_all`. Context: any but NMI.
    #[inline]
    pub fn complete_all(&self) {
        // SAFETY: it is initialised.
        unsafe { sys::complete_all(self.raw.get()) };
    }

    /// Waits until it is done: C's `wait_for_completion`. No signal interrupts it. Context: may sleep.
    #[inline]
    pub fn wait_for_completion(&self) {
        // SAFETY: it is initialised.
        unsafe { sys::wait_for_completion(self.raw.get()) };
    }

    /// Waits until it is done, `timeout` at most, and returns what is left of that, at least one tick. [`ETIMEDOUT`]
    /// otherwise: C's `wait_for_completion_timeout`, which returns 0. Context: may sleep.
    #[inline]
    pub fn wait_for_completion_timeout(&self, timeout: Jiffies) -> Result<Jiffies> {
        // SAFETY: it is initialised.
        match unsafe { sys::wait_for_completion_timeout(self.raw.get(), timeout.ticks()) } {
            0 => Err(ETIMEDOUT),
            left => Ok(Jiffies::new(left)),
        }
    }

    /// Waits until it is done; `ERESTARTSYS` if a signal comes first: C's `wait_for_completion_interruptible`. Context: may
    /// sleep.
    #[inline]
    pub fn wait_for_completion_interruptible(&self) -> Result {
        // SAFETY: it is initialised.
        to_result(unsafe { sys::wait_for_completion_interruptible(self.raw.get()) })
    }

    /// Waits until it is done, `timeout` at most, and returns what is left of that. [`ETIMEDOUT`] otherwise, `ERESTARTSYS` if
    /// a signal comes first: C's `wait_for_completion_interruptible_timeout`. Context: may sleep.
    #[inline]
    pub fn wait_for_completion_interruptible_timeout(&self, timeout: Jiffies) -> Result<Jiffies> {
        // SAFETY: it is initialised.
        match unsafe { sys::wait_for_completion_interruptible_timeout(self.raw.get(), timeout.ticks()) } {
            0 => Err(ETIMEDOUT),
            left @ 1.. => Ok(Jiffies::left(left)),
            error => Err(Error::from_errno(error as core::ffi::c_int)),
        }
    }

    /// Waits until it is done; `ERESTARTSYS` if a fatal signal comes first: C's `wait_for_completion_killable`. Context: may
    /// sleep.
    #[inline]
    pub fn wait_for_completion_killable(&self) -> Result {
        // SAFETY: it is initialised.
        to_result(unsafe { sys::wait_for_completion_killable(self.raw.get()) })
    }

    /// Goes on as a waiter would, if that needs no waiting: C's `try_wait_for_completion`. Context: any but NMI.
    #[inline]
    pub fn try_wait_for_completion(&self) -> bool {
        // SAFETY: it is initialised.
        unsafe { sys::try_wait_for_completion(self.raw.get()) }
    }

    /// Whether a waiter would go on at once: C's `completion_done`. Context: any but NMI.
    #[inline]
    #[doc(alias = "completion_done")]
    pub fn is_done(&self) -> bool {
        // SAFETY: it is initialised.
        unsafe { sys::completion_done(self.raw.get()) }
    }

    /// As new: what was done is forgotten: C's `reinit_completion`. For when nobody waits, nor is about to complete it; else
    /// whoever comes too late waits. Context: any.
    #[inline]
    #[doc(alias = "reinit_completion")]
    pub fn reinit(&self) {
        // SAFETY: it is initialised; only the field's address is taken.
        let done = unsafe { &raw mut (*self.raw.get()).done };
        // SAFETY: the field is there as long as `self` is; C's functions change it, under a lock of their own, which a store
        // of one word leaves whole.
        unsafe { AtomicU32::from_ptr(done) }.store(0, Ordering::Relaxed);
    }
}
