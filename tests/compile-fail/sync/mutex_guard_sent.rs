// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::sync::Mutex;

fn send<T: Send>(_: T) {}

/// A mutex is unlocked by the task that locked it.
pub fn guard(mutex: &Mutex<u32>) {
    send(mutex.lock()); //~ ERROR: cannot be sent between threads safely
}
