// SPDX-License-Identifier: GPL-2.0-only
//! `struct work_struct`.
//!
//! C header: `include/linux/workqueue.h`.

use core::ffi::{CStr, c_char};
use core::ops::Deref;
use core::pin::Pin;

use linux_driver_sys as sys;
use pinned_init::PinInit;

use super::ItemQueue;
use super::item::{Handler, Item, RawItem};
use crate::device::{Bound, Device};
use crate::error::{Error, Result};
use crate::sync::LockClassKey;

/// The handler of a [`Work`], with the data on which it works.
pub trait WorkItem: Sized + Send + Sync + 'static {
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
    fn run(work: &Work<Self>, dev: &Device<Bound>);
}

/// A work item with its handler: C's `struct work_struct`.
///
/// [`new_work!`](crate::new_work) makes it in the data of the bound driver. Anywhere else that
/// fails with `EINVAL`. An item is made for one queue and can be queued only there; [`ItemQueue`]
/// explains why. When it is dropped, it is cancelled first, and then the handler is dropped.
///
/// # Examples
/// ```no_run
/// use linux_driver::device::{self, Bound};
/// use linux_driver::prelude::*;
/// use linux_driver::workqueue::{Work, WorkItem};
/// use linux_driver::{new_work, pci};
///
/// struct Reset {
///     tries: u32,
/// }
///
/// impl WorkItem for Reset {
///     fn run(work: &Work<Self>, dev: &device::Device<Bound>) {
///         dev_info!(dev, "reset, {} tries", work.tries);
///     }
/// }
///
/// #[pin_data]
/// struct Data {
///     #[pin]
///     reset: Work<Reset>,
/// }
///
/// fn data(dev: &pci::Device<Bound>) -> impl PinInit<Data, Error> {
///     let dev: &device::Device<Bound> = dev.as_ref();
///     try_pin_init!(Data { reset <- new_work!(dev, Reset { tries: 3 }) })
/// }
///
/// fn interrupt(data: &Data) {
///     data.reset.queue();
/// }
/// ```
#[doc(alias = "work_struct")]
#[repr(transparent)]
pub struct Work<H: WorkItem>(Item<sys::work_struct, H>);

// SAFETY: the field is the value itself. `process_one_work` calls the function with the item that
// it takes off the queue. The bits and locks of `kernel/workqueue.c` let any thread queue and
// cancel the item.
unsafe impl RawItem for sys::work_struct {
    const WORK: usize = 0;

    #[inline(always)]
    unsafe fn init(
        raw: *mut Self,
        run: sys::work_func_t,
        name: *const c_char,
        key: *mut sys::lock_class_key,
    ) {
        // SAFETY: `INIT_WORK` requires what this function requires of its caller.
        unsafe { sys::linux_driver_init_work(raw, run, name, key) }
    }

    #[inline(always)]
    unsafe fn cancel_sync(raw: *mut Self) -> bool {
        // SAFETY: `cancel_work_sync` requires:
        // - what this function requires of its caller;
        // - an item that is not a `delayed_work`: `init` initialised it as a `work_struct`.
        unsafe { sys::cancel_work_sync(raw) }
    }
}

impl<H: WorkItem> Handler<sys::work_struct> for H {
    #[inline(always)]
    fn handle(item: &Item<sys::work_struct, H>, dev: &Device<Bound>) {
        // SAFETY: a `Work` is an item and nothing else (`repr(transparent)`), so a reference to one
        // may be used as a reference to the other.
        let work = unsafe { &*core::ptr::from_ref(item).cast::<Work<H>>() };
        H::run(work, dev);
    }
}

impl<H: WorkItem> Work<H> {
    /// Makes an item for a queue: C's `INIT_WORK`. Use [`new_work!`](crate::new_work), which
    /// provides the class.
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
    #[doc(alias = "INIT_WORK")]
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

