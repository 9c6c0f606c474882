// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::sync::SpinLock;

/// Returns a reference from the closure. When the call returns, the lock is released, and
/// interrupts are enabled again.
pub fn data(lock: &SpinLock<u32>) -> u32 {
    *lock.lock_irqsave(|data| data) //~ ERROR: lifetime may not live long enough
}
