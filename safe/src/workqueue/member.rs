// SPDX-License-Identifier: GPL-2.0-only
//! The membership of items in queues, and the detection of calls that would wait for themselves.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, Ordering};

use linux_driver_sys as sys;
use pinned_init::{PinInit, pin_data, pin_init};

use super::instances::{Cancelled, Instances};
use super::queue::{ItemQueue, Kind};
use crate::alloc::{GFP_NOIO, KVec};
use crate::error::{Result, code::EDEADLK};
use crate::sync::Mutex;

/// The address of a `struct work_struct`. It is only compared, never dereferenced.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Address(usize);

impl Address {
    pub(super) fn of(work: *mut sys::work_struct) -> Self {
        Self(work.addr())
    }
}

/// Returns the item that this task is running, if it is a worker of a workqueue.
pub(super) fn current_work() -> Option<Address> {
    // SAFETY: `current_work` may be called in any context. Outside of a worker it returns NULL.
    let work = unsafe { sys::linux_driver_current_work() };
    (!work.is_null()).then(|| Address::of(work))
}

/// The items that can be queued to one queue. A queue has few items, and searches are rare.
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

    /// Returns true if `item` is one of them.
    pub(super) fn contains(&self, item: Option<Address>) -> bool {
        item.is_some_and(|item| self.items.lock().contains(&item))
    }

    fn add(&self, item: Address) -> Result {
        // This is not `GFP_KERNEL`: freeing memory may wait for the queue, and so for this lock.
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

/// A queue as C knows it.
type Queue = *mut sys::workqueue_struct;

/// The membership of an item in its queue, for the life of the item.
///
/// # Invariants
///
/// `raw` is the workqueue of `queue`, and stays as long as this value. In an owned queue, the item
/// is one of the members. `instances` is present if the queue is an owned one. Then every call that
/// queues the item or takes it off the queue goes through `instances`.
pub(super) struct Member {
    raw: NonNull<sys::workqueue_struct>,
    queue: Kind,
    item: Address,
    /// True while a task runs the item.
    running: AtomicBool,
    instances: Option<Instances>,
}

// SAFETY: C lets any task use a workqueue. The other fields are `Send`.
unsafe impl Send for Member {}
// SAFETY: as above. C's functions take the locks that they need.
unsafe impl Sync for Member {}

impl Member {
    /// Makes an item a member of a queue, and writes the membership to `slot`.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is no memory.
    ///
    /// # Safety
    ///
    /// `slot` must be valid for writes.
    // This is not inlined, to keep it out of the stack frame of a `probe`, once for each item.
    #[inline(never)]
    pub(super) unsafe fn write(
        slot: *mut Self,
        queue: ItemQueue,
        item: *mut sys::work_struct,
    ) -> Result {
        let (ItemQueue(queue), item) = (queue, Address::of(item));
        let mut instances = None;
        if let Kind::Owned(shared) = &queue {
            shared.members.add(item)?;
            instances = Some(Instances::new());
        }
        // SAFETY: the workqueue exists, so its address is not NULL.
        let raw = unsafe { NonNull::new_unchecked(queue.raw()) };
        // INVARIANT: the item was added above, and `queue` keeps the workqueue.
        let member = Self {
            raw,
            queue,
            item,
            running: AtomicBool::new(false),
            instances,
        };
        // SAFETY: the caller promises that the slot is valid for writes.
        unsafe { slot.write(member) };
        Ok(())
    }

    /// Queues the item to its queue with `queue`. Both return true if the item was queued.
    #[inline(always)]
    pub(super) fn queue(&self, queue: impl FnOnce(*mut sys::workqueue_struct) -> bool) -> bool {
        let raw = self.raw.as_ptr();
        match &self.instances {
            None => queue(raw),
            Some(instances) => instances.queue(|| queue(raw)),
        }
    }

    /// Queues the item to its queue, even if it is pending, and returns true if it was pending.
    /// Uses `modify`, or `take` and then `queue` where instances are counted. `modify` returns true
    /// if the item was pending; `take` and `queue` return true if they did what they are for.
    #[inline(always)]
    pub(super) fn requeue(
        &self,
        modify: impl FnOnce(*mut sys::workqueue_struct) -> bool,
        take: impl Fn() -> bool,
        queue: impl Fn(*mut sys::workqueue_struct) -> bool,
    ) -> bool {
        let raw = self.raw.as_ptr();
        match &self.instances {
            None => modify(raw),
            Some(instances) => instances.requeue(take, || queue(raw)),
        }
    }

    /// Runs the item. Because the item belongs to one queue, only one task at a time runs it.
    #[inline(always)]
    pub(super) fn run(&self, handler: impl FnOnce()) {
        self.running.store(true, Ordering::Relaxed);
        handler();
        self.running.store(false, Ordering::Relaxed);
        if let Some(instances) = &self.instances {
            // Nothing uses the item after this.
            instances.end();
        }
    }

    /// Cancels the item with `cancel`, and returns true if the item was pending. `cancel` takes the
    /// item off its queue, waits for a run, and returns true if the item was pending. When this
    /// returns, no earlier run is left, and none is about to begin.
    ///
    /// # Context
    ///
    /// May sleep. Must not be called in a run of the item.
    pub(super) fn cancel(&self, cancel: impl Fn() -> bool) -> bool {
        self.cancel_all(cancel).was_pending
    }

    /// Cancels the item as [`cancel`](Self::cancel) does, and waits until its run has left the
    /// module's code.
    pub(super) fn cancel_before_drop(&self, cancel: impl Fn() -> bool) {
        if self.cancel_all(cancel).missed {
            // C has not waited for the run, which may not have returned yet. Destroying the queue
            // waits for it, but the queue may have been leaked. `synchronize_rcu_tasks` waits until
            // the code has returned, because returning code does not give up the CPU voluntarily.
            // SAFETY: `synchronize_rcu_tasks` requires a caller that may sleep. Cancelling requires
            // the same of its caller.
            unsafe { sys::linux_driver_synchronize_rcu_tasks() };
        }
    }

    /// Waits until the item has run, and returns true if it had to wait. Uses C's function `flush`,
    /// or the count where instances are counted. `bring_forward` makes the item run now if its
    /// timer is armed.
    ///
    /// # Context
    ///
    /// May sleep. Must not be called where [`may_flush`](Self::may_flush) returns an error.
    pub(super) fn flush(
        &self,
        flush: impl FnOnce() -> bool,
        bring_forward: impl Fn(&Instances, Queue),
    ) -> bool {
        let Some(instances) = &self.instances else {
            return flush();
        };
        let raw = self.raw.as_ptr();
        bring_forward(instances, raw);
        instances.flush(|| {
            // SAFETY: `msleep` requires a caller that may sleep. Flushing requires the same of its
            // caller.
            unsafe { sys::msleep(1) };
            // Another task may have put the item off meanwhile. An item that is queued during the
            // run that is waited for keeps its delay.
            if !self.running.load(Ordering::Relaxed) {
                bring_forward(instances, raw);
            }
        })
    }

    fn cancel_all(&self, cancel: impl Fn() -> bool) -> Cancelled {
        match &self.instances {
            None => Cancelled {
                was_pending: cancel(),
                missed: false,
            },
            // SAFETY: `msleep` requires a caller that may sleep. Cancelling requires the same of
            // its caller.
            Some(instances) => instances.cancel(cancel, || unsafe { sys::msleep(1) }),
        }
    }

    /// Returns true if this task is running the item. The address alone is not enough: an item of C
    /// may have been freed while it ran, and this item may now be in its memory.
    pub(super) fn is_running(&self) -> bool {
        self.running.load(Ordering::Relaxed) && current_work() == Some(self.item)
    }

    /// Fails with `EDEADLK` if this task is running the item, because cancelling it would wait for
    /// itself.
    pub(super) fn may_cancel(&self) -> Result {
        if self.is_running() {
            Err(EDEADLK)
        } else {
            Ok(())
        }
    }

    /// Ends the task in `BUG()` if it drops the item that it is running.
    #[inline]
    pub(super) fn assert_may_drop(&self) {
        if self.is_running() {
            dropped_in_its_own_run()
        }
    }

    /// Fails with `EDEADLK` if flushing the item would wait for itself. That is so if this task is
    /// running the item, or another item that must end before this one can begin.
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

/// Ends a task that drops the item that it is running. Waiting for the item would never end, and
/// freeing it would free what is running.
#[cold]
fn dropped_in_its_own_run() -> ! {
    // The tests of this crate run on the host, where no kernel can log the line.
    #[cfg(target_os = "none")]
    {
        crate::pr_emerg!("a work item was dropped in its own run");
        crate::panic::bug()
    }
    #[cfg(not(target_os = "none"))]
    panic!("a work item was dropped in its own run")
}
