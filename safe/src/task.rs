// SPDX-License-Identifier: GPL-2.0-only
//! The task that runs: C's `current`, and a lock of C's that it holds while it runs a callback.

use core::sync::atomic::{AtomicUsize, Ordering};

use linux_driver_sys as sys;

/// The address of the running task's `struct task_struct`: to tell whether two pieces of code run
/// on one thread. Never 0.
///
/// Context: a task's. (An interrupt sees the task that it interrupted.)
#[inline]
pub(crate) fn current() -> usize {
    // SAFETY: `current` can be read in any context.
    unsafe { sys::linux_driver_current() }.addr()
}

/// The task that runs `open` of a misc device of this module's, under C's `misc_mtx`; 0 if there is
/// none. There is one at most.
static IN_MISC_OPEN: AtomicUsize = AtomicUsize::new(0);

/// That this task holds `misc_mtx`, as long as this is there: `misc_open` calls a device's `open`
/// under it.
///
/// Whatever makes or removes a misc device takes that lock, and so may whatever binds or unbinds a
/// device.
pub(crate) struct InMiscOpen(());

impl InMiscOpen {
    /// At the beginning of `open`, on its thread.
    pub(crate) fn begin() -> Self {
        IN_MISC_OPEN.store(current(), Ordering::Relaxed);
        Self(())
    }

    /// Whether this task is in there.
    pub(crate) fn is_here() -> bool {
        // Only this task writes its own address there, and takes it away. (0 is no task's.)
        current() == IN_MISC_OPEN.load(Ordering::Relaxed)
    }
}

impl Drop for InMiscOpen {
    fn drop(&mut self) {
        IN_MISC_OPEN.store(0, Ordering::Relaxed);
    }
}
