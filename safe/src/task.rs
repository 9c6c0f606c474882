// SPDX-License-Identifier: GPL-2.0-only
//! The current task: C's `current`, and whether it holds a certain lock of the kernel.

use core::sync::atomic::{AtomicUsize, Ordering};

use linux_driver_sys as sys;

/// Returns the address of the current task's `struct task_struct`, which is never 0. With it, code
/// can find out whether it runs on the same thread as other code.
///
/// # Context
///
/// Task context. (An interrupt handler sees the task that it interrupted.)
#[inline]
pub(crate) fn current() -> usize {
    // SAFETY: `current` can be read in any context.
    unsafe { sys::linux_driver_current() }.addr()
}

/// The task that runs `open` of a misc device of this module, which is under C's `misc_mtx`, or 0.
/// There is at most one.
static IN_MISC_OPEN: AtomicUsize = AtomicUsize::new(0);

/// The fact that this task holds `misc_mtx`, as long as this value exists: `misc_open` holds it
/// when it calls the `open` of a device.
///
/// Code that registers or removes a misc device takes that lock. Code that binds or unbinds a
/// device may take it.
pub(crate) struct InMiscOpen(());

impl InMiscOpen {
    /// Records the current task. Must be called at the start of `open`, on its thread.
    pub(crate) fn begin() -> Self {
        IN_MISC_OPEN.store(current(), Ordering::Relaxed);
        Self(())
    }

    /// Returns true if the current task runs such an `open`.
    pub(crate) fn is_here() -> bool {
        // Only this task writes and clears its own address there. No task has address 0.
        current() == IN_MISC_OPEN.load(Ordering::Relaxed)
    }
}

impl Drop for InMiscOpen {
    fn drop(&mut self) {
        IN_MISC_OPEN.store(0, Ordering::Relaxed);
    }
}
