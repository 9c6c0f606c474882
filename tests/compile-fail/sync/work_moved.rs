// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use core::pin::Pin;

use linux_driver::device::{Bound, Device};
use linux_driver::workqueue::{Work, WorkItem};

pub struct Handler;

impl WorkItem for Handler {
    fn run(_work: &Work<Self>, _dev: &Device<Bound>) {}
}

/// Moves a work item. C has a pointer to it.
pub fn moved(work: Pin<&mut Work<Handler>>) -> &mut Work<Handler> {
    Pin::into_inner(work) //~ ERROR: `PhantomPinned` cannot be unpinned
}
