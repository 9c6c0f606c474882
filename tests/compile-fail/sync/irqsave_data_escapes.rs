// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::sync::SpinLock;

/// The lock is let go of, and interrupts are on again, when the call returns.
pub fn data(lock: &SpinLock<u32>) -> u32 {
    *lock.lock_irqsave(|data| data) //~ ERROR: lifetime may not live long enough
}
