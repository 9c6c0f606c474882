// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::sync::rcu;

fn send<T: Send>(_: T) {}

/// Sends a guard to another thread. An RCU reader must end where it began.
pub fn reader() {
    send(rcu::read_lock()); //~ ERROR: cannot be sent between threads safely
}
