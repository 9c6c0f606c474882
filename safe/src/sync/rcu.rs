// SPDX-License-Identifier: GPL-2.0-only
//! RCU: readers that take no lock, and writers that wait for them.
//!
//! C header: `include/linux/rcupdate.h`; `kernel/rcu/tree.c`.

use core::marker::PhantomData;

use linux_driver_sys as sys;

/// A reader: C's `rcu_read_lock`, and `rcu_read_unlock` when it goes.
///
/// Who waits in [`synchronize_rcu`] waits for all readers that began before, for ever if one of
/// them was leaked. A reader must not sleep: no mutex, no `GFP_KERNEL`, no waiting; on a kernel
/// without preemption (`CONFIG_PREEMPT_RCU`) the wait of the writer would end before the reader
/// does.
///
/// That is the one rule here that no type upholds. A guard stays on its thread (it is not `Send`),
/// so that no other can be made to drop it; that its thread does not sleep meanwhile is the
/// driver's to keep, as in C. A kernel with `CONFIG_DEBUG_ATOMIC_SLEEP` reports a call that may
/// sleep with a guard at hand, whether it sleeps or not; one without preemption and without that
/// option reports nothing.
///
/// # Invariants
///
/// This thread is within an RCU read-side critical section, by this value.
#[must_use = "the reader ends at once if its guard is not kept"]
#[doc(alias = "rcu_read_lock")]
pub struct Guard(PhantomData<*mut ()>);

/// Where `rcu_read_lock()` is a call of `__rcu_read_lock` and no more: with preemptible RCU and
/// without lockdep.
macro_rules! rcu {
    ($direct:ident, $shim:ident) => {
        // SAFETY: `rcu_read_lock` may be called anywhere but in NMI; `rcu_read_unlock` asks for a
        // section that this task has begun: a guard ends the one that it began, and is not `Send`.
        // Where they are more than these calls, the shim is used.
        #[cfg(all(has_fn = "__rcu_read_lock", not(has_fn = "lockdep_init_map_type")))]
        unsafe {
            sys::$direct()
        };
        // SAFETY: as above.
        #[cfg(not(all(has_fn = "__rcu_read_lock", not(has_fn = "lockdep_init_map_type"))))]
        unsafe {
            sys::$shim()
        };
    };
}

/// Begins a reader: C's `rcu_read_lock`.
///
/// Context: any but NMI.
///
/// ```no_run
/// use linux_driver::sync::rcu;
///
/// let reader = rcu::read_lock();
/// // What is protected by RCU stays as long as `reader` is borrowed.
/// drop(reader);
/// ```
#[inline]
#[doc(alias = "rcu_read_lock")]
pub fn read_lock() -> Guard {
    rcu!(__rcu_read_lock, linux_driver_rcu_read_lock);
    // INVARIANT: begun above.
    Guard(PhantomData)
}

impl Drop for Guard {
    #[inline]
    #[doc(alias = "rcu_read_unlock")]
    fn drop(&mut self) {
        rcu!(__rcu_read_unlock, linux_driver_rcu_read_unlock);
    }
}

/// Waits until every reader that began before this call has ended.
///
/// Context: may sleep, some milliseconds. For ever if this thread is a reader.
#[doc(alias = "rcu")]
pub fn synchronize_rcu() {
    // SAFETY: `synchronize_rcu` asks for a caller that may sleep and is no reader itself: to sleep
    // elsewhere is a bug that the kernel reports, and a reader waits for ever. Neither is a memory
    // error.
    unsafe { sys::synchronize_rcu() };
}
