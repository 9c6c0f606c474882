// SPDX-License-Identifier: GPL-2.0-only
//! The gate between the operations of open files and the end of the binding.
//!
//! An open file lives as long as user space wants. Its operations use the device, which goes when
//! the driver is unbound. So each operation passes the gate, which counts who is inside; closing it
//! lets nobody in any more, wakes those who sleep inside, and waits until all are out.
//!
//! That is one count for each device, as kernfs has one for each file of sysfs. A single SRCU
//! domain for all would make the removal of one device wait for what is asleep in another: debugfs
//! began so, and came to count by file instead. A sleeping lock, held by readers while they sleep
//! in the driver, would make every further operation wait as soon as somebody wants to close.
//!
//! lockdep is told (where there is one): who closes waits for those inside as a writer for readers,
//! so that a lock that is held while the binding ends, and is taken by an operation too, is seen
//! before the two ever meet.

use core::sync::atomic::{AtomicU32, Ordering};

use linux_driver_sys as sys;
use pinned_init::pin_data;

use crate::sync::LOCKDEP;
use crate::wait::WaitQueue;

/// The bit that says that the gate is closed. Below it are counted those who are inside: less than
/// there are threads (`PID_MAX_LIMIT`, 2^22), times the calls that one thread can be in at once (a
/// fault while it copies), and so never as many.
const CLOSED: u32 = 1 << 31;

/// Who is inside, and whether it is closed.
struct Count(AtomicU32);

impl Count {
    /// Counts somebody in, unless it is closed: C's `atomic_inc_unless_negative`.
    #[inline]
    fn enter(&self) -> bool {
        let one_more = |count: u32| (count & CLOSED == 0).then_some(count.wrapping_add(1));
        // What is done inside comes after this.
        self.0
            .fetch_update(Ordering::Acquire, Ordering::Relaxed, one_more)
            .is_ok()
    }

    /// Counts somebody out. Whether the one that closes waited for this.
    #[inline]
    fn leave(&self) -> bool {
        // What was done inside comes before this.
        self.0.fetch_sub(1, Ordering::Release) == CLOSED + 1
    }

    #[inline]
    fn is_closed(&self) -> bool {
        self.0.load(Ordering::Relaxed) & CLOSED != 0
    }

    fn close(&self) {
        self.0.fetch_or(CLOSED, Ordering::Relaxed);
    }

    /// Whether it is closed and all are out.
    fn is_empty(&self) -> bool {
        // What those inside did comes before what comes after this.
        self.0.load(Ordering::Acquire) == CLOSED
    }
}

/// It is memory and nothing more: it can be used after its owner was dropped, for as long as its
/// memory stays.
#[pin_data]
pub(crate) struct Gate {
    count: Count,
    /// Those who wait inside, each on a queue of the driver's and on this one; who polls a file;
    /// and who closes.
    #[pin]
    queue: WaitQueue,
}

impl Gate {
    /// Makes an open gate with nobody inside of zeroes.
    ///
    /// # Safety
    ///
    /// The memory is there and zeroed; what this makes of it stays where it is.
    pub(crate) unsafe fn init_zeroed(slot: *mut Self) {
        let (name, key) = crate::__lock_class!("miscdevice_gate");
        // SAFETY: the memory is there; only the field's address is taken.
        let queue = unsafe { &raw mut (*slot).queue };
        // SAFETY: the memory is zeroed, and stays. A count of 0 is an open gate with nobody inside.
        unsafe { WaitQueue::init_zeroed(queue, name, key) };
    }

    /// Goes in, unless the gate is closed.
    #[inline]
    pub(crate) fn enter(&self) -> Option<Pass<'_>> {
        if !self.count.enter() {
            return None;
        }
        if LOCKDEP {
            // SAFETY: the pass says that it was left, on the same thread: it stays in the call of
            // an operation.
            unsafe { sys::linux_driver_gate_enter() };
        }
        Some(Pass(self))
    }

    /// Whether it is closed. Who is inside is to come to an end then.
    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.count.is_closed()
    }

    /// What is woken when the gate is closed.
    pub(crate) fn queue(&self) -> &WaitQueue {
        &self.queue
    }

    /// Lets nobody in any more, wakes who waits inside, and returns when all are out. Context: may
    /// sleep.
    pub(crate) fn close(&self) {
        self.count.close();
        // Who looked whether the gate is closed before it was sees that the queue was woken since,
        // and does not sleep.
        self.queue.wake_up_all();
        if LOCKDEP {
            // SAFETY: left below.
            unsafe { sys::linux_driver_gate_close() };
        }
        self.queue.wait_event(|| self.count.is_empty());
        if LOCKDEP {
            // SAFETY: entered above.
            unsafe { sys::linux_driver_gate_leave() };
        }
    }
}

/// Somebody inside.
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
            // SAFETY: entered when this was made.
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
    fn the_last_one_out_is_who_the_one_that_closes_waits_for() {
        let count = Count(AtomicU32::new(0));
        assert!(count.enter() && count.enter() && !count.leave());
        count.close();
        assert!(count.is_closed() && !count.is_empty());
        // Too late, and not counted.
        assert!(!count.enter());
        assert!(count.leave() && count.is_empty());
    }

    #[test]
    fn threads_that_come_and_go_are_all_out_in_the_end() {
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
            // Somebody is inside when it is closed, however late the threads begin.
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
            "one and no other wakes the one that closes"
        );
    }
}
