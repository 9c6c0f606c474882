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

/// Those who wait for a condition: C's `struct wait_queue_head`.
///
/// It is made in place by [`new_wait_queue!`](crate::new_wait_queue). Who makes a condition true
/// then calls [`wake_up`](Self::wake_up) or one of its kin, and each waiter looks at its condition
/// again.
///
/// A condition may sleep (take a mutex, say), unlike in C: it is called while the task runs, and is
/// in no queue. Each wake-up is counted, so that one which comes while the condition is looked at
/// is not lost. A condition that panics leaves nothing behind in the queue.
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
    /// How often it was woken. It comes round after 2^64 times, in no time that a condition takes.
    woken: AtomicUsize,
}

// SAFETY: C lets any task use a queue, or free one in which nobody waits. (Who waits has it
// borrowed; see `poll::Table::wait` for who polls.)
unsafe impl Send for WaitQueue {}
// SAFETY: C's functions take the lock that is in it; the count is atomic.
unsafe impl Sync for WaitQueue {}

impl WaitQueue {
    /// Makes one: C's `init_waitqueue_head`. Use [`new_wait_queue!`](crate::new_wait_queue), which
    /// brings the class.
    ///
    /// `name` is what lockdep calls its lock. Context: any.
    #[doc(alias = "init_waitqueue_head")]
    #[doc(alias = "__init_waitqueue_head")]
    pub fn new(name: &'static CStr, key: &'static LockClassKey) -> impl PinInit<Self> {
        let init = move |slot: *mut Opaque<sys::wait_queue_head>| {
            // SAFETY: `__init_waitqueue_head` asks for memory that nobody waits in: it is valid for
            // writes, and held no queue before. lockdep asks for a key, and a name, that stay as
            // long as the queue: both are statics of the module.
            unsafe { sys::__init_waitqueue_head(slot.cast(), name.as_ptr(), key.as_raw()) };
            Ok::<_, Infallible>(())
        };
        // SAFETY: C initialises all of the structure, which stays where it is: it is pinned.
        let raw = unsafe { pin_init_from_closure(init) };
        pin_init!(Self {
            raw <- raw,
            woken: AtomicUsize::new(0),
        })
    }

    /// As [`new`](Self::new), of zeroes.
    ///
    /// # Safety
    ///
    /// The memory is there and zeroed; what this makes of it stays where it is.
    pub(crate) unsafe fn init_zeroed(
        slot: *mut Self,
        name: &'static CStr,
        key: &'static LockClassKey,
    ) {
        // SAFETY: the memory is there; only the field's address is taken.
        let raw = unsafe { &raw mut (*slot).raw };
        // SAFETY: as in `new`. The count is 0, which is what it starts with.
        unsafe { sys::__init_waitqueue_head(raw.cast(), name.as_ptr(), key.as_raw()) };
    }

    /// The queue as C knows it: for `poll_wait`, which puts entries into it that may stay until the
    /// file is closed. Who gives it to C for that makes sure that it lives as long.
    pub fn as_raw(&self) -> *mut sys::wait_queue_head {
        self.raw.get()
    }

    /// Wakes all who wait: C's `wake_up`. (One alone of those that wait exclusively; here nobody
    /// does.)
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

    /// Wakes those whose wait a signal can interrupt: C's `wake_up_interruptible`. Context: any but
    /// NMI.
    #[inline]
    pub fn wake_up_interruptible(&self) {
        self.wake(sys::TASK_INTERRUPTIBLE, 1);
    }

    #[inline]
    #[doc(alias = "__wake_up")]
    fn wake(&self, mode: u32, exclusive: c_int) {
        // Before the queue is searched: who is not in it by then sees the new count, since both
        // take the queue's lock. What the caller did before comes before it.
        self.woken.fetch_add(1, Ordering::Release);
        // SAFETY: `__wake_up` asks for an initialised queue, each of whose entries is there until
        // it was taken out of the queue under its lock: `sleep` does so for ours, and C for those
        // of who polls (see `poll::Table::wait`). Its callbacks take a key of NULL as all events.
        unsafe { sys::__wake_up(self.raw.get(), mode, exclusive, core::ptr::null_mut()) };
    }

