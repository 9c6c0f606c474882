// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use core::cell::RefCell;

use linux_driver::device::{Bound, Device};
use linux_driver::workqueue::{Work, WorkItem};

pub struct Handler(RefCell<u32>);

/// An item that is not `Sync`. It runs in any thread, while other threads access it.
impl WorkItem for Handler { //~ ERROR: cannot be shared between threads safely
    fn run(work: &Work<Self>, _dev: &Device<Bound>) {
        work.0.replace(1);
    }
}
