// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::sync::{Mutex, MutexGuard};

fn share<T: Sync>(_: &T) {}

/// Shares a mutex whose value must stay in its thread.
pub fn not_send(mutex: &Mutex<MutexGuard<'_, u32>>) {
    share(mutex); //~ ERROR: cannot be sent between threads safely
}