    /// Waits until `condition` holds: C's `wait_event`. No signal interrupts it. Context: may
    /// sleep.
    pub fn wait_event(&self, mut condition: impl FnMut() -> bool) {
        // Without a timeout or a signal, the condition is all that ends it.
        let _ = wait::<_, { sys::TASK_UNINTERRUPTIBLE }>([self], None, || {
            condition().then_some(Ok(()))
        });
    }

    /// Waits until `condition` holds; [`ERESTARTSYS`](crate::error::code::ERESTARTSYS) if a signal
    /// comes first: C's `wait_event_interruptible`. Context: may sleep.
    pub fn wait_event_interruptible(&self, mut condition: impl FnMut() -> bool) -> Result {
        wait::<_, { sys::TASK_INTERRUPTIBLE }>([self], None, || condition().then_some(Ok(())))
            .map(|_left| ())
    }

    /// Waits until `condition` holds, `timeout` at most, and returns what is left of that, at least
    /// one tick. [`ETIMEDOUT`] if the condition does not hold then either: C's
    /// `wait_event_timeout`, which returns 0. Context: may sleep.
    pub fn wait_event_timeout(
        &self,
        timeout: Jiffies,
        mut condition: impl FnMut() -> bool,
    ) -> Result<Jiffies> {
        wait::<_, { sys::TASK_UNINTERRUPTIBLE }>([self], Some(timeout.as_long()), || {
            condition().then_some(Ok(()))
        })
    }

    /// As [`wait_event_timeout`](Self::wait_event_timeout); `ERESTARTSYS` if a signal comes first:
    /// C's `wait_event_interruptible_timeout`. Context: may sleep.
    pub fn wait_event_interruptible_timeout(
        &self,
        timeout: Jiffies,
        mut condition: impl FnMut() -> bool,
    ) -> Result<Jiffies> {
        wait::<_, { sys::TASK_INTERRUPTIBLE }>([self], Some(timeout.as_long()), || {
            condition().then_some(Ok(()))
        })
    }

    /// As [`wait_event_interruptible`](Self::wait_event_interruptible), on two queues at once:
    /// [`ENODEV`] as soon as `stopped` holds, which who sets it tells by waking `stop`. It goes
    /// before `condition`, which is not called then.
    ///
    /// So an operation of a file waits for its device, and is woken when the device goes. Context:
    /// may sleep.
    pub fn wait_event_interruptible_or(
        &self,
        stop: &Self,
        stopped: impl FnMut() -> bool,
        condition: impl FnMut() -> bool,
    ) -> Result {
        wait::<_, { sys::TASK_INTERRUPTIBLE }>([stop, self], None, stop_or(stopped, condition))
            .map(|_left| ())
    }

