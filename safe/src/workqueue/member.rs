// SPDX-License-Identifier: GPL-2.0-only
//! Which items belong to which queue, and who would wait for itself.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, Ordering};

use linux_driver_sys as sys;
use pinned_init::{PinInit, pin_data, pin_init};

use super::queue::{ItemQueue, Kind};
use crate::alloc::{GFP_NOIO, KVec};
use crate::error::{Result, code::EDEADLK};
use crate::sync::Mutex;

/// The address of a `struct work_struct`, which is not used to get at it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Address(usize);

impl Address {
    pub(super) fn of(work: *mut sys::work_struct) -> Self {
        Self(work.addr())
    }
}

/// Returns the item that this task runs, if it is a worker of a workqueue.
pub(super) fn current_work() -> Option<Address> {
    // SAFETY: `current_work` may be called in any context: outside of a worker's task it returns NULL.
    let work = unsafe { sys::linux_driver_current_work() };
    (!work.is_null()).then(|| Address::of(work))
}

/// The items that can be queued to one queue. There are few, and they are looked for seldom.
#[pin_data]
pub(super) struct Members {
    #[pin]
    items: Mutex<KVec<Address>>,
}

impl Members {
    pub(super) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            items <- crate::new_mutex!(KVec::new(), "workqueue_members"),
        })
    }

    /// Whether this item, if it is one, is among them.
    pub(super) fn contains(&self, item: Option<Address>) -> bool {
        item.is_some_and(|item| self.items.lock().contains(&item))
    }

    fn add(&self, item: Address) -> Result {
        // Not `GFP_KERNEL`: what frees memory may wait for the queue, and so for this lock.
        self.items.lock().push(item, GFP_NOIO)
    }

    fn remove(&self, item: Address) {
        let mut items = self.items.lock();
        let position = items.iter().position(|other| *other == item);
        if let Some(position) = position {
            items.remove(position);
        }
    }
}

/// That an item belongs to a queue, for its life.
///
/// # Invariants
///
/// `raw` is the workqueue of `queue`, which stays as long as this value. The item is among the members of an owned queue.
pub(super) struct Member {
    raw: NonNull<sys::workqueue_struct>,
    queue: Kind,
    item: Address,
    /// Whether the item runs, on whatever task.
    running: AtomicBool,
}

// SAFETY: C lets a workqueue be used by any task; the rest is `Send`.
unsafe impl Send for Member {}
// SAFETY: as above; C's functions take the locks that they need.
unsafe impl Sync for Member {}

impl Member {
    /// Makes an item one of a queue's. `ENOMEM`.
    pub(super) fn new(queue: ItemQueue, item: *mut sys::work_struct) -> Result<Self> {
        let (ItemQueue(queue), item) = (queue, Address::of(item));
        if let Kind::Owned(shared) = &queue {
            shared.members.add(item)?;
        }
        // SAFETY: a workqueue is there, so that its address is not null.
        let raw = unsafe { NonNull::new_unchecked(queue.raw()) };
        // INVARIANT: added above; `queue` keeps the workqueue.
        Ok(Self {
            raw,
            queue,
            item,
            running: AtomicBool::new(false),
        })
    }

    /// Returns the queue as C knows it.
    #[inline(always)]
    pub(super) fn queue(&self) -> *mut sys::workqueue_struct {
        self.raw.as_ptr()
    }

    /// Runs the item. Of its queue alone, so that it is run by one task at a time.
    #[inline(always)]
    pub(super) fn run(&self, handler: impl FnOnce()) {
        self.running.store(true, Ordering::Relaxed);
        handler();
        // The last that is done with the item: see `wait_until_ended`.
        self.running.store(false, Ordering::Release);
    }

    /// Whether this task runs the item. (An item of C's may have been freed as it ran, with this one in its memory now: so
    /// the address alone does not tell.)
    pub(super) fn is_running(&self) -> bool {
        self.running.load(Ordering::Relaxed) && current_work() == Some(self.item)
    }

    /// `EDEADLK` if this task runs the item, and would wait for itself to cancel it.
    pub(super) fn may_cancel(&self) -> Result {
        if self.is_running() { Err(EDEADLK) } else { Ok(()) }
    }

    /// Ends the task in `BUG()` if it drops the item that it runs.
    #[inline]
    pub(super) fn assert_may_drop(&self) {
        if self.is_running() {
            dropped_in_its_own_run()
        }
    }

    /// Waits for a run that cancelling the item has missed. The item was cancelled, and nobody queues it any more; this task does not
    /// run it. Context: may sleep.
    ///
    /// In 6.12 (not in 6.1) `__queue_work` puts an item of an ordered queue into the newest pool, also while the item runs in an older one (the
    /// CPUs for unbound queues were changed meanwhile). `cancel_work_sync` looks for the run in the newest pool alone. This
    /// function does not see such a run either before it has come to [`run`](Self::run): that gap is open, as it is for C drivers.
    #[inline]
    pub(super) fn wait_until_ended(&self) {
        while self.running.load(Ordering::Acquire) {
            // SAFETY: `msleep` asks for a context that may sleep, as cancelling the item did.
            unsafe { sys::msleep(1) };
        }
    }

    /// `EDEADLK` if this task would wait for itself to flush the item: it runs the item, or another one that has to end before
    /// the item begins.
    pub(super) fn may_flush(&self) -> Result {
        let behind = match &self.queue {
            Kind::Owned(shared) if shared.one_at_a_time => shared.members.contains(current_work()),
            _ => false,
        };
        if behind || self.is_running() {
            Err(EDEADLK)
        } else {
            Ok(())
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if let Kind::Owned(shared) = &self.queue {
            shared.members.remove(self.item);
        }
    }
}

/// Ends a task that drops the item that it runs. To wait for the item would be to wait for itself, and to free it would be to
/// free what runs.
#[cold]
fn dropped_in_its_own_run() -> ! {
    // On the host, where the layer's own tests run, there is no kernel to tell.
    #[cfg(target_os = "none")]
    {
        crate::pr_emerg!("a work item was dropped in its own run");
        crate::panic::bug()
    }
    #[cfg(not(target_os = "none"))]
    panic!("a work item was dropped in its own run")
}
