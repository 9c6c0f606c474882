// SPDX-License-Identifier: GPL-2.0-only
//! `struct workqueue_struct`.
//!
//! C header: `include/linux/workqueue.h`.

use core::cell::UnsafeCell;
use core::ffi::CStr;
use core::ops::BitOr;
use core::pin::Pin;
use core::ptr::NonNull;

use linux_driver_sys as sys;
use pinned_init::{pin_data, pinned_drop, try_pin_init};

use super::member::{Members, current_work};
use crate::alloc::GFP_KERNEL;
use crate::error::{Error, Result, code::EDEADLK, code::EINVAL, code::ENOMEM};
use crate::sync::Arc;

/// One of the kernel's own queues of work items: C's `struct workqueue_struct`.
///
/// # Invariants
///
/// It is a workqueue that lives as long as the reference.
#[repr(transparent)]
#[doc(alias = "workqueue_struct")]
pub struct Queue(UnsafeCell<sys::workqueue_struct>);

// SAFETY: C's functions take the locks that they need.
unsafe impl Sync for Queue {}

impl Queue {
    /// Returns the queue as C knows it.
    pub fn as_raw(&self) -> *mut sys::workqueue_struct {
        self.0.get()
    }
}

/// Returns the kernel's own queue for short items, which run on the CPU that queues them: C's
/// `system_percpu_wq`, once `system_wq`.
#[doc(alias = "system_wq")]
#[doc(alias = "system_percpu_wq")]
pub fn system() -> &'static Queue {
    // SAFETY: the shim has no precondition: it reads a variable that the kernel sets before it
    // loads any module (`workqueue_init_early`), and never again.
    let queue = unsafe { sys::linux_driver_system_wq() };
    // SAFETY: the pointer is to a workqueue, which the kernel never destroys.
    unsafe { &*queue.cast() }
}

/// Returns the kernel's own queue for items that run on any CPU, and may take long: C's
/// `system_dfl_wq`, once `system_unbound_wq`.
#[doc(alias = "system_unbound_wq")]
#[doc(alias = "system_dfl_wq")]
pub fn system_unbound() -> &'static Queue {
    // SAFETY: as in `system`.
    let queue = unsafe { sys::linux_driver_system_unbound_wq() };
    // SAFETY: as in `system`.
    unsafe { &*queue.cast() }
}

/// What a queue of one's own is like: C's `WQ_*`, joined by `|`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct QueueFlags(u32);

impl QueueFlags {
    /// Nothing in particular.
    pub const NONE: Self = Self(0);
    /// Its items rest while the system is suspended. A `suspend` callback may cancel them, and must
    /// not flush them: they do not run before the system has resumed.
    #[doc(alias = "WQ_FREEZABLE")]
    pub const FREEZABLE: Self = Self(sys::LINUX_DRIVER_WQ_FREEZABLE as u32);
    /// Freeing memory may have to wait for its items: the queue has a thread of its own for that.
    #[doc(alias = "WQ_MEM_RECLAIM")]
    pub const MEM_RECLAIM: Self = Self(sys::LINUX_DRIVER_WQ_MEM_RECLAIM as u32);
    /// Its items go before others.
    #[doc(alias = "WQ_HIGHPRI")]
    pub const HIGHPRI: Self = Self(sys::LINUX_DRIVER_WQ_HIGHPRI as u32);
}

