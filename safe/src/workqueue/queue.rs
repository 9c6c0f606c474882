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

/// One of the kernel's own work queues: C's `struct workqueue_struct`.
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
/// `system_percpu_wq`, formerly `system_wq`.
#[doc(alias = "system_wq")]
#[doc(alias = "system_percpu_wq")]
pub fn system() -> &'static Queue {
    // SAFETY: the shim has no preconditions. It reads a variable that the kernel sets before it
    // loads any module (`workqueue_init_early`) and does not change later.
    let queue = unsafe { sys::linux_driver_system_wq() };
    // SAFETY: the pointer points to a workqueue that the kernel never destroys.
    unsafe { &*queue.cast() }
}

/// Returns the kernel's own queue for items that may run on any CPU and may take long: C's
/// `system_dfl_wq`, formerly `system_unbound_wq`.
#[doc(alias = "system_unbound_wq")]
#[doc(alias = "system_dfl_wq")]
pub fn system_unbound() -> &'static Queue {
    // SAFETY: same as in `system`.
    let queue = unsafe { sys::linux_driver_system_unbound_wq() };
    // SAFETY: same as in `system`.
    unsafe { &*queue.cast() }
}

/// Flags of an [`OwnedQueue`]: C's `WQ_*`, combined with `|`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct QueueFlags(u32);

impl QueueFlags {
    /// No flags.
    pub const NONE: Self = Self(0);
    /// Items do not run while the system is suspended. A `suspend` callback may cancel them, but
    /// must not flush them, because they do not run before the system has resumed.
    #[doc(alias = "WQ_FREEZABLE")]
    pub const FREEZABLE: Self = Self(sys::LINUX_DRIVER_WQ_FREEZABLE as u32);
    /// Freeing memory may have to wait for the items. The queue has a rescuer thread for that.
    #[doc(alias = "WQ_MEM_RECLAIM")]
    pub const MEM_RECLAIM: Self = Self(sys::LINUX_DRIVER_WQ_MEM_RECLAIM as u32);
    /// Items run with high priority.
    #[doc(alias = "WQ_HIGHPRI")]
    pub const HIGHPRI: Self = Self(sys::LINUX_DRIVER_WQ_HIGHPRI as u32);
}

