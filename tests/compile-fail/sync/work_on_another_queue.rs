// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::device::{Bound, Device};
use linux_driver::workqueue::{self, Work, WorkItem};

pub struct Handler;

impl WorkItem for Handler {
    /// Queues itself on another queue. The second run would begin during the first one.
    fn run(work: &Work<Self>, _dev: &Device<Bound>) {
        work.queue_on(workqueue::system_unbound()); //~ ERROR: no method named `queue_on` found
    }
}
