// SPDX-License-Identifier: GPL-2.0-only
//! Completions: waiting until something is done.
//!
//! C header: `include/linux/completion.h`; `kernel/sched/completion.c`.

use core::convert::Infallible;
use core::sync::atomic::{AtomicU32, Ordering};

use linux_driver_sys as sys;
use pinned_init::{PinInit, pin_data, pin_init, pin_init_from_closure};

use crate::error::{Error, Result, code::ETIMEDOUT, to_result};
use crate::jiffies::Jiffies;
use crate::types::Opaque;

/// An event that tasks wait for, which happens once or several times: C's `struct completion`.
///
/// Each [`complete`](Self::complete) releases one waiter, even one that starts to wait later.
///
/// # Examples
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
///         try_pin_init!(Self { done <- Completion::new() })
///     }
///
///     /// Reports the end of the transfer; the interrupt handler calls this.
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

// SAFETY: in C any task may use a completion, and free it when no task uses it. A task that waits
// or completes has the value borrowed.
unsafe impl Send for Completion {}
// SAFETY: C's functions take the lock that is part of the completion.
unsafe impl Sync for Completion {}

impl Completion {
    /// Returns an initialiser for a completion: C's `init_completion`. As in C, all completions of
    /// a module have the same lockdep class.
    ///
    /// # Context
    ///
    /// Any.
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
            // SAFETY: `__init_swait_queue_head` requires
            // - memory that no task waits in: it is valid for writes, and held no queue before;
            // - a name and a lockdep key that stay as long as the queue: both are statics of the
            //   module.
            unsafe { sys::__init_swait_queue_head(wait, name.as_ptr(), key.as_raw()) };
            Ok::<_, Infallible>(())
        };
        // SAFETY: the closure initialises the whole structure, which is pinned and so does not
        // move.
        let raw = unsafe { pin_init_from_closure(init) };
        pin_init!(Self { raw <- raw })
    }

    /// Releases one waiter: C's `complete`.
    ///
    /// # Context
    ///
    /// Any but NMI.
    #[inline]
    pub fn complete(&self) {
        // SAFETY: `complete` requires an initialised completion whose memory stays until it has
        // returned: this value is borrowed.
        unsafe { sys::complete(self.raw.get()) };
    }

    /// Releases all waiters, and all tasks that start to wait before [`reinit`](Self::reinit): C's
    /// `complete_all`.
    ///
    /// # Context
    ///
    /// Any but NMI.
    #[inline]
    pub fn complete_all(&self) {
        // SAFETY: as in `complete`.
        unsafe { sys::complete_all(self.raw.get()) };
    }

    /// Waits for a completion: C's `wait_for_completion`. Signals do not interrupt it.
    ///
    /// # Context
    ///
    /// May sleep.
    #[inline]
    pub fn wait_for_completion(&self) {
        // SAFETY: `wait_for_completion` requires
        // - an initialised completion whose memory stays until it has returned, because it links an
        //   entry on this task's stack into it: this value is borrowed;
        // - a context that may sleep: to sleep in another one is a bug that the kernel reports, but
        //   not a memory error.
        unsafe { sys::wait_for_completion(self.raw.get()) };
    }

    /// Waits for a completion, for at most `timeout`: C's `wait_for_completion_timeout`. Returns
    /// the time that is left, at least one tick.
    ///
    /// # Context
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// [`ETIMEDOUT`] if the time is over. (C returns 0.)
    #[inline]
    pub fn wait_for_completion_timeout(&self, timeout: Jiffies) -> Result<Jiffies> {
        // SAFETY: as in `wait_for_completion`. C takes the timeout as a `long`, and it fits.
        match unsafe { sys::wait_for_completion_timeout(self.raw.get(), timeout.ticks()) } {
            0 => Err(ETIMEDOUT),
            left => Ok(Jiffies::new(left)),
        }
    }

    /// Waits for a completion or a signal: C's `wait_for_completion_interruptible`.
    ///
    /// # Context
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// `ERESTARTSYS` if a signal arrives first.
    #[inline]
    pub fn wait_for_completion_interruptible(&self) -> Result {
        // SAFETY: as in `wait_for_completion`.
        to_result(unsafe { sys::wait_for_completion_interruptible(self.raw.get()) })
    }

    /// Waits for a completion or a signal, for at most `timeout`: C's
    /// `wait_for_completion_interruptible_timeout`. Returns the time that is left.
    ///
    /// # Context
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// * [`ETIMEDOUT`] if the time is over.
    /// * `ERESTARTSYS` if a signal arrives first.
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

    /// Waits for a completion or a fatal signal: C's `wait_for_completion_killable`.
    ///
    /// # Context
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// `ERESTARTSYS` if a fatal signal arrives first.
    #[inline]
    pub fn wait_for_completion_killable(&self) -> Result {
        // SAFETY: as in `wait_for_completion`.
        to_result(unsafe { sys::wait_for_completion_killable(self.raw.get()) })
    }

    /// Consumes a completion if there is one, without waiting: C's `try_wait_for_completion`.
    /// Returns whether there was one.
    ///
    /// # Context
    ///
    /// Any but NMI.
    #[inline]
    pub fn try_wait_for_completion(&self) -> bool {
        // SAFETY: as in `complete`.
        unsafe { sys::try_wait_for_completion(self.raw.get()) }
    }

    /// Returns whether a waiter would not have to wait: C's `completion_done`.
    ///
    /// # Context
    ///
    /// Any but NMI.
    #[inline]
    #[doc(alias = "completion_done")]
    pub fn is_done(&self) -> bool {
        // SAFETY: as in `complete`.
        unsafe { sys::completion_done(self.raw.get()) }
    }

    /// Resets the completion as if it were new: C's `reinit_completion`. Must only be called when
    /// no task waits for it or is about to complete it; otherwise a waiter may miss its completion
    /// and wait on.
    ///
    /// # Context
    ///
    /// Any.
    #[inline]
    #[doc(alias = "reinit_completion")]
    pub fn reinit(&self) {
        // SAFETY: the field is part of the completion, and only its address is taken.
        let done = unsafe { &raw mut (*self.raw.get()).done };
        // SAFETY: the field exists as long as `self` does, and has its type's alignment. C writes
        // it under the completion's lock. As `reinit_completion` does, this writes it with one
        // store and without the lock: every reader sees a whole value.
        unsafe { AtomicU32::from_ptr(done) }.store(0, Ordering::Relaxed);
    }
}