impl BitOr for QueueFlags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// A queue of one's own: C's `alloc_workqueue`, `alloc_ordered_workqueue` and `destroy_workqueue`.
///
/// Its items run on any CPU (`WQ_UNBOUND`). An item is made for a queue and shares it, so that the
/// queue is destroyed when this value and all its items are gone. No item can then be queued to a
/// queue that is gone, nor destroy the queue that it runs on.
///
/// Dropping this value does not wait for what is queued: [`flush`](Self::flush) does. What is still
/// queued when its item is dropped is cancelled.
///
/// Context: it is made, and dropped, where one may sleep.
///
/// ```no_run
/// use linux_driver::device::{self, Bound};
/// use linux_driver::prelude::*;
/// use linux_driver::workqueue::{OwnedQueue, QueueFlags, Work, WorkItem};
/// use linux_driver::{new_work, pci};
///
/// struct Reset;
/// struct Restart;
///
/// impl WorkItem for Reset {
///     fn run(_work: &Work<Self>, dev: &device::Device<Bound>) {
///         dev_info!(dev, "reset");
///     }
/// }
///
/// impl WorkItem for Restart {
///     fn run(_work: &Work<Self>, dev: &device::Device<Bound>) {
///         dev_info!(dev, "started again");
///     }
/// }
///
/// #[pin_data]
/// struct Data {
///     resets: OwnedQueue,
///     #[pin]
///     reset: Work<Reset>,
///     #[pin]
///     restart: Work<Restart>,
/// }
///
/// fn data(dev: &pci::Device<Bound>) -> impl PinInit<Data, Error> {
///     pin_init_scope(move || {
///         let dev: &device::Device<Bound> = dev.as_ref();
///         // One after the other, in the order in which they were queued.
///         let resets = OwnedQueue::new_ordered(c"resets", QueueFlags::NONE)?;
///         Ok(try_pin_init!(Data {
///             reset <- new_work!(dev, Reset, on: &resets),
///             restart <- new_work!(dev, Restart, on: &resets),
///             resets: resets,
///         }? Error))
///     })
/// }
///
/// fn reset(data: &Data) -> Result {
///     data.reset.queue();
///     data.restart.queue();
///     data.resets.flush()
/// }
/// ```
#[doc(alias = "alloc_workqueue")]
pub struct OwnedQueue(Arc<Shared>);

impl OwnedQueue {
    /// Makes a queue that runs up to `max_active` items at a time for each CPU or node, as the
    /// kernel at hand counts: C's `alloc_workqueue` with `WQ_UNBOUND`. 0 is C's default.
    ///
    /// With 1 the queue is **not** ordered: since 6.9 items that were queued on different CPUs may
    /// run in another order, and at once (`Documentation/core-api/workqueue.rst`).
    /// [`new_ordered`](Self::new_ordered) makes a queue that is.
    ///
    /// # Context
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// `EINVAL` if `max_active` is more than 512 (`WQ_MAX_ACTIVE` of older kernels), `ENOMEM`.
    #[doc(alias = "alloc_workqueue")]
    pub fn new(name: &CStr, flags: QueueFlags, max_active: u32) -> Result<Self> {
        let limit = i32::try_from(max_active)
            .ok()
            .filter(|&max| max <= 512)
            .ok_or(EINVAL)?;
        let flags = flags.0 | sys::LINUX_DRIVER_WQ_UNBOUND as u32;
        // SAFETY: the shim passes the name to `"%s"`, which asks for a string that is valid for the
        // call; C copies it. Any flags of `WQ_*` go together with `WQ_UNBOUND`, but for those that
        // `QueueFlags` does not have (`WQ_BH`, `WQ_PERCPU`).
        let allocate = || unsafe { sys::linux_driver_alloc_workqueue(name.as_ptr(), flags, limit) };
        Self::with(max_active == 1, allocate)
    }

    /// Makes a queue that runs one item at a time, in the order in which they were queued: C's
    /// `alloc_ordered_workqueue`.
    ///
    /// # Context
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    #[doc(alias = "alloc_ordered_workqueue")]
    pub fn new_ordered(name: &CStr, flags: QueueFlags) -> Result<Self> {
        // SAFETY: as in `new`.
        let allocate =
            || unsafe { sys::linux_driver_alloc_ordered_workqueue(name.as_ptr(), flags.0) };
        Self::with(true, allocate)
    }

