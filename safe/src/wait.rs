// SPDX-License-Identifier: GPL-2.0-only
//! Waiting for a condition.
//!
//! C header: `include/linux/wait.h`; `kernel/sched/wait.c`.

use core::convert::Infallible;
use core::ffi::{CStr, c_int, c_long};

use linux_driver_sys as sys;
use pinned_init::{PinInit, pin_data, pin_init, pin_init_from_closure};

use crate::error::{Error, Result, code::ENODEV, code::ETIMEDOUT};
use crate::jiffies::Jiffies;
use crate::sync::LockClassKey;
use crate::types::Opaque;

/// Those who wait for a condition: C's `struct wait_queue_head`.
///
/// It is made in place by [`new_wait_queue!`](crate::new_wait_queue). Who makes a condition true then calls
/// [`wake_up`](Self::wake_up) or one of its kin, and each waiter looks at its condition again.
///
/// A condition is called while the task is marked as about to sleep, as in C: it must not sleep itself (no mutex; a spin lock
/// or an atomic), or the kernel complains and the wait spins.
///
/// ```no_run
/// use linux_driver_safe::prelude::*;
/// use linux_driver_safe::sync::atomic::{AtomicBool, Ordering};
/// use linux_driver_safe::wait::WaitQueue;
/// use linux_driver_safe::new_wait_queue;
///
/// #[pin_data]
/// struct Reader {
///     #[pin]
///     queue: WaitQueue,
///     ready: AtomicBool,
/// }
///
/// impl Reader {
///     fn new() -> impl PinInit<Self, Error> {
///         try_pin_init!(Self { queue <- new_wait_queue!(), ready: AtomicBool::new(false) }? Error)
///     }
///
///     fn data_came(&self) {
///         self.ready.store(true, Ordering::Release);
///         self.queue.wake_up_interruptible();
///     }
///
///     fn wait(&self) -> Result {
///         self.queue.wait_event_interruptible(|| self.ready.load(Ordering::Acquire))
///     }
/// }
/// ```
#[pin_data]
#[doc(alias = "wait_queue_head")]
pub struct WaitQueue {
    #[pin]
    raw: Opaque<sys::wait_queue_head>,
}

// SAFETY: C's functions take the lock that is in it. A waiter has it borrowed, so that it goes nowhere meanwhile.
unsafe impl Send for WaitQueue {}
// SAFETY: as above.
unsafe impl Sync for WaitQueue {}

impl WaitQueue {
    /// Makes one: C's `init_waitqueue_head`. Use [`new_wait_queue!`](crate::new_wait_queue), which brings the class.
    ///
    /// `name` is what lockdep calls its lock. Context: any.
    #[doc(alias = "init_waitqueue_head")]
    #[doc(alias = "__init_waitqueue_head")]
    pub fn new(name: &'static CStr, key: &'static LockClassKey) -> impl PinInit<Self> {
        let init = move |slot: *mut Opaque<sys::wait_queue_head>| {
            // SAFETY: the memory is valid for writes and stays the queue's; name and key are statics.
            unsafe { sys::__init_waitqueue_head(slot.cast(), name.as_ptr(), key.as_raw()) };
            Ok::<_, Infallible>(())
        };
        // SAFETY: C initialises all of the structure, which stays where it is: it is pinned.
        let raw = unsafe { pin_init_from_closure(init) };
        pin_init!(Self { raw <- raw })
    }

    /// The queue as C knows it: for `poll_wait`, which puts entries into it that may stay until the file is closed. Who gives
    /// it to C for that makes sure that it lives as long.
    pub fn as_raw(&self) -> *mut sys::wait_queue_head {
        self.raw.get()
    }

    /// Wakes all who wait: C's `wake_up`. (One alone of those that wait exclusively; here nobody does.)
    ///
    /// Context: any but NMI.
    #[inline]
    pub fn wake_up(&self) {
        self.wake(sys::TASK_NORMAL, 1);
    }

