// SPDX-License-Identifier: GPL-2.0-only
//! RCU: readers take no lock, and writers wait for them.
//!
//! C header: `include/linux/rcupdate.h`; `kernel/rcu/tree.c`.

use core::marker::PhantomData;

use linux_driver_sys as sys;

/// An RCU read-side critical section: C's `rcu_read_lock`. Dropping it calls `rcu_read_unlock`.
///
/// [`synchronize_rcu`] waits for all sections that began before it. If one was leaked, it waits for
/// ever. A section must not sleep: no mutex, no `GFP_KERNEL`, no waiting. If one sleeps on a kernel
/// without preemptible RCU (`CONFIG_PREEMPT_RCU`), the wait in `synchronize_rcu` ends before the
/// section does.
///
/// No type enforces this rule, and it is the only such rule here. A guard stays on its thread,
/// because it is not `Send`. As in C, the driver must ensure that the thread does not sleep
/// meanwhile. A kernel with `CONFIG_DEBUG_ATOMIC_SLEEP` reports every call that may sleep inside a
/// section, whether it sleeps or not. A kernel without preemption and without that option reports
/// nothing.
///
/// # Invariants
///
/// This thread is inside an RCU read-side critical section that this value began.
#[must_use = "if unused, the critical section ends at once"]
#[doc(alias = "rcu_read_lock")]
pub struct Guard(PhantomData<*mut ()>);

/// Calls `__rcu_read_lock` or `__rcu_read_unlock` directly where C's inline function does nothing
/// else: with preemptible RCU and without lockdep. Calls the shim otherwise.
macro_rules! rcu {
    ($direct:ident, $shim:ident) => {
        // SAFETY: `rcu_read_lock` may be called in any context except NMI. `rcu_read_unlock`
        // requires a section that this task began. A guard ends the section that it began, and is
        // not `Send`.
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

/// Begins a read-side critical section: C's `rcu_read_lock`.
///
/// # Context
///
/// Any except NMI.
///
/// # Examples
/// ```no_run
/// use linux_driver::sync::rcu;
///
/// let reader = rcu::read_lock();
/// // Data that RCU protects stays as long as `reader` is borrowed.
/// drop(reader);
/// ```
#[inline]
#[doc(alias = "rcu_read_lock")]
pub fn read_lock() -> Guard {
    rcu!(__rcu_read_lock, linux_driver_rcu_read_lock);
    // INVARIANT: the section began above.
    Guard(PhantomData)
}

impl Drop for Guard {
    #[inline]
    #[doc(alias = "rcu_read_unlock")]
    fn drop(&mut self) {
        rcu!(__rcu_read_unlock, linux_driver_rcu_read_unlock);
    }
}

/// Waits until every read-side critical section that began before this call has ended.
///
/// # Context
///
/// May sleep, for some milliseconds. Waits for ever if this thread is inside such a section.
#[doc(alias = "rcu")]
pub fn synchronize_rcu() {
    // SAFETY: `synchronize_rcu` requires a caller that may sleep and is not inside a section.
    // Sleeping elsewhere is a bug that the kernel reports, and a caller inside a section waits for
    // ever. Neither is a memory error.
    unsafe { sys::synchronize_rcu() };
}
