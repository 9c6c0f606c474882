// SPDX-License-Identifier: GPL-2.0-only
//! `struct delayed_work`.
//!
//! C header: `include/linux/workqueue.h`.

use core::ffi::{CStr, c_char};
use core::mem::offset_of;
use core::ops::Deref;
use core::pin::Pin;

use linux_driver_sys as sys;
use pinned_init::PinInit;

use super::ItemQueue;
use super::item::{Handler, Item, RawItem};
use crate::device::{Bound, Device};
use crate::error::{Error, Result};
use crate::jiffies::Jiffies;
use crate::sync::LockClassKey;

/// The handler of a [`DelayedWork`], with the data on which it works.
pub trait DelayedWorkItem: Sized + Send + Sync + 'static {
    /// Does the work. `work` dereferences to the handler, and can be queued again.
    ///
    /// Runs once for each time that the item was queued while it was not pending. Runs never
    /// overlap, because the item has one queue for its life. In its own run, an item cannot be
    /// flushed or cancelled (`EDEADLK`).
    ///
    /// # Context
    ///
    /// May sleep.
    #[doc(alias = "work_func_t")]
    fn run(work: &DelayedWork<Self>, dev: &Device<Bound>);
}

/// A work item that runs after a delay, with its handler: C's `struct delayed_work`.
///
/// [`new_delayed_work!`](crate::new_delayed_work) makes it in the data of the bound driver.
/// Anywhere else that fails with `EINVAL`. An item is made for one queue and can be queued only
/// there; [`ItemQueue`] explains why. When it is dropped, it is cancelled first, and then the
/// handler is dropped.
///
/// # Examples
/// ```no_run
/// use linux_driver::device::{self, Bound};
/// use linux_driver::jiffies::Jiffies;
/// use linux_driver::prelude::*;
/// use linux_driver::workqueue::{DelayedWork, DelayedWorkItem};
/// use linux_driver::{new_delayed_work, pci};
///
/// struct Reset {
///     tries: u32,
/// }
///
/// impl DelayedWorkItem for Reset {
///     fn run(work: &DelayedWork<Self>, dev: &device::Device<Bound>) {
///         dev_info!(dev, "reset, {} tries", work.tries);
///     }
/// }
///
/// #[pin_data]
/// struct Data {
///     #[pin]
///     reset: DelayedWork<Reset>,
/// }
///
/// fn data(dev: &pci::Device<Bound>) -> impl PinInit<Data, Error> {
///     let dev: &device::Device<Bound> = dev.as_ref();
///     try_pin_init!(Data { reset <- new_delayed_work!(dev, Reset { tries: 3 }) })
/// }
///
/// fn interrupt(data: &Data) {
///     data.reset.queue(Jiffies::from_msecs(20));
/// }
/// ```
#[doc(alias = "delayed_work")]
#[repr(transparent)]
pub struct DelayedWork<H: DelayedWorkItem>(Item<sys::delayed_work, H>);

// SAFETY: the offset is that of the field. `process_one_work` calls the function with the item
// that it takes off the queue, which is that field. The bits and locks of `kernel/workqueue.c` let
// any thread queue and cancel the item.
unsafe impl RawItem for sys::delayed_work {
    const WORK: usize = offset_of!(Self, work);

    #[inline(always)]
    unsafe fn init(
        raw: *mut Self,
        run: sys::work_func_t,
        name: *const c_char,
        key: *mut sys::lock_class_key,
    ) {
        // SAFETY: `INIT_DELAYED_WORK` requires what this function requires of its caller.
        unsafe { sys::linux_driver_init_delayed_work(raw, run, name, key) }
    }

    #[inline(always)]
    unsafe fn cancel_sync(raw: *mut Self) -> bool {
        // SAFETY: `cancel_delayed_work_sync` requires what this function requires of its caller.
        unsafe { sys::cancel_delayed_work_sync(raw) }
    }
}