impl BitOr for QueueFlags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// A queue that the driver allocates: C's `alloc_workqueue`, `alloc_ordered_workqueue` and
/// `destroy_workqueue`.
///
/// Its items may run on any CPU (`WQ_UNBOUND`). An item is made for a queue and shares the queue.
/// The queue is destroyed when this value and all of its items are dropped. So an item cannot be
/// queued to a destroyed queue, and cannot destroy the queue on which it runs.
///
/// Dropping this value does not wait for queued items; [`flush`](Self::flush) does. An item that is
/// still queued when it is dropped is cancelled.
///
/// # Context
///
/// Making a queue and dropping it may sleep.
///
/// # Examples
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
/// // The items run one at a time, in the order in which they were queued.
///         let resets = OwnedQueue::new_ordered(c"resets", QueueFlags::NONE)?;
///         Ok(try_pin_init!(Data {
///             reset <- new_work!(dev, Reset, on: &resets),
///             restart <- new_work!(dev, Restart, on: &resets),
///             resets: resets,
///         }))
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
    /// Allocates a queue that runs up to `max_active` items at the same time: C's `alloc_workqueue`
    /// with `WQ_UNBOUND`. The limit is for each CPU or for each node, depending on the kernel. 0
    /// means C's default.
    ///
    /// With 1 the queue is **not** ordered: since 6.9, items that were queued on different CPUs may
    /// run in another order and at the same time (`Documentation/core-api/workqueue.rst`). For an
    /// ordered queue use [`new_ordered`](Self::new_ordered).
    ///
    /// # Context
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// `EINVAL` if `max_active` is greater than 512 (`WQ_MAX_ACTIVE` of older kernels); `ENOMEM` if
    /// there is no memory.
    #[doc(alias = "alloc_workqueue")]
    pub fn new(name: &CStr, flags: QueueFlags, max_active: u32) -> Result<Self> {
        let limit = i32::try_from(max_active)
            .ok()
            .filter(|&max| max <= 512)
            .ok_or(EINVAL)?;
        let flags = flags.0 | sys::LINUX_DRIVER_WQ_UNBOUND as u32;
        // SAFETY: the shim passes the name to `"%s"`, which requires a string that is valid for the
        // call; C copies it. `WQ_UNBOUND` may be combined with all flags of `WQ_*` that
        // `QueueFlags` has (it lacks `WQ_BH` and `WQ_PERCPU`).
        let allocate = || unsafe { sys::linux_driver_alloc_workqueue(name.as_ptr(), flags, limit) };
        Self::with(max_active == 1, allocate)
    }

    /// Allocates a queue that runs one item at a time, in the order in which the items were queued:
    /// C's `alloc_ordered_workqueue`.
    ///
    /// # Context
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is no memory.
    #[doc(alias = "alloc_ordered_workqueue")]
    pub fn new_ordered(name: &CStr, flags: QueueFlags) -> Result<Self> {
        // SAFETY: same preconditions as in `new`.
        let allocate =
            || unsafe { sys::linux_driver_alloc_ordered_workqueue(name.as_ptr(), flags.0) };
        Self::with(true, allocate)
    }

    /// Allocates a queue. `one_at_a_time` must be true if an item may have to wait for the end of
    /// another one before it begins.
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

    /// Waits until all items that are queued now have run: C's `flush_workqueue`. The kernel's own
    /// queues do not have this method, and C's header warns against flushing them. For example, a
    /// deferred `probe` runs as an item of such a queue, and would wait for itself.
    ///
    /// # Context
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// [`EDEADLK`] in an item of this queue, because the call would wait for itself.
    #[doc(alias = "flush_workqueue")]
    #[doc(alias = "__flush_workqueue")]
    pub fn flush(&self) -> Result {
        if self.0.members.contains(current_work()) {
            return Err(EDEADLK);
        }
        // SAFETY: `__flush_workqueue` requires a workqueue that is not destroyed meanwhile, which
        // this value shares, and a caller that may sleep. Sleeping elsewhere is a bug that the
        // kernel reports, but no memory error.
        unsafe { sys::__flush_workqueue(self.as_raw()) };
        Ok(())
    }

    /// Returns the queue as C knows it.
    pub fn as_raw(&self) -> *mut sys::workqueue_struct {
        self.0.raw.as_ptr()
    }
}

/// An allocated queue, which its [`OwnedQueue`] and its items share.
///
/// # Invariants
///
/// `raw` is a workqueue from `alloc_workqueue`, which this value destroys. `members` are the
/// addresses of the items that may be queued to it. Every item that is pending or runs on it is one
/// of them.
#[pin_data(PinnedDrop)]
pub(super) struct Shared {
    raw: NonNull<sys::workqueue_struct>,
    /// True if an item cannot begin before another one has ended.
    pub(super) one_at_a_time: bool,
    #[pin]
    pub(super) members: Members,
}

// SAFETY: C lets any task use a workqueue, and any task destroy it.
unsafe impl Send for Shared {}
// SAFETY: as above. C's functions take the locks that they need.
unsafe impl Sync for Shared {}

#[pinned_drop]
impl PinnedDrop for Shared {
    #[doc(alias = "destroy_workqueue")]
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: `destroy_workqueue` requires:
        // - that neither a caller nor the timer of a delayed item queues anything from now on: each
        //   item that can be queued here shares this value, and was cancelled before it gave up its
        //   share. (`drain_workqueue` refuses what is queued meanwhile, and up to 6.12 leaves it
        //   pending for ever);
        // - a caller that is not an item of the queue, because it would wait for that item: such an
        //   item would still have a share;
        // - a workqueue that belongs to the caller: by the type's invariant it does.
        unsafe { sys::destroy_workqueue(self.raw.as_ptr()) };
    }
}

/// The queue for which an item is made: one of the kernel's own queues, or an owned queue. An item
/// can be queued only there.
///
/// C lets an item go to another queue each time. But its guarantee that an item never runs twice at
/// the same time holds only within one queue (`Documentation/core-api/workqueue.rst`,
/// "Non-reentrance Conditions"). So does the guarantee of `cancel_work_sync`.
#[derive(Clone)]
pub struct ItemQueue(pub(super) Kind);

/// The owner of a queue.
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