    /// Queues the item to its queue, to run soon: C's `queue_work`. Returns `false` and does
    /// nothing if it is pending already.
    ///
    /// # Context
    ///
    /// Any except NMI.
    #[inline]
    #[doc(alias = "queue_work")]
    #[doc(alias = "queue_work_on")]
    #[doc(alias = "schedule_work")]
    pub fn queue(&self) -> bool {
        let cpu = sys::LINUX_DRIVER_CPU_UNBOUND;
        // SAFETY: `queue_work_on` requires:
        // - an initialised item that stays until it was cancelled: by the invariant of `Item`, and
        //   by its `drop`;
        // - a queue that is not destroyed before the item has run: `member` keeps it, and is
        //   dropped after the item was cancelled;
        // - that no run of the item on another queue is left, because two runs would overlap: it
        //   was never queued to another one, by the invariant of `Item`;
        // - a CPU that is online: `WORK_CPU_UNBOUND` leaves the choice to C.
        self.0
            .member()
            .queue(|queue| unsafe { sys::queue_work_on(cpu, queue, self.0.raw()) })
    }

    /// Waits until the item has run, if it is pending or running: C's `flush_work`. Returns `false`
    /// if it was idle.
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
    #[doc(alias = "flush_work")]
    pub fn flush(&self) -> Result<bool> {
        self.0.member().may_flush()?;
        // SAFETY: `flush_work` requires an initialised item whose memory and queue stay until it
        // returns, which this value ensures. It requires a caller that may sleep. Sleeping
        // elsewhere is a bug that the kernel reports, but no memory error.
        let flush = || unsafe { sys::flush_work(self.0.raw()) };
        Ok(self.0.member().flush(flush, |_, _| ()))
    }

    /// Takes the item off its queue, or waits until it has run: C's `cancel_work_sync`. Returns
    /// `true` if it was pending. It can be queued again afterwards.
    ///
    /// # Context
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// [`EDEADLK`](crate::error::code::EDEADLK) in the item's own run, because the call would wait
    /// for itself.
    #[doc(alias = "cancel_work_sync")]
    pub fn cancel_sync(&self) -> Result<bool> {
        self.0.cancel_sync()
    }

    /// Returns the handler, pinned.
    pub fn handler(&self) -> Pin<&H> {
        self.0.handler()
    }
}

impl<H: WorkItem> Deref for Work<H> {
    type Target = H;

    fn deref(&self) -> &H {
        self.0.handler().get_ref()
    }
}

/// Returns an initialiser of a [`Work`](crate::workqueue::Work) with a lockdep class of its own:
/// C's `INIT_WORK`.
///
/// `new_work!(dev, handler)` makes an item for the kernel's own queue
/// ([`system`](crate::workqueue::system)). `new_work!(dev, handler, on: queue)` makes one for
/// another queue. `handler` is a handler or an initialiser of one. Both forms accept a name for
/// lockdep's reports at the end: `new_work!(dev, handler, "name")`. Without it, the name is the
/// source location.
///
/// # Examples
///
/// ```no_run
/// # use linux_driver::device::{Bound, Device};
/// # use linux_driver::prelude::*;
/// # use linux_driver::workqueue::{Work, WorkItem};
/// use linux_driver::{new_work, workqueue};
/// # struct Upload;
/// # impl WorkItem for Upload {
/// #     fn run(_work: &Work<Self>, _dev: &Device<Bound>) {}
/// # }
///
/// /// Makes an item that runs for a long time, so it is not on the queue for short items.
/// fn upload(dev: &Device<Bound>) -> impl PinInit<Work<Upload>, Error> {
///     new_work!(dev, Upload, on: workqueue::system_unbound(), "upload")
/// }
/// ```
#[macro_export]
macro_rules! new_work {
    ($dev:expr, $handler:expr, on: $queue:expr $(, $name:literal)? $(,)?) => {{
        let (name, key) = $crate::__lock_class!($($name)?);
        $crate::workqueue::Work::new(
            $dev,
            $crate::workqueue::ItemQueue::from($queue),
            $handler,
            name,
            key,
        )
    }};
    ($dev:expr, $handler:expr $(, $name:literal)? $(,)?) => {
        $crate::new_work!($dev, $handler, on: $crate::workqueue::system() $(, $name)?)
    };
}
