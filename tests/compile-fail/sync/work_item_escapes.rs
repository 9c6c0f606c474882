// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::device::{Bound, Device};
use linux_driver::workqueue::{Work, WorkItem};

pub struct Handler;

/// An item that keeps itself. The handler may only rely on its existence during the run.
impl WorkItem for Handler {
    fn run(work: &Work<Self>, _dev: &Device<Bound>) {
        let _: &'static Work<Self> = work; //~ ERROR: lifetime may not live long enough
    }
}