    /// Wakes all who wait, exclusively or not: C's `wake_up_all`. Context: any but NMI.
    #[inline]
    pub fn wake_up_all(&self) {
        self.wake(sys::TASK_NORMAL, 0);
    }

    /// Wakes those whose wait a signal can interrupt: C's `wake_up_interruptible`. Context: any but NMI.
    #[inline]
    pub fn wake_up_interruptible(&self) {
        self.wake(sys::TASK_INTERRUPTIBLE, 1);
    }

    #[inline]
    #[doc(alias = "__wake_up")]
    fn wake(&self, mode: u32, exclusive: c_int) {
        // SAFETY: the queue is initialised; without a key all entries are meant.
        unsafe { sys::__wake_up(self.raw.get(), mode, exclusive, core::ptr::null_mut()) };
    }

    /// Waits until `condition` holds: C's `wait_event`. No signal interrupts it. Context: may sleep.
    pub fn wait_event(&self, mut condition: impl FnMut() -> bool) {
        // Without a timeout or a signal, the condition is all that ends it.
        let _ = wait([self], sys::TASK_UNINTERRUPTIBLE, FOREVER, || {
            condition().then_some(Ok(()))
        });
    }

    /// Waits until `condition` holds; [`ERESTARTSYS`](crate::error::code::ERESTARTSYS) if a signal comes first: C's
    /// `wait_event_interruptible`. Context: may sleep.
    pub fn wait_event_interruptible(&self, mut condition: impl FnMut() -> bool) -> Result {
        wait([self], sys::TASK_INTERRUPTIBLE, FOREVER, || {
            condition().then_some(Ok(()))
        })
        .map(|_left| ())
    }

    /// Waits until `condition` holds, `timeout` at most, and returns what is left of that, at least one tick.
    /// [`ETIMEDOUT`] if the condition does not hold then either: C's `wait_event_timeout`, which returns 0. Context: may sleep.
    pub fn wait_event_timeout(&self, timeout: Jiffies, mut condition: impl FnMut() -> bool) -> Result<Jiffies> {
        wait([self], sys::TASK_UNINTERRUPTIBLE, timeout.as_long(), || {
            condition().then_some(Ok(()))
        })
    }

    /// As [`wait_event_timeout`](Self::wait_event_timeout); `ERESTARTSYS` if a signal comes first: C's
    /// `wait_event_interruptible_timeout`. Context: may sleep.
    pub fn wait_event_interruptible_timeout(
        &self,
        timeout: Jiffies,
        mut condition: impl FnMut() -> bool,
    ) -> Result<Jiffies> {
        wait([self], sys::TASK_INTERRUPTIBLE, timeout.as_long(), || {
            condition().then_some(Ok(()))
        })
    }

    /// As [`wait_event_interruptible`](Self::wait_event_interruptible), on two queues at once: [`ENODEV`] as soon as
    /// `stopped` holds, which who sets it tells by waking `stop`. It goes before `condition`, which is not called then.
    ///
    /// So an operation of a file waits for its device, and is woken when the device goes. Context: may sleep.
    pub fn wait_event_interruptible_or(
        &self,
        stop: &Self,
        stopped: impl FnMut() -> bool,
        condition: impl FnMut() -> bool,
    ) -> Result {
        wait(
            [stop, self],
            sys::TASK_INTERRUPTIBLE,
            FOREVER,
            stop_or(stopped, condition),
        )
        .map(|_left| ())
    }

    /// As [`wait_event_interruptible_or`](Self::wait_event_interruptible_or), `timeout` at most: what is left of that, or
    /// [`ETIMEDOUT`]. Context: may sleep.
    pub fn wait_event_interruptible_timeout_or(
        &self,
        timeout: Jiffies,
        stop: &Self,
        stopped: impl FnMut() -> bool,
        condition: impl FnMut() -> bool,
    ) -> Result<Jiffies> {
        wait(
            [stop, self],
            sys::TASK_INTERRUPTIBLE,
            timeout.as_long(),
            stop_or(stopped, condition),
        )
    }
}

