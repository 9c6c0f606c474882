// SPDX-License-Identifier: GPL-2.0-only
//! Waiting for a condition.
//!
//! C header: `include/linux/wait.h`; `kernel/sched/wait.c`.

use core::convert::Infallible;
use core::ffi::{CStr, c_int, c_long};
use core::sync::atomic::{AtomicUsize, Ordering};

use linux_driver_sys as sys;
use pinned_init::{PinInit, pin_data, pin_init, pin_init_from_closure};

use crate::error::{Result, code::ENODEV, code::ETIMEDOUT, to_result};
use crate::jiffies::Jiffies;
use crate::sync::LockClassKey;
use crate::types::Opaque;

/// A wait queue, on which tasks wait until a condition is true: C's `struct wait_queue_head`.
///
/// [`new_wait_queue!`](crate::new_wait_queue) makes it in place. Code that makes a condition true
/// then calls [`wake_up`](Self::wake_up) or one of its variants. Each waiting task then checks its
/// condition again.
///
/// Unlike in C, a condition may sleep, for example to take a mutex. It is called while the task is
/// running and is in no queue. Each wake-up is counted, so a wake-up during the check is not lost.
/// A condition that panics leaves nothing in the queue.
///
/// # Examples
///
/// ```no_run
/// use linux_driver::prelude::*;
/// use linux_driver::sync::atomic::{AtomicBool, Ordering};
/// use linux_driver::wait::WaitQueue;
/// use linux_driver::new_wait_queue;
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
///         try_pin_init!(Self { queue <- new_wait_queue!(), ready: AtomicBool::new(false) })
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
    /// The number of wake-ups. It wraps after 2^64 of them, which no check of a condition takes.
    woken: AtomicUsize,
}

// SAFETY: C lets any task use a queue, or free one in which no task waits. A waiting task borrows
// the queue; for `poll` see `poll::Table::wait`.
unsafe impl Send for WaitQueue {}
// SAFETY: C's functions take the lock in the queue, and the count is atomic.
unsafe impl Sync for WaitQueue {}

impl WaitQueue {
    /// Makes a wait queue: C's `init_waitqueue_head`. Use
    /// [`new_wait_queue!`](crate::new_wait_queue), which provides the class. `name` is the name of
    /// the lock's class in lockdep's reports.
    ///
    /// # Context
    ///
    /// Any.
    #[doc(alias = "init_waitqueue_head")]
    #[doc(alias = "__init_waitqueue_head")]
    pub fn new(name: &'static CStr, key: &'static LockClassKey) -> impl PinInit<Self> {
        let init = move |slot: *mut Opaque<sys::wait_queue_head>| {
            // SAFETY: `__init_waitqueue_head` requires memory in which no task waits. It is valid
            // for writes, and held no queue before. lockdep requires a key and a name that stay as
            // long as the queue: both are statics of the module.
            unsafe { sys::__init_waitqueue_head(slot.cast(), name.as_ptr(), key.as_raw()) };
            Ok::<_, Infallible>(())
        };
        // SAFETY: C initialises the whole structure. It stays where it is, because it is pinned.
        let raw = unsafe { pin_init_from_closure(init) };
        pin_init!(Self {
            raw <- raw,
            woken: AtomicUsize::new(0),
        })
    }

    /// Makes a wait queue of zeroed memory, as [`new`](Self::new) does.
    ///
    /// # Safety
    ///
    /// The memory must exist and be zeroed, and the queue must stay where it is.
    pub(crate) unsafe fn init_zeroed(
        slot: *mut Self,
        name: &'static CStr,
        key: &'static LockClassKey,
    ) {
        // SAFETY: the memory exists. Only the address of the field is taken.
        let raw = unsafe { &raw mut (*slot).raw };
        // SAFETY: same preconditions as in `new`. The count starts with 0, which the memory is.
        unsafe { sys::__init_waitqueue_head(raw.cast(), name.as_ptr(), key.as_raw()) };
    }

