// SPDX-License-Identifier: GPL-2.0-only
//! `struct workqueue_struct`.
//!
//! C header: `include/linux/workqueue.h`.

use core::cell::UnsafeCell;
use core::ffi::CStr;
use core::ops::{BitOr, Deref};
use core::ptr::NonNull;

use linux_driver_sys as sys;

use crate::error::{Result, code::EINVAL, code::ENOMEM};

/// A queue of work items: C's `struct workqueue_struct`.
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
    /// The queue as C knows it.
    pub fn as_raw(&self) -> *mut sys::workqueue_struct {
        self.0.get()
    }
}

/// The kernel's own queue for short items, which run on the CPU that queues them: C's `system_percpu_wq`, once `system_wq`.
#[doc(alias = "system_wq")]
#[doc(alias = "system_percpu_wq")]
pub fn system() -> &'static Queue {
    // SAFETY: a variable of the kernel's is read.
    let queue = unsafe { sys::linux_driver_system_wq() };
    // SAFETY: the kernel makes it when it starts, before any module, and never destroys it.
    unsafe { &*queue.cast() }
}

/// The kernel's own queue for items that run on any CPU, and may take long: C's `system_dfl_wq`, once `system_unbound_wq`.
#[doc(alias = "system_unbound_wq")]
#[doc(alias = "system_dfl_wq")]
pub fn system_unbound() -> &'static Queue {
    // SAFETY: a variable of the kernel's is read.
    let queue = unsafe { sys::linux_driver_system_unbound_wq() };
    // SAFETY: the kernel makes it when it starts, before any module, and never destroys it.
    unsafe { &*queue.cast() }
}

/// What a queue of one's own is like: C's `WQ_*`, joined by `|`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct QueueFlags(u32);

impl QueueFlags {
    /// Nothing in particular.
    pub const NONE: Self = Self(0);
    /// Its items rest while the system is suspended.
    #[doc(alias = "WQ_FREEZABLE")]
    pub const FREEZABLE: Self = Self(sys::LINUX_DRIVER_WQ_FREEZABLE as u32);
    /// Freeing memory may have to wait for its items: it has a thread of its own for that.
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

/// A queue of one's own, destroyed when this value goes, after what is queued has run: C's `alloc_workqueue` and
/// `destroy_workqueue`.
///
/// Its items run on any CPU (`WQ_UNBOUND`). What is delayed goes to the kernel's own queues alone: nobody would know, when a
/// queue is destroyed, of items that will be queued there later.
///
/// An item must not drop the queue that it runs on: it would wait for itself.
///
/// Context: it is made, and dropped, where one may sleep.
///
/// ```no_run
/// use linux_driver_safe::error::Result;
/// use linux_driver_safe::workqueue::{OwnedQueue, QueueFlags, Work, WorkItem};
///
/// /// Runs items one after the other, before others'.
/// fn queue() -> Result<OwnedQueue> {
///     OwnedQueue::new(c"resets", QueueFlags::HIGHPRI, 1)
/// }
///
/// fn reset<H: WorkItem>(queue: &OwnedQueue, item: &Work<H>) {
///     item.queue_on(queue);
///     queue.flush();
/// }
/// ```
///
/// # Invariants
///
/// The pointer is to a workqueue from `alloc_workqueue`, which this value destroys.
#[doc(alias = "alloc_workqueue")]
pub struct OwnedQueue(NonNull<Queue>);

// SAFETY: a queue may be destroyed on any thread.
unsafe impl Send for OwnedQueue {}
// SAFETY: a shared one gives `&Queue`, which is `Sync`.
unsafe impl Sync for OwnedQueue {}

impl OwnedQueue {
    /// Makes a queue that runs up to `max_active` items at a time; 0 is C's default, 1 one after the other. `EINVAL` if
    /// that is more than 512 (`WQ_MAX_ACTIVE` of older kernels), `ENOMEM`.
    ///
    /// Context: may sleep.
    #[doc(alias = "alloc_workqueue")]
    pub fn new(name: &CStr, flags: QueueFlags, max_active: u32) -> Result<Self> {
        let max_active = i32::try_from(max_active).ok().filter(|&max| max <= 512).ok_or(EINVAL)?;
        let flags = flags.0 | sys::LINUX_DRIVER_WQ_UNBOUND as u32;
        // SAFETY: the name is a string, which C copies.
        let queue = unsafe { sys::linux_driver_alloc_workqueue(name.as_ptr(), flags, max_active) };
        // INVARIANT: allocated above.
        NonNull::new(queue.cast()).map(Self).ok_or(ENOMEM)
    }

    /// Waits until all that is queued now has run: C's `flush_workqueue`. The kernel's own queues have no such thing (C's header warns
    /// of it): a `probe` that was deferred is an item of one of them, and would wait for itself.
    ///
    /// Context: may sleep; not in an item of this queue.
    #[doc(alias = "flush_workqueue")]
    #[doc(alias = "__flush_workqueue")]
    pub fn flush(&self) {
        // SAFETY: by the type's invariant the queue is there.
        unsafe { sys::__flush_workqueue(self.as_raw()) };
    }
}

impl Deref for OwnedQueue {
    type Target = Queue;

    fn deref(&self) -> &Queue {
        // SAFETY: by the type's invariant the queue is there.
        unsafe { self.0.as_ref() }
    }
}

impl Drop for OwnedQueue {
    #[doc(alias = "destroy_workqueue")]
    fn drop(&mut self) {
        // SAFETY: by the type's invariant it is ours. Nobody can queue to it any more: who does has it borrowed, and what runs
        // on it and queues itself again is waited for. No timer of a delayed item will queue to it.
        unsafe { sys::destroy_workqueue(self.0.as_ptr().cast()) };
    }
}
