// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use core::pin::Pin;

use linux_driver::device::{Bound, Device};
use linux_driver::workqueue::{DelayedWork, DelayedWorkItem};

pub struct Handler;

impl DelayedWorkItem for Handler {
    fn run(_work: &DelayedWork<Self>, _dev: &Device<Bound>) {}
}

/// Moves a work item. C has pointers to it and to its timer.
pub fn moved(work: Pin<&mut DelayedWork<Handler>>) -> &mut DelayedWork<Handler> {
    Pin::into_inner(work) //~ ERROR: `PhantomPinned` cannot be unpinned
}
