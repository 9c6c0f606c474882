// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::device::{Bound, Device, Normal};
use linux_driver::error::Error;
use linux_driver::init::PinInit;
use linux_driver::new_work;
use linux_driver::workqueue::{Work, WorkItem};

pub struct Handler;

impl WorkItem for Handler {
    fn run(_work: &Work<Self>, _dev: &Device<Bound>) {}
}

/// Creates an item for a device that may be unbound. An item belongs to a binding.
pub fn unbound(dev: &Device<Normal>) -> impl PinInit<Work<Handler>, Error> {
    new_work!(dev, Handler) //~ ERROR: expected `&Device<Bound>`, found `&Device`
}
