// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use core::pin::Pin;

use linux_driver::sync::SpinLock;

/// Moves a spin lock. Waiting CPUs have its address.
pub fn moved(lock: Pin<&mut SpinLock<u32>>) -> &mut SpinLock<u32> {
    Pin::into_inner(lock) //~ ERROR: `PhantomPinned` cannot be unpinned
}
