// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use core::cell::RefCell;

use linux_driver::sync::Arc;

fn send<T: Send>(_: T) {}

/// Shares an `Arc`. All its owners access the value at once.
pub fn not_sync(arc: Arc<RefCell<u32>>) {
    send(arc); //~ ERROR: cannot be shared between threads safely
}
