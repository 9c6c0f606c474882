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
/// use linux_driver::completion::Completion;
/// use linux_driver::jiffies::Jiffies;
/// use linux_driver::prelude::*;
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

// SAFETY: C lets any task use a completion, or free one that nobody uses: who waits, or completes,
// has it borrowed.
unsafe impl Send for Completion {}
// SAFETY: C's functions take the lock that is in it.
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
            // SAFETY: `__init_swait_queue_head` asks for memory that nobody waits in: it is valid
            // for writes, and held no queue before. lockdep asks for a key, and a name, that stay
            // as long as the queue: both are statics of the module.
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
        // SAFETY: `complete` asks for an initialised completion, whose memory stays until it has
        // returned: this value is borrowed.
        unsafe { sys::complete(self.raw.get()) };
    }

    /// Lets all go that wait, and all that come until [`reinit`](Self::reinit): C's `complete_all`.
    /// Context: any but NMI.
    #[inline]
    pub fn complete_all(&self) {
        // SAFETY: as in `complete`.
        unsafe { sys::complete_all(self.raw.get()) };
    }

    /// Waits until it is done: C's `wait_for_completion`. No signal interrupts it. Context: may
    /// sleep.
    #[inline]
    pub fn wait_for_completion(&self) {
        // SAFETY: `wait_for_completion` asks for an initialised completion, whose memory stays
        // until it has returned (it puts an entry on this task's stack into it, and takes it out):
        // this value is borrowed. To sleep where one may not is a bug that the kernel reports, and
        // no memory error.
        unsafe { sys::wait_for_completion(self.raw.get()) };
    }

    /// Waits until it is done, `timeout` at most, and returns what is left of that, at least one
    /// tick. [`ETIMEDOUT`] otherwise: C's `wait_for_completion_timeout`, which returns 0. Context:
    /// may sleep.
    #[inline]
    pub fn wait_for_completion_timeout(&self, timeout: Jiffies) -> Result<Jiffies> {
        // SAFETY: as in `wait_for_completion`. The timeout is taken as a `long`, and fits one.
        match unsafe { sys::wait_for_completion_timeout(self.raw.get(), timeout.ticks()) } {
            0 => Err(ETIMEDOUT),
            left => Ok(Jiffies::new(left)),
        }
    }

    /// Waits until it is done; `ERESTARTSYS` if a signal comes first: C's
    /// `wait_for_completion_interruptible`. Context: may sleep.
    #[inline]
    pub fn wait_for_completion_interruptible(&self) -> Result {
        // SAFETY: as in `wait_for_completion`.
        to_result(unsafe { sys::wait_for_completion_interruptible(self.raw.get()) })
    }

    /// Waits until it is done, `timeout` at most, and returns what is left of that. [`ETIMEDOUT`]
    /// otherwise, `ERESTARTSYS` if a signal comes first: C's
    /// `wait_for_completion_interruptible_timeout`. Context: may sleep.
    #[inline]
    pub fn wait_for_completion_interruptible_timeout(&self, timeout: Jiffies) -> Result<Jiffies> {
        // SAFETY: as in `wait_for_completion_timeout`.
        match unsafe {
            sys::wait_for_completion_interruptible_timeout(self.raw.get(), timeout.ticks())
        } {
            0 => Err(ETIMEDOUT),
            left @ 1.. => Ok(Jiffies::left(left)),
            error => Err(Error::from_errno(error as core::ffi::c_int)),
        }
    }

    /// Waits until it is done; `ERESTARTSYS` if a fatal signal comes first: C's
    /// `wait_for_completion_killable`. Context: may sleep.
    #[inline]
    pub fn wait_for_completion_killable(&self) -> Result {
        // SAFETY: as in `wait_for_completion`.
        to_result(unsafe { sys::wait_for_completion_killable(self.raw.get()) })
    }

    /// Goes on as a waiter would, if that needs no waiting: C's `try_wait_for_completion`. Context:
    /// any but NMI.
    #[inline]
    pub fn try_wait_for_completion(&self) -> bool {
        // SAFETY: as in `complete`.
        unsafe { sys::try_wait_for_completion(self.raw.get()) }
    }

    /// Whether a waiter would go on at once: C's `completion_done`. Context: any but NMI.
    #[inline]
    #[doc(alias = "completion_done")]
    pub fn is_done(&self) -> bool {
        // SAFETY: as in `complete`.
        unsafe { sys::completion_done(self.raw.get()) }
    }

    /// As new: what was done is forgotten: C's `reinit_completion`. For when nobody waits, nor is
    /// about to complete it; else whoever comes too late waits. Context: any.
    #[inline]
    #[doc(alias = "reinit_completion")]
    pub fn reinit(&self) {
        // SAFETY: the field is part of the completion; only its address is taken.
        let done = unsafe { &raw mut (*self.raw.get()).done };
        // SAFETY: the field is there as long as `self` is, and aligned as its own type. C writes it
        // under the completion's lock, and here as `reinit_completion` does, by one store without
        // the lock: each sees a whole value.
        unsafe { AtomicU32::from_ptr(done) }.store(0, Ordering::Relaxed);
    }
}
