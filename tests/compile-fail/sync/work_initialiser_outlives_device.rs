// SPDX-License-Identifier: GPL-2.0-only
#![no_std]
#![forbid(unsafe_code)]

use linux_driver::device::{Bound, Device};
use linux_driver::error::Error;
use linux_driver::init::PinInit;
use linux_driver::new_work;
use linux_driver::workqueue::{Work, WorkItem};

pub struct Handler;

impl WorkItem for Handler {
    fn run(_work: &Work<Self>, _dev: &Device<Bound>) {}
}

/// Keeps an initialiser for longer than the binding in which it was created.
pub fn kept<'a>(dev: &'a Device<Bound>) -> impl PinInit<Work<Handler>, Error> + 'static {
    new_work!(dev, Handler) //~ ERROR: lifetime may not live long enough
}