impl<H: DelayedWorkItem> Handler<sys::delayed_work> for H {
    #[inline(always)]
    fn handle(item: &Item<sys::delayed_work, H>, dev: &Device<Bound>) {
        // SAFETY: a `DelayedWork` is an item and nothing else (`repr(transparent)`), so a reference
        // to one may be used as a reference to the other.
        let work = unsafe { &*core::ptr::from_ref(item).cast::<DelayedWork<H>>() };
        H::run(work, dev);
    }
}

impl<H: DelayedWorkItem> DelayedWork<H> {
    /// Makes an item for a queue: C's `INIT_DELAYED_WORK`. Use
    /// [`new_delayed_work!`](crate::new_delayed_work), which provides the class.
    ///
    /// # Context
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// - [`EINVAL`](crate::error::code::EINVAL) if the item is not initialised in the data of
    ///   `dev`'s driver;
    /// - [`ENOMEM`](crate::error::code::ENOMEM) if there is no memory;
    /// - the error of `handler`.
    #[doc(alias = "INIT_DELAYED_WORK")]
    pub fn new<E>(
        dev: &Device<Bound>,
        queue: ItemQueue,
        handler: impl PinInit<H, E>,
        name: &'static CStr,
        key: &'static LockClassKey,
    ) -> impl PinInit<Self, Error>
    where
        Error: From<E>,
    {
        // SAFETY: the type is `repr(transparent)`, and an item is its field.
        unsafe { Item::init(dev, queue, handler, name, key) }
    }

    /// Queues the item to its queue, to run after `delay`: C's `queue_delayed_work`. Returns
    /// `false` and does nothing if it is pending already.
    ///
    /// # Context
    ///
    /// Any except NMI.
    #[inline]
    #[doc(alias = "queue_delayed_work")]
    #[doc(alias = "queue_delayed_work_on")]
    #[doc(alias = "schedule_delayed_work")]
    pub fn queue(&self, delay: Jiffies) -> bool {
        self.0.member().queue(|queue| self.queue_to(queue, delay))
    }

    /// Calls C's `queue_delayed_work` for this queue, for `member`.
    #[inline(always)]
    fn queue_to(&self, queue: *mut sys::workqueue_struct, delay: Jiffies) -> bool {
        let cpu = sys::LINUX_DRIVER_CPU_UNBOUND;
        // SAFETY: `queue_delayed_work_on` requires:
        // - an initialised item that stays until its timer and its run were cancelled: by the
        //   invariant of `Item`, and by its `drop`;
        // - a queue that is not destroyed before the timer has queued the item and the item has
        //   run: `member` keeps it, and is dropped after both were cancelled;
        // - that no run of the item on another queue is left, because two runs would overlap: it
        //   was never queued to another one, by the invariant of `Item`;
        // - a CPU that is online: `WORK_CPU_UNBOUND` leaves the choice to C.
        unsafe { sys::queue_delayed_work_on(cpu, queue, self.0.raw(), delay.ticks()) }
    }

    /// Queues the item to its queue, to run after `delay` from now, even if it is pending: C's
    /// `mod_delayed_work`. Returns `true` if it was pending.
    ///
    /// An item that is being cancelled is not queued. If [`cancel_sync`](Self::cancel_sync) is
    /// called while this function runs, this function may be the one that takes the item off its
    /// queue. Then it returns `true`, and `cancel_sync` returns `false`.
    ///
    /// # Context
    ///
    /// Any except NMI.
    #[inline]
    #[doc(alias = "mod_delayed_work")]
    #[doc(alias = "mod_delayed_work_on")]
    pub fn modify(&self, delay: Jiffies) -> bool {
        let (cpu, raw) = (sys::LINUX_DRIVER_CPU_UNBOUND, self.0.raw());
        self.0.member().requeue(
            // SAFETY: `mod_delayed_work_on` requires the same as `queue_delayed_work_on` in
            // `queue_to`.
            |queue| unsafe { sys::mod_delayed_work_on(cpu, queue, raw, delay.ticks()) },
            || self.take(),
            |queue| self.queue_to(queue, delay),
        )
    }

