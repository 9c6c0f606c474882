// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::sync::Mutex;

fn send<T: Send>(_: T) {}

/// Sends a guard to another thread. The task that locked a mutex must unlock it.
pub fn guard(mutex: &Mutex<u32>) {
    send(mutex.lock()); //~ ERROR: cannot be sent between threads safely
}