    /// Makes a queue. `one_at_a_time` says that an item may wait for another one to end before it
    /// begins.
    fn with(
        one_at_a_time: bool,
        allocate: impl FnOnce() -> *mut sys::workqueue_struct,
    ) -> Result<Self> {
        let init = try_pin_init!(Shared {
            raw: NonNull::new(allocate()).ok_or(ENOMEM)?,
            one_at_a_time,
            members <- Members::new(),
        }? Error);
        Arc::pin_init(init, GFP_KERNEL).map(Self)
    }

    /// Waits until all that is queued now has run: C's `flush_workqueue`. The kernel's own queues
    /// have no such thing (C's header warns of it): a `probe` that was deferred is an item of one
    /// of them, and would wait for itself.
    ///
    /// # Context
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// [`EDEADLK`] in an item of this queue, which would wait for itself.
    #[doc(alias = "flush_workqueue")]
    #[doc(alias = "__flush_workqueue")]
    pub fn flush(&self) -> Result {
        if self.0.members.contains(current_work()) {
            return Err(EDEADLK);
        }
        // SAFETY: `__flush_workqueue` asks for a workqueue that is not destroyed meanwhile, which
        // this value shares, and for a caller that may sleep: to sleep elsewhere is a bug that the
        // kernel reports, and no memory error.
        unsafe { sys::__flush_workqueue(self.as_raw()) };
        Ok(())
    }

    /// Returns the queue as C knows it.
    pub fn as_raw(&self) -> *mut sys::workqueue_struct {
        self.0.raw.as_ptr()
    }
}

/// A queue of ours, which its [`OwnedQueue`] and its items share.
///
/// # Invariants
///
/// `raw` is a workqueue from `alloc_workqueue`, which this value destroys. `members` are the
/// addresses of the items that may be queued to it: an item that is pending or runs on it is among
/// them.
#[pin_data(PinnedDrop)]
pub(super) struct Shared {
    raw: NonNull<sys::workqueue_struct>,
    /// Whether no item may begin before another one has ended.
    pub(super) one_at_a_time: bool,
    #[pin]
    pub(super) members: Members,
}

// SAFETY: C lets a workqueue be used, and destroyed, by any task.
unsafe impl Send for Shared {}
// SAFETY: as above; its functions take the locks that they need.
unsafe impl Sync for Shared {}

#[pinned_drop]
impl PinnedDrop for Shared {
    #[doc(alias = "destroy_workqueue")]
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: `destroy_workqueue` asks that nothing is queued to the queue from now on, by a
        // caller or by the timer of a delayed item (`drain_workqueue` refuses what is queued
        // meanwhile, and up to 6.12 leaves it pending for ever). Each item that can be queued here
        // shares this value and was cancelled before it gave its share back. It asks for a caller
        // that is not an item of the queue, too, for which it would wait: such an item would have a
        // share. The queue is ours, by the type's invariant.
        unsafe { sys::destroy_workqueue(self.raw.as_ptr()) };
    }
}

/// The queue that an item is made for: one of the kernel's own, or an owned one. An item is queued
/// there for all of its life.
///
/// C lets an item go to another queue each time. Its promise that an item never runs twice at once
/// holds on one queue alone (`Documentation/core-api/workqueue.rst`, "Non-reentrance Conditions"),
/// and so does that of `cancel_work_sync`.
#[derive(Clone)]
pub struct ItemQueue(pub(super) Kind);

/// Whose a queue is.
#[derive(Clone)]
pub(super) enum Kind {
    System(&'static Queue),
    Owned(Arc<Shared>),
}

impl From<&'static Queue> for ItemQueue {
    fn from(queue: &'static Queue) -> Self {
        Self(Kind::System(queue))
    }
}

impl From<&OwnedQueue> for ItemQueue {
    fn from(queue: &OwnedQueue) -> Self {
        Self(Kind::Owned(queue.0.clone()))
    }
}

impl Kind {
    pub(super) fn raw(&self) -> *mut sys::workqueue_struct {
        match self {
            Self::System(queue) => queue.as_raw(),
            Self::Owned(shared) => shared.raw.as_ptr(),
        }
    }
}
