// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::alloc::{KBox, KVec};
use linux_driver::sync::MutexGuard;

fn send<T: Send>() {}

/// Sends a container to another thread. Its values must stay in their thread, and so must the
/// container.
pub fn guards<'a>() {
    send::<KVec<KBox<MutexGuard<'a, u32>>>>(); //~ ERROR: cannot be sent between threads safely
}