    /// Returns the queue as C knows it, for `poll_wait`. That function adds entries that may stay
    /// until the file is closed. The caller must ensure that the queue lives as long.
    pub fn as_raw(&self) -> *mut sys::wait_queue_head {
        self.raw.get()
    }

    /// Wakes all waiting tasks: C's `wake_up`. (In C it wakes only one of the exclusive waiters,
    /// but waits of this type are never exclusive.)
    ///
    /// # Context
    ///
    /// Any except NMI.
    #[inline]
    pub fn wake_up(&self) {
        self.wake(sys::TASK_NORMAL, 1);
    }

    /// Wakes all waiting tasks, including all exclusive waiters: C's `wake_up_all`.
    ///
    /// # Context
    ///
    /// Any except NMI.
    #[inline]
    pub fn wake_up_all(&self) {
        self.wake(sys::TASK_NORMAL, 0);
    }

    /// Wakes the tasks in interruptible waits: C's `wake_up_interruptible`.
    ///
    /// # Context
    ///
    /// Any except NMI.
    #[inline]
    pub fn wake_up_interruptible(&self) {
        self.wake(sys::TASK_INTERRUPTIBLE, 1);
    }

    #[inline]
    #[doc(alias = "__wake_up")]
    fn wake(&self, mode: u32, exclusive: c_int) {
        // This comes before C searches the queue. A task that is not in the queue by then sees the
        // new count, because both sides take the lock of the queue. `Release` orders what the
        // caller did before.
        self.woken.fetch_add(1, Ordering::Release);
        // SAFETY: `__wake_up` requires an initialised queue. Each of its entries must exist until
        // it is removed under the lock of the queue. `sleep` does that for the entries of this
        // crate, and C for those of pollers (see `poll::Table::wait`). Their callbacks treat a NULL
        // key as all events.
        unsafe { sys::__wake_up(self.raw.get(), mode, exclusive, core::ptr::null_mut()) };
    }

    /// Waits until `condition` is true: C's `wait_event`. Signals do not interrupt it.
    ///
    /// # Context
    ///
    /// May sleep.
    pub fn wait_event(&self, mut condition: impl FnMut() -> bool) {
        // Without a timeout and signals, only the condition ends the wait.
        let _ = wait::<_, { sys::TASK_UNINTERRUPTIBLE }>([self], None, || {
            condition().then_some(Ok(()))
        });
    }

    /// Waits until `condition` is true: C's `wait_event_interruptible`.
    ///
    /// # Context
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// [`ERESTARTSYS`](crate::error::code::ERESTARTSYS) if a signal arrives first.
    pub fn wait_event_interruptible(&self, mut condition: impl FnMut() -> bool) -> Result {
        wait::<_, { sys::TASK_INTERRUPTIBLE }>([self], None, || condition().then_some(Ok(())))
            .map(|_left| ())
    }

    /// Waits until `condition` is true, but no longer than `timeout`: C's `wait_event_timeout`.
    /// Returns the rest of the timeout, at least one tick.
    ///
    /// # Context
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// [`ETIMEDOUT`] if the condition is still false after `timeout`; C returns 0 then.
    pub fn wait_event_timeout(
        &self,
        timeout: Jiffies,
        mut condition: impl FnMut() -> bool,
    ) -> Result<Jiffies> {
        wait::<_, { sys::TASK_UNINTERRUPTIBLE }>([self], Some(timeout.as_long()), || {
            condition().then_some(Ok(()))
        })
    }

    /// Waits as [`wait_event_timeout`](Self::wait_event_timeout) does, unless a signal arrives: C's
    /// `wait_event_interruptible_timeout`.
    ///
    /// # Context
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// `ERESTARTSYS` if a signal arrives first; [`ETIMEDOUT`] if the condition is still false after
    /// `timeout`.
    pub fn wait_event_interruptible_timeout(
        &self,
        timeout: Jiffies,
        mut condition: impl FnMut() -> bool,
    ) -> Result<Jiffies> {
        wait::<_, { sys::TASK_INTERRUPTIBLE }>([self], Some(timeout.as_long()), || {
            condition().then_some(Ok(()))
        })
    }