    /// Calls C's `cancel_delayed_work`, for `member`.
    fn take(&self) -> bool {
        // SAFETY: `cancel_delayed_work` requires an initialised item, by the invariant of `Item`.
        // The queue on which it is pending must stay until it returns: `member` keeps it. The
        // function does not sleep.
        unsafe { sys::linux_driver_cancel_delayed_work(self.0.raw()) }
    }

    /// Returns true if the item's timer is armed, so that it waits for its time and not for its
    /// queue: C's `timer_pending`.
    fn timer_is_pending(&self) -> bool {
        // SAFETY: the item is initialised, by the invariant of `Item`. Only the address of the
        // field is taken.
        let entry = unsafe { &raw const (*self.0.raw()).timer.entry.pprev };
        // SAFETY: the field is valid for reads. C writes it on other CPUs meanwhile, by a single
        // store. `timer_pending` reads it by a single load, without a lock
        // (`hlist_unhashed_lockless`).
        let entry = unsafe { entry.read_volatile() };
        !entry.is_null()
    }

    /// Makes a pending item run now, and waits until it has run: C's `flush_delayed_work`. Returns
    /// `false` if it was idle.
    ///
    /// # Context
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// [`EDEADLK`](crate::error::code::EDEADLK) in the item's own run, and in a run of another item
    /// of a queue that runs one at a time
    /// ([`OwnedQueue::new_ordered`](super::OwnedQueue::new_ordered)). The call would wait for
    /// itself.
    #[doc(alias = "flush_delayed_work")]
    pub fn flush(&self) -> Result<bool> {
        self.0.member().may_flush()?;
        // SAFETY: `flush_delayed_work` requires an initialised item whose memory and queue stay
        // until it returns, which this value ensures. It requires a caller that may sleep and has
        // interrupts enabled, because it enables them. Calling it elsewhere is a bug that the
        // kernel reports, but no memory error.
        let flush = || unsafe { sys::flush_delayed_work(self.0.raw()) };
        Ok(self.0.member().flush(flush, |instances, queue| {
            if self.timer_is_pending() {
                instances.bring_forward(|| self.take(), || self.queue_to(queue, Jiffies::new(0)));
            }
        }))
    }

    /// Takes the item off its queue, or waits until it has run: C's `cancel_delayed_work_sync`.
    /// Returns `true` if it was pending. It can be queued again afterwards.
    ///
    /// # Context
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// [`EDEADLK`](crate::error::code::EDEADLK) in the item's own run, because the call would wait
    /// for itself.
    #[doc(alias = "cancel_delayed_work_sync")]
    pub fn cancel_sync(&self) -> Result<bool> {
        self.0.cancel_sync()
    }

    /// Returns the handler, pinned.
    pub fn handler(&self) -> Pin<&H> {
        self.0.handler()
    }
}

impl<H: DelayedWorkItem> Deref for DelayedWork<H> {
    type Target = H;

    fn deref(&self) -> &H {
        self.0.handler().get_ref()
    }
}

/// Returns an initialiser of a [`DelayedWork`](crate::workqueue::DelayedWork) with a lockdep class
/// of its own: C's `INIT_DELAYED_WORK`.
///
/// `new_delayed_work!(dev, handler)` makes an item for the kernel's own queue
/// ([`system`](crate::workqueue::system)). `new_delayed_work!(dev, handler, on: queue)` makes one
/// for another queue. `handler` is a handler or an initialiser of one. Both forms accept a name for
/// lockdep's reports at the end: `new_delayed_work!(dev, handler, "name")`. Without it, the name is
/// the source location.
#[macro_export]
macro_rules! new_delayed_work {
    ($dev:expr, $handler:expr, on: $queue:expr $(, $name:literal)? $(,)?) => {{
        let (name, key) = $crate::__lock_class!($($name)?);
        $crate::workqueue::DelayedWork::new(
            $dev,
            $crate::workqueue::ItemQueue::from($queue),
            $handler,
            name,
            key,
        )
    }};
    ($dev:expr, $handler:expr $(, $name:literal)? $(,)?) => {
        $crate::new_delayed_work!($dev, $handler, on: $crate::workqueue::system() $(, $name)?)
    };
}
