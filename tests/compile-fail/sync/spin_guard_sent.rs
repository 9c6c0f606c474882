// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::sync::SpinLock;

fn send<T: Send>(_: T) {}

/// Sends a guard to another thread. The CPU that locked a spin lock must unlock it.
pub fn guard(lock: &SpinLock<u32>) {
    send(lock.lock()); //~ ERROR: cannot be sent between threads safely
}