    /// Waits as [`wait_event_interruptible`](Self::wait_event_interruptible) does, and also ends
    /// when `stopped` is true. Code that makes `stopped` true must then wake `stop`. `stopped` is
    /// checked first; if it is true, `condition` is not called.
    ///
    /// With this, a file operation waits for its device and is woken when the device goes away.
    ///
    /// # Context
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// [`ENODEV`] if `stopped` is true; `ERESTARTSYS` if a signal arrives first.
    pub fn wait_event_interruptible_or(
        &self,
        stop: &Self,
        stopped: impl FnMut() -> bool,
        condition: impl FnMut() -> bool,
    ) -> Result {
        wait::<_, { sys::TASK_INTERRUPTIBLE }>([stop, self], None, stop_or(stopped, condition))
            .map(|_left| ())
    }

    /// Waits as [`wait_event_interruptible_or`](Self::wait_event_interruptible_or) does, but no
    /// longer than `timeout`. Returns the rest of the timeout.
    ///
    /// # Context
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// [`ENODEV`] if `stopped` is true; `ERESTARTSYS` if a signal arrives first; [`ETIMEDOUT`] if
    /// both conditions are still false after `timeout`.
    pub fn wait_event_interruptible_timeout_or(
        &self,
        timeout: Jiffies,
        stop: &Self,
        stopped: impl FnMut() -> bool,
        condition: impl FnMut() -> bool,
    ) -> Result<Jiffies> {
        wait::<_, { sys::TASK_INTERRUPTIBLE }>(
            [stop, self],
            Some(timeout.as_long()),
            stop_or(stopped, condition),
        )
    }
}

/// Declares that the following code may sleep: C's `might_sleep`, but without a chance for other
/// tasks to run. A kernel with `DEBUG_ATOMIC_SLEEP` reports a context in which that is not allowed.
/// On other kernels it does nothing.
#[inline(always)]
pub(crate) fn might_sleep() {
    #[cfg(has_fn = "__might_sleep")]
    {
        // SAFETY: `__might_sleep` requires a string that stays as long as the task, which stores a
        // pointer to it (`task_state_change`). It is a literal. The function may be called in any
        // context, because it checks the context.
        unsafe { sys::__might_sleep(concat!(file!(), "\0").as_ptr().cast(), line!() as c_int) };
    }
}

/// The timeout that means "none": `MAX_SCHEDULE_TIMEOUT` in `include/linux/sched.h`.
const FOREVER: c_long = c_long::MAX;

/// Returns a check for a wait with a stop: `stopped` first, then `condition`.
fn stop_or(
    mut stopped: impl FnMut() -> bool,
    mut condition: impl FnMut() -> bool,
) -> impl FnMut() -> Option<Result> {
    move || {
        if stopped() {
            Some(Err(ENODEV))
        } else {
            condition().then_some(Ok(()))
        }
    }
}

/// Waits on all of `queues` until `done` returns a result, or until `timeout` ticks have passed, if
/// there is a timeout: C's `___wait_event`. `STATE` is the task state, one of `TASK_*`. Returns the
/// rest of the timeout. As in C, the time that `done` takes is not counted.
///
/// `done` is code of the driver. It may panic, which ends the task. Therefore it is called while
/// the task is in no queue.
fn wait<const N: usize, const STATE: u32>(
    queues: [&WaitQueue; N],
    mut timeout: Option<c_long>,
    mut done: impl FnMut() -> Option<Result>,
) -> Result<Jiffies> {
    might_sleep();
    let mut interrupted = Ok(());
    loop {
        // This comes before the check. Code that makes the condition true after the check wakes a
        // queue after this line, and the new count is seen below.
        let woken = queues.map(|queue| queue.woken.load(Ordering::Acquire));
        if let Some(result) = done() {
            return result.map(|()| Jiffies::left(timeout.unwrap_or(FOREVER).max(1)));
        }
        if timeout == Some(0) {
            return Err(ETIMEDOUT);
        }
        interrupted?;
        (timeout, interrupted) = sleep::<N, STATE>(&queues, &woken, timeout);
    }
}

