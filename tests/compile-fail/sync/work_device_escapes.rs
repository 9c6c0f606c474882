// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::device::{Bound, Device};
use linux_driver::workqueue::{Work, WorkItem};

pub struct Handler;

/// An item that keeps the device. The handler may only rely on its binding during the run.
impl WorkItem for Handler {
    fn run(_work: &Work<Self>, dev: &Device<Bound>) {
        let _: &'static Device<Bound> = dev; //~ ERROR: lifetime may not live long enough
    }
}