    /// As [`wait_event_interruptible_or`](Self::wait_event_interruptible_or), `timeout` at most:
    /// what is left of that, or [`ETIMEDOUT`]. Context: may sleep.
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

/// Says that what comes may sleep: C's `might_sleep`, but that it does not let others run. A kernel
/// with `DEBUG_ATOMIC_SLEEP` reports where that must not be; on others nothing is left of it.
#[inline(always)]
pub(crate) fn might_sleep() {
    #[cfg(has_fn = "__might_sleep")]
    {
        // SAFETY: `__might_sleep` asks for a string that stays as long as the task, which keeps it
        // (`task_state_change`): it is a literal. It may be called in any context, to say whether
        // that is the right one.
        unsafe { sys::__might_sleep(concat!(file!(), "\0").as_ptr().cast(), line!() as c_int) };
    }
}

/// No timeout: `MAX_SCHEDULE_TIMEOUT` in `include/linux/sched.h`.
const FOREVER: c_long = c_long::MAX;

/// What ends a wait with a stop: that, before the condition.
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

/// Waits on all of `queues` until `done` says how it ended, or `timeout` ticks are over, if there
/// is a timeout: C's `___wait_event`, in the task state `STATE`, one of `TASK_*`. Returns what is
/// left of the timeout. As in C, the time that `done` takes is not counted.
///
/// `done` is the driver's own code, and may panic, which ends the task: it is called while the task
/// is in no queue.
fn wait<const N: usize, const STATE: u32>(
    queues: [&WaitQueue; N],
    mut timeout: Option<c_long>,
    mut done: impl FnMut() -> Option<Result>,
) -> Result<Jiffies> {
    might_sleep();
    let mut interrupted = Ok(());
    loop {
        // Before the condition is looked at: who makes it true after that wakes a queue after this,
        // which is seen below.
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

/// Sleeps until one of `queues` is woken, which was woken as often as `woken` says; or `timeout`
/// ticks are over, or a signal comes. Returns what is left of the timeout, and `ERESTARTSYS` for a
/// signal.
///
/// Nothing of the driver's runs in it: the task is in the queues, by entries on its stack, and in
/// none when it returns.
fn sleep<const N: usize, const STATE: u32>(
    queues: &[&WaitQueue; N],
    woken: &[usize; N],
    timeout: Option<c_long>,
) -> (Option<c_long>, Result) {
    let entries = [const { Opaque::<sys::wait_queue_entry>::uninit() }; N];
    let mut interrupted = Ok(());
    for (queue, entry) in queues.iter().zip(&entries) {
        // SAFETY: `init_wait_entry` asks for memory that is in no queue: it is new.
        unsafe { sys::init_wait_entry(entry.get(), 0) };
        // SAFETY: `prepare_to_wait_event` asks for an initialised queue and an initialised entry of
        // this task's, which stay where they are until `finish_wait`: the queue is borrowed, and
        // the entry does not go before the end of this function, which has no other way out.
        let returned =
            unsafe { sys::prepare_to_wait_event(queue.raw.get(), entry.get(), STATE as c_int) };
        // It returns 0 in a state that no signal ends (`signal_pending_state`): nothing is to be
        // asked then.
        if STATE & sys::TASK_INTERRUPTIBLE != 0 {
            interrupted = interrupted.and(to_result(returned as c_int));
        }
    }
    // In the queues now: who wakes one from here on wakes this task.
    let same = queues
        .iter()
        .zip(woken)
        .all(|(queue, &woken)| queue.woken.load(Ordering::Relaxed) == woken);
    let finish = || {
        for (queue, entry) in queues.iter().zip(&entries) {
            // SAFETY: `finish_wait` asks for the queue that the entry was prepared for, and for
            // this task to be its owner. After this call the entry is in no queue, and nobody looks
            // at it; another call finds it in none.
            unsafe { sys::finish_wait(queue.raw.get(), entry.get()) };
        }
    };
    let mut left = timeout;
    if interrupted.is_ok() {
        if !same {
            // C's loop calls the scheduler here too, as a task that may go on running, which
            // `finish_wait` makes it. Otherwise a condition that wakes its own queue, or is slower
            // than those who wake it, would keep the CPU from the task that makes it true.
            finish();
        }
        // SAFETY: `schedule_timeout` asks for a caller that may sleep, which `might_sleep` has
        // said, and for a timeout that is not negative: it is what is left of one that was not.
        let ticks = unsafe { sys::schedule_timeout(timeout.unwrap_or(FOREVER)) };
        left = timeout.map(|_| ticks);
    }
    finish();
    (left, interrupted)
}

/// An initialiser of a [`WaitQueue`](crate::wait::WaitQueue) with a lockdep class of its own: C's
/// `init_waitqueue_head`.
///
/// `new_wait_queue!()`, or `new_wait_queue!("name")` with a name for lockdep's reports; else it is
/// the place.
#[macro_export]
macro_rules! new_wait_queue {
    ($($name:literal)? $(,)?) => {{
        let (name, key) = $crate::__lock_class!($($name)?);
        $crate::wait::WaitQueue::new(name, key)
    }};
}
