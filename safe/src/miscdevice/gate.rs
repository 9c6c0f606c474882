// SPDX-License-Identifier: GPL-2.0-only
//! The gate between the operations of open files and the end of the binding.
//!
//! An open file lives as long as user space wants. Its operations use the device, which goes away
//! when the driver is unbound. Therefore each operation enters the gate, which counts the
//! operations inside. Closing the gate lets no further operation in, wakes those that sleep inside,
//! and waits until all have left.
//!
//! There is one count for each device, as kernfs has one for each file in sysfs. Two alternatives
//! are worse:
//!
//! - With a single SRCU domain for all devices, the removal of one device would wait for operations
//!   that sleep in another. debugfs began that way, and now counts for each file.
//! - If operations held a sleeping lock as readers, every new operation would wait as soon as the
//!   gate is about to close.
//!
//! On kernels with lockdep, lockdep sees the gate as a lock: closing waits for operations as a
//! writer waits for readers. So lockdep finds a lock that is held while the binding ends and that
//! an operation takes too, even if the two never run at the same time.

use core::sync::atomic::{AtomicU32, Ordering};

use linux_driver_sys as sys;
use pinned_init::pin_data;

use crate::sync::LOCKDEP;
use crate::wait::WaitQueue;

/// The bit that means that the gate is closed. The bits below it count the operations inside. They
/// cannot overflow: there are at most `PID_MAX_LIMIT` (2^22) threads, and each can be in only a few
/// calls at once (by page faults during copies).
const CLOSED: u32 = 1 << 31;

/// The count of operations inside, and the bit [`CLOSED`].
struct Count(AtomicU32);

impl Count {
    /// Counts an operation in and returns true, unless the gate is closed: C's
    /// `atomic_inc_unless_negative`.
    #[inline]
    fn enter(&self) -> bool {
        let one_more = |count: u32| (count & CLOSED == 0).then_some(count.wrapping_add(1));
        // Orders what is done inside after this.
        self.0
            .fetch_update(Ordering::Acquire, Ordering::Relaxed, one_more)
            .is_ok()
    }

    /// Counts an operation out. Returns true if the gate is closed and this was the last operation.
    #[inline]
    fn leave(&self) -> bool {
        // Orders what was done inside before this.
        self.0.fetch_sub(1, Ordering::Release) == CLOSED + 1
    }

    #[inline]
    fn is_closed(&self) -> bool {
        self.0.load(Ordering::Relaxed) & CLOSED != 0
    }

    fn close(&self) {
        self.0.fetch_or(CLOSED, Ordering::Relaxed);
    }

    /// Returns true if the gate is closed and no operation is inside.
    fn is_empty(&self) -> bool {
        // Orders what the operations did before what follows this.
        self.0.load(Ordering::Acquire) == CLOSED
    }
}

/// A gate between operations and the end of the binding. It needs no drop: it can be used after its
/// owner was dropped, as long as its memory exists.
#[pin_data]
pub(crate) struct Gate {
    count: Count,
    /// The wait queue of three kinds of tasks: tasks in an operation, which also wait on a queue of
    /// the driver; tasks that poll a file; and the task that closes the gate.
    #[pin]
    queue: WaitQueue,
}

impl Gate {
    /// Turns zeroed memory into an open gate with no operation inside.
    ///
    /// # Safety
    ///
    /// The memory must exist and be zeroed, and the gate must stay where it is.
    pub(crate) unsafe fn init_zeroed(slot: *mut Self) {
        let (name, key) = crate::__lock_class!("miscdevice_gate");
        // SAFETY: the memory exists. Only the address of the field is taken.
        let queue = unsafe { &raw mut (*slot).queue };
        // SAFETY: the memory is zeroed and stays. A count of 0 is an open gate with no operation
        // inside.
        unsafe { WaitQueue::init_zeroed(queue, name, key) };
    }

    /// Enters the gate, unless it is closed.
    #[inline]
    pub(crate) fn enter(&self) -> Option<Pass<'_>> {
        if !self.count.enter() {
            return None;
        }
        if LOCKDEP {
            // SAFETY: lockdep requires that the thread that enters also leaves. The pass leaves
            // when it is dropped. It stays inside the call of an operation, which runs on one
            // thread.
            unsafe { sys::linux_driver_gate_enter() };
        }
        Some(Pass(self))
    }

    /// Returns true if the gate is closed. Then operations inside should end.
    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.count.is_closed()
    }

    /// Returns the wait queue that is woken when the gate is closed.
    pub(crate) fn queue(&self) -> &WaitQueue {
        &self.queue
    }

    /// Closes the gate: lets no operation in, wakes those that wait inside, and waits until all
    /// have left.
    ///
    /// # Context
    ///
    /// May sleep.
    pub(crate) fn close(&self) {
        self.count.close();
        // A task that checked the gate before it was closed will see that the queue was woken
        // since, and will not sleep.
        self.queue.wake_up_all();
        if LOCKDEP {
            // SAFETY: lockdep requires a matching leave, which follows below.
            unsafe { sys::linux_driver_gate_close() };
        }
        self.queue.wait_event(|| self.count.is_empty());
        if LOCKDEP {
            // SAFETY: lockdep requires a matching enter, which is above.
            unsafe { sys::linux_driver_gate_leave() };
        }
    }
}

/// An operation inside the gate.
pub(crate) struct Pass<'a>(&'a Gate);

impl<'a> Pass<'a> {
    pub(crate) fn gate(&self) -> &'a Gate {
        self.0
    }
}

impl Drop for Pass<'_> {
    #[inline]
    fn drop(&mut self) {
        if LOCKDEP {
            // SAFETY: lockdep requires a matching enter. It was called when this value was made.
            unsafe { sys::linux_driver_gate_leave() };
        }
        if self.0.count.leave() {
            last_out(self.0);
        }
    }
}

#[cold]
#[inline(never)]
fn last_out(gate: &Gate) {
    gate.queue.wake_up_all();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_waits_for_the_last_operation() {
        let count = Count(AtomicU32::new(0));
        assert!(count.enter() && count.enter() && !count.leave());
        count.close();
        assert!(count.is_closed() && !count.is_empty());
        // The gate is closed, so this is not counted.
        assert!(!count.enter());
        assert!(count.leave() && count.is_empty());
    }

    #[test]
    fn no_operation_is_inside_after_closing() {
        let count = Count(AtomicU32::new(0));
        let last = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while count.enter() {
                        if count.leave() {
                            last.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
            // Even if the threads start late, an operation is inside when the gate is closed.
            assert!(count.enter());
            count.close();
            if count.leave() {
                last.fetch_add(1, Ordering::Relaxed);
            }
        });
        assert!(count.is_empty());
        assert_eq!(
            last.load(Ordering::Relaxed),
            1,
            "exactly one operation wakes the task that closes the gate"
        );
    }
}
