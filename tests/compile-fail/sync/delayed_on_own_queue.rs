//~ ERROR does not live long enough
// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::device::{Bound, Device};
use linux_driver::error::Result;
use linux_driver::jiffies::Jiffies;
use linux_driver::workqueue::{DelayedWork, DelayedWorkItem, OwnedQueue, QueueFlags};

pub struct Handler;

impl DelayedWorkItem for Handler {
    fn run(_work: &DelayedWork<Self>, _dev: &Device<Bound>) {}
}

/// A timer would queue to a queue that is gone.
pub fn later(work: &DelayedWork<Handler>) -> Result {
    let queue = OwnedQueue::new(c"own", QueueFlags::NONE, 1)?;
    work.queue_on(&queue, Jiffies::from_msecs(10));
    Ok(())
}