/// Says that what comes may sleep: C's `might_sleep`, but that it does not let others run. A kernel with `DEBUG_ATOMIC_SLEEP` reports where
/// that must not be; on others nothing is left of it.
#[inline(always)]
pub(crate) fn might_sleep() {
    #[cfg(has_fn = "__might_sleep")]
    {
        // SAFETY: it may be called in any context; the name is a static.
        unsafe { sys::__might_sleep(concat!(file!(), "\0").as_ptr().cast(), line!() as c_int) };
    }
}

/// No timeout: `MAX_SCHEDULE_TIMEOUT` in `include/linux/sched.h`.
const FOREVER: c_long = c_long::MAX;

/// What ends a wait with a stop: that, before the condition.
fn stop_or(mut stopped: impl FnMut() -> bool, mut condition: impl FnMut() -> bool) -> impl FnMut() -> Option<Result> {
    move || {
        if stopped() {
            Some(Err(ENODEV))
        } else {
            condition().then_some(Ok(()))
        }
    }
}

/// Waits on all of `queues` until `done` says how it ended, or `timeout` ticks are over: C's `___wait_event`, in a task state of
/// `TASK_*`. Returns what is left of the timeout.
fn wait<const N: usize>(
    queues: [&WaitQueue; N],
    state: u32,
    timeout: c_long,
    mut done: impl FnMut() -> Option<Result>,
) -> Result<Jiffies> {
    might_sleep();
    if let Some(result) = done() {
        return result.map(|()| Jiffies::left(timeout.max(1)));
    }
    if timeout == 0 {
        return Err(ETIMEDOUT);
    }
    let entries = [const { Opaque::<sys::wait_queue_entry>::uninit() }; N];
    for entry in &entries {
        // SAFETY: the entry is valid for writes, and stays where it is until it was taken out of its queue below.
        unsafe { sys::init_wait_entry(entry.get(), 0) };
    }
    let result = sleep(&queues, &entries, state, timeout, done);
    for (queue, entry) in queues.iter().zip(&entries) {
        // SAFETY: the queue and the entry are initialised; the entry is in this queue or in none. After this call it is in none.
        unsafe { sys::finish_wait(queue.raw.get(), entry.get()) };
    }
    result
}

/// The loop of [`wait`], which leaves the entries in their queues.
fn sleep<const N: usize>(
    queues: &[&WaitQueue; N],
    entries: &[Opaque<sys::wait_queue_entry>; N],
    state: u32,
    mut timeout: c_long,
    mut done: impl FnMut() -> Option<Result>,
) -> Result<Jiffies> {
    loop {
        let mut interrupted = 0;
        for (queue, entry) in queues.iter().zip(entries) {
            // SAFETY: queue and entry are initialised; both stay where they are until `finish_wait`, which the caller calls.
            let returned = unsafe { sys::prepare_to_wait_event(queue.raw.get(), entry.get(), state as c_int) };
            if returned != 0 {
                interrupted = returned;
            }
        }
        if let Some(result) = done() {
            return result.map(|()| Jiffies::left(timeout.max(1)));
        }
        if timeout == 0 {
            return Err(ETIMEDOUT);
        }
        if interrupted != 0 {
            return Err(Error::from_errno(interrupted as c_int));
        }
        // SAFETY: this task is in the queues, so that whoever wakes them wakes it; the timeout is not negative. (FOREVER comes
        // back as it is.)
        timeout = unsafe { sys::schedule_timeout(timeout) };
    }
}

/// An initialiser of a [`WaitQueue`](crate::wait::WaitQueue) with a lockdep class of its own: C's `init_waitqueue_head`.
///
/// `new_wait_queue!()`, or `new_wait_queue!("name")` with a name for lockdep's reports; else it is the place.
#[macro_export]
macro_rules! new_wait_queue {
    ($($name:literal)? $(,)?) => {{
        let (name, key) = $crate::__lock_class!($($name)?);
        $crate::wait::WaitQueue::new(name, key)
    }};
}
