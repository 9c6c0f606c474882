//~ ERROR cannot be sent between threads safely
// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::sync::SpinLock;

fn send<T: Send>(_: T) {}

/// Interrupts are as before on the CPU where they were turned off.
pub fn guard(lock: &SpinLock<u32>) {
    send(lock.lock_irqsave());
}