/// Sleeps until one of `queues` is woken, until `timeout` ticks have passed, or until a signal
/// arrives. A queue counts as woken if its count differs from the one in `woken`. Returns the rest
/// of the timeout, and `ERESTARTSYS` for a signal.
///
/// No code of the driver runs here. Meanwhile the task is in the queues, by entries on its stack.
/// When this returns, it is in no queue.
fn sleep<const N: usize, const STATE: u32>(
    queues: &[&WaitQueue; N],
    woken: &[usize; N],
    timeout: Option<c_long>,
) -> (Option<c_long>, Result) {
    let entries = [const { Opaque::<sys::wait_queue_entry>::uninit() }; N];
    let mut interrupted = Ok(());
    for (queue, entry) in queues.iter().zip(&entries) {
        // SAFETY: `init_wait_entry` requires memory that is in no queue. It is new.
        unsafe { sys::init_wait_entry(entry.get(), 0) };
        // SAFETY: `prepare_to_wait_event` requires an initialised queue and an initialised entry of
        // this task. Both must stay where they are until `finish_wait`. The queue is borrowed. The
        // entry stays until the end of this function, which has no earlier exit.
        let returned =
            unsafe { sys::prepare_to_wait_event(queue.raw.get(), entry.get(), STATE as c_int) };
        // In a state that no signal ends it returns 0 (`signal_pending_state`). Then there is
        // nothing to check.
        if STATE & sys::TASK_INTERRUPTIBLE != 0 {
            interrupted = interrupted.and(to_result(returned as c_int));
        }
    }
    // The task is in the queues now: from here on, a wake-up of one of them wakes this task.
    let same = queues
        .iter()
        .zip(woken)
        .all(|(queue, &woken)| queue.woken.load(Ordering::Relaxed) == woken);
    let finish = || {
        for (queue, entry) in queues.iter().zip(&entries) {
            // SAFETY: `finish_wait` requires the queue for which the entry was prepared, and the
            // task that owns the entry, which is this one. After this call the entry is in no
            // queue, and nothing uses it. A second call finds it in no queue.
            unsafe { sys::finish_wait(queue.raw.get(), entry.get()) };
        }
    };
    let mut left = timeout;
    if interrupted.is_ok() {
        if !same {
            // C's loop also calls the scheduler here, in a state in which the task may continue to
            // run. `finish_wait` sets that state. Without this, a condition that wakes its own
            // queue, or that is slower than the wake-ups, would keep the CPU from the task that
            // makes it true.
            finish();
        }
        // SAFETY: `schedule_timeout` requires a caller that may sleep, which `might_sleep` checked,
        // and a timeout that is not negative. It is the rest of one that was not.
        let ticks = unsafe { sys::schedule_timeout(timeout.unwrap_or(FOREVER)) };
        left = timeout.map(|_| ticks);
    }
    finish();
    (left, interrupted)
}

/// Returns an initialiser of a [`WaitQueue`](crate::wait::WaitQueue) with a lockdep class of its
/// own: C's `init_waitqueue_head`.
///
/// The forms are `new_wait_queue!()` and `new_wait_queue!("name")`. `name` is used in lockdep's
/// reports. Without it, the name is the source location.
#[macro_export]
macro_rules! new_wait_queue {
    ($($name:literal)? $(,)?) => {{
        let (name, key) = $crate::__lock_class!($($name)?);
        $crate::wait::WaitQueue::new(name, key)
    }};
}
