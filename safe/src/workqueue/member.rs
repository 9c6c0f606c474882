// SPDX-License-Identifier: GPL-2.0-only
//! Which items belong to which queue, and who would wait for itself.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, Ordering};

use linux_driver_sys as sys;
use pinned_init::{PinInit, pin_data, pin_init};

use super::instances::{Cancelled, Instances};
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
    // SAFETY: `current_work` may be called in any context: outside of a worker's task it returns
    // NULL.
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

/// A queue, as C knows it.
type Queue = *mut sys::workqueue_struct;

/// That an item belongs to a queue, for its life.
///
/// # Invariants
///
/// `raw` is the workqueue of `queue`, which stays as long as this value. The item is among the
/// members of an owned queue. `instances` is there if the queue is an owned one; all that queues
/// the item or takes it off the queue goes through it.
pub(super) struct Member {
    raw: NonNull<sys::workqueue_struct>,
    queue: Kind,
    item: Address,
    /// Whether the item runs, on whatever task.
    running: AtomicBool,
    instances: Option<Instances>,
}

// SAFETY: C lets a workqueue be used by any task; the rest is `Send`.
unsafe impl Send for Member {}
// SAFETY: as above; C's functions take the locks that they need.
unsafe impl Sync for Member {}

impl Member {
    /// Makes an item one of a queue's, and writes that to `slot`. `ENOMEM`.
    ///
    /// # Safety
    ///
    /// `slot` is valid for writes.
    // Not in the frame of a `probe`, once for each item.
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
        // SAFETY: a workqueue is there, so that its address is not null.
        let raw = unsafe { NonNull::new_unchecked(queue.raw()) };
        // INVARIANT: added above; `queue` keeps the workqueue.
        let member = Self {
            raw,
            queue,
            item,
            running: AtomicBool::new(false),
            instances,
        };
        // SAFETY: the slot is valid for writes, as the caller says.
        unsafe { slot.write(member) };
        Ok(())
    }

    /// Queues the item to its queue by `queue`, which says whether it did.
    #[inline(always)]
    pub(super) fn queue(&self, queue: impl FnOnce(*mut sys::workqueue_struct) -> bool) -> bool {
        let raw = self.raw.as_ptr();
        match &self.instances {
            None => queue(raw),
            Some(instances) => instances.queue(|| queue(raw)),
        }
    }

    /// Queues the item to its queue, whether it is pending or not, and returns whether it was: by
    /// `modify`, or by `take` and then `queue` where instances are counted. Each says what it did:
    /// `queue` and `take` whether they did it.
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

    /// Runs the item. Of its queue alone, so that it is run by one task at a time.
    #[inline(always)]
    pub(super) fn run(&self, handler: impl FnOnce()) {
        self.running.store(true, Ordering::Relaxed);
        handler();
        self.running.store(false, Ordering::Relaxed);
        if let Some(instances) = &self.instances {
            // Nothing of the item is used after this.
            instances.end();
        }
    }

    /// Cancels the item by `cancel`, which takes it off its queue, waits for a run, and returns
    /// whether the item was pending. When this returns no run is left that began before, or is
    /// about to begin. Not in the item itself. Context: may sleep.
    pub(super) fn cancel(&self, cancel: impl Fn() -> bool) -> bool {
        self.cancel_all(cancel).was_pending
    }

    /// Cancels the item as [`cancel`](Self::cancel) does, and waits until its run has left the
    /// module's code.
    pub(super) fn cancel_before_drop(&self, cancel: impl Fn() -> bool) {
        if self.cancel_all(cancel).missed {
            // C has not waited for the run, which may not have returned yet. Destroying the queue
            // waits for it, but the queue may have been leaked; code that returns does not give up
            // the CPU of its own will.
            // SAFETY: `synchronize_rcu_tasks` asks for a caller that may sleep: cancelling asks for
            // it too.
            unsafe { sys::linux_driver_synchronize_rcu_tasks() };
        }
    }

    /// Waits until the item has run, and returns whether it had to: by `flush`, C's function for
    /// that, or by the count where instances are counted. `bring_forward` has it run now if its
    /// timer is armed. Not where [`may_flush`](Self::may_flush) refuses it. Context: may sleep.
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
            // SAFETY: `msleep` asks for a caller that may sleep: flushing asks for it too.
            unsafe { sys::msleep(1) };
            // Somebody may have put it off meanwhile. What was queued during the run that is waited
            // for has its time.
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
            // SAFETY: `msleep` asks for a caller that may sleep: cancelling asks for it too.
            Some(instances) => instances.cancel(cancel, || unsafe { sys::msleep(1) }),
        }
    }

    /// Whether this task runs the item. (An item of C's may have been freed as it ran, with this
    /// one in its memory now: so the address alone does not tell.)
    pub(super) fn is_running(&self) -> bool {
        self.running.load(Ordering::Relaxed) && current_work() == Some(self.item)
    }

    /// `EDEADLK` if this task runs the item, and would wait for itself to cancel it.
    pub(super) fn may_cancel(&self) -> Result {
        if self.is_running() {
            Err(EDEADLK)
        } else {
            Ok(())
        }
    }

    /// Ends the task in `BUG()` if it drops the item that it runs.
    #[inline]
    pub(super) fn assert_may_drop(&self) {
        if self.is_running() {
            dropped_in_its_own_run()
        }
    }

    /// `EDEADLK` if this task would wait for itself to flush the item: it runs the item, or another
    /// one that has to end before the item begins.
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

/// Ends a task that drops the item that it runs. To wait for the item would be to wait for itself,
/// and to free it would be to free what runs.
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
